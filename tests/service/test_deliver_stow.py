"""STOW-RS out: what is posted, what each answer means for each object, and who is let in."""

from __future__ import annotations

import email.parser
import email.policy
import http.server
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from service.config import Destination, Settings
from service.deliver.answers import Fate
from service.deliver.sender import Sender, peer_for
from service.deliver.stow_answer import answers
from service.errors import Misconfigured
from service.ledger import Instance, Ledger, Outcome, OutgoingState, Result
from service.receive.archive import file_header

COMPREHENSIVE_3D, EXPLICIT = "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.1.2.1"
Reply = tuple[int, object]


class Web:
    """A DICOMweb service on loopback that answers as it is told and keeps what it was sent."""

    def __init__(self) -> None:
        self.replies: deque[Reply | Callable[[list[str]], Reply]] = deque()
        self.parts: list[list[bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                outer.headers.append({key.lower(): value for key, value in self.headers.items()})
                outer.paths.append(self.path)
                outer.parts.append(_parts(self.headers["Content-Type"], raw))
                reply = outer.replies.popleft() if outer.replies else (200, b"")
                code, body = reply(outer.uids()) if callable(reply) else reply
                told = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/dicom-web"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def uids(self) -> list[str]:
        """Of the last request: UID elements of the files' headers."""
        return [_uid_of(part) for part in self.parts[-1]]

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def _parts(content_type: str, raw: bytes) -> list[bytes]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + raw)
    assert message.get_content_type() == "multipart/related"
    assert message.get_param("type") == "application/dicom"
    boundary = b"--" + str(message.get_boundary()).encode()
    pieces = raw.split(boundary)[1:-1]  # email would mend line ends inside of pictures
    return [piece.partition(b"\r\n\r\n")[2][:-2] for piece in pieces]


def _uid_of(part: bytes) -> str:
    start = part.index(b"\x02\x00\x03\x00UI") + 8
    return part[start : start + int.from_bytes(part[start - 2 : start], "little")].decode().rstrip("\0")


@pytest.fixture
def web() -> Iterator[Web]:
    running = Web()
    yield running
    running.stop()


@pytest.fixture
def posted(ledger: Ledger, tmp_path: Path, encode) -> Callable[..., list[Result]]:
    """Results of one study in the outbox of ``web``."""

    def post(count: int = 1, size: int = 400) -> list[Result]:
        made = []
        for number in range(1, count + 1):
            dataset = Dataset()
            dataset.SOPClassUID, dataset.SOPInstanceUID = COMPREHENSIVE_3D, f"2.25.{number}"
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.1", "2.25.99"
            dataset.TextValue = "x\r\n--" * (size // 5)
            path = tmp_path / "results" / f"{number}.dcm"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(file_header(COMPREHENSIVE_3D, f"2.25.{number}", EXPLICIT, "") + encode(dataset))
            stated = path.stat().st_size
            made.append(
                Result(f"2.25.{number}", COMPREHENSIVE_3D, "2.25.99", "sr", f"results/{number}.dcm", "a" * 64, stated,
                       destinations=("web",))
            )  # fmt: skip
        ledger.keep(Instance("1.2.3", "1.2", "1.2.1", "1.2.2", EXPLICIT, "0" * 64, "x", 1, 1000.0, "US"))
        (study,) = ledger.open_studies()
        ledger.settle(study, 1000.0)
        job = ledger.claim(1000.0, "w", 30)
        assert job is not None
        ledger.finish(job, Outcome(tuple(made)), 1000.0)
        return made

    return post


def peer(there: Destination, folder: Path):
    settings = Settings()
    return peer_for(
        there, settings.model_copy(update={"service": settings.service.model_copy(update={"data_folder": folder})})
    )


def step(ledger: Ledger, tmp_path: Path, there: Destination) -> dict[str, OutgoingState]:
    Sender(ledger, "web", peer(there, tmp_path), "me", clock=lambda: 1000.0, chance=lambda: 0.5).step()
    return {row.sop_instance_uid: row.state for row in ledger.outgoing()}


def items(sequence: str, number: str, **statuses: int) -> dict[str, object]:
    value = [
        {
            "00081150": {"vr": "UI", "Value": [COMPREHENSIVE_3D]},
            "00081155": {"vr": "UI", "Value": [f"2.25.{name[1:]}"]},
            **({number: {"vr": "US", "Value": [status]}} if status else {}),
        }
        for name, status in statuses.items()
    ]
    return {sequence: {"vr": "SQ", "Value": value}}


def stored(**statuses: int) -> dict[str, object]:
    return items("00081199", "00081196", **statuses)


def failed(**statuses: int) -> dict[str, object]:
    return items("00081198", "00081197", **statuses)


def test_files_arrive_byte_for_byte_in_one_request(ledger, tmp_path, web, posted) -> None:
    results = posted(3)
    web.replies.append((200, stored(n1=0, n2=0, n3=0)))
    assert set(step(ledger, tmp_path, Destination(name="web", dicomweb=web.url + "/")).values()) == {OutgoingState.SENT}
    assert web.parts == [[(tmp_path / one.path).read_bytes() for one in results]]
    assert web.paths == ["/dicom-web/studies"]
    assert web.headers[0]["accept"] == "application/dicom+json"


@pytest.mark.parametrize(
    "answer",
    [
        (0xA700, OutgoingState.WAITING),
        (0x0110, OutgoingState.WAITING),
        (0x0111, OutgoingState.SENT),
        (0x0122, OutgoingState.HELD),
        (0x0124, OutgoingState.HELD),
        (0xA900, OutgoingState.HELD),
        (0xC000, OutgoingState.HELD),
    ],
)
def test_each_reason_has_its_fate_and_harms_no_neighbour(ledger, tmp_path, web, posted, answer) -> None:
    reason, state = answer
    posted(2)
    web.replies.append((202, stored(n1=0) | failed(n2=reason)))
    assert step(ledger, tmp_path, Destination(name="web", dicomweb=web.url)) == {
        "2.25.1": OutgoingState.SENT,
        "2.25.2": state,
    }
    assert len(web.parts) == 1
    if state is not OutgoingState.SENT:
        assert f"0x{reason:04X}" in next(row.last_error for row in ledger.outgoing() if row.state is state)


def test_a_warning_is_kept_beside_what_was_sent(ledger, tmp_path, web, posted) -> None:
    posted(1)
    web.replies.append((200, [stored(n1=0xB000)]))
    assert step(ledger, tmp_path, Destination(name="web", dicomweb=web.url)) == {"2.25.1": OutgoingState.SENT}
    assert "0xB000" in ledger.outgoing()[0].last_error


def test_an_object_that_the_answer_forgets_is_sent_again(ledger, tmp_path, web, posted) -> None:
    posted(2)
    web.replies.append((200, stored(n1=0)))
    assert step(ledger, tmp_path, Destination(name="web", dicomweb=web.url))["2.25.2"] is OutgoingState.WAITING


def test_a_request_refused_whole_is_sent_one_by_one(ledger, tmp_path, web, posted) -> None:
    posted(3)

    def alone(uids: list[str]) -> Reply:
        return (400, b"no") if "2.25.2" in uids else (200, b"")

    web.replies.extend([(400, b"one of them is odd"), alone, alone, alone])
    assert step(ledger, tmp_path, Destination(name="web", dicomweb=web.url)) == {
        "2.25.1": OutgoingState.SENT,
        "2.25.2": OutgoingState.HELD,
        "2.25.3": OutgoingState.SENT,
    }


def test_an_authority_file_without_certificates_is_a_mistake(tmp_path) -> None:
    (tmp_path / "ca.pem").write_text("none", encoding="ascii")
    with pytest.raises(Misconfigured, match=r"ca\.pem"):
        peer(Destination(name="web", dicomweb="https://a", ca_file=tmp_path / "ca.pem"), tmp_path)


@pytest.mark.parametrize("code", [301, 401, 403, 404, 407])
def test_a_wrong_address_or_password_holds_nothing(ledger, tmp_path, web, posted, code) -> None:
    posted(2)
    web.replies.append((code, b""))
    there = Destination(name="web", dicomweb=web.url)
    assert set(step(ledger, tmp_path, there).values()) == {OutgoingState.WAITING}
    assert f"HTTP {code}" in ledger.circuit("web").reason
    assert len(web.parts) == 1


def test_a_busy_service_gets_everything_again_later(ledger, tmp_path, web, posted) -> None:
    posted(2)
    web.replies.append((503, b"busy"))
    states = step(ledger, tmp_path, Destination(name="web", dicomweb=web.url))
    assert set(states.values()) == {OutgoingState.WAITING}
    assert len(web.parts) == 1


def test_long_objects_go_by_themselves(ledger, tmp_path, web, posted, monkeypatch) -> None:
    monkeypatch.setattr("service.deliver.stow._BATCH_BYTES", 5000)
    posted(5, size=2000)
    assert set(step(ledger, tmp_path, Destination(name="web", dicomweb=web.url)).values()) == {OutgoingState.SENT}
    assert [len(parts) for parts in web.parts] == [2, 2, 1]


def test_a_token_is_read_anew_for_each_request(ledger, tmp_path, web, posted) -> None:
    token = tmp_path / "token"
    token.write_text("first\n", encoding="ascii")
    there = Destination(name="web", dicomweb=web.url, token_file=token)
    posted(1)
    web.replies.append((503, b""))
    step(ledger, tmp_path, there)
    token.write_text("second\n", encoding="ascii")
    ledger.redrive(1000.0)
    assert [answer.fate for _, answer in peer(there, tmp_path).send(ledger.outgoing())] == [Fate.SENT]
    assert [headers["authorization"] for headers in web.headers] == ["Bearer first", "Bearer second"]


def test_basic_authentication(ledger, tmp_path, web, posted) -> None:
    posted(1)
    (tmp_path / "password").write_text("s3cret\n", encoding="utf-8")
    there = Destination(name="web", dicomweb=web.url, username="nmus", password_file=Path("password"))
    (there,) = Settings(destination=(there,)).placed(tmp_path).destination
    step(ledger, tmp_path, there)
    assert web.headers[0]["authorization"] == "Basic bm11czpzM2NyZXQ="


def test_a_token_file_that_is_gone_waits(ledger, tmp_path, web, posted) -> None:
    posted(1)
    there = Destination(name="web", dicomweb=web.url, token_file=tmp_path / "none")
    assert step(ledger, tmp_path, there) == {"2.25.1": OutgoingState.WAITING}
    assert web.parts == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"dicomweb": "http://a", "orthanc": "http://b"},
        {"dicomweb": "http://a", "ae_title": "A", "host": "h", "port": 1},
        {"ae_title": "A", "host": "h"},
        {"dicomweb": "ftp://a"},
        {"dicomweb": "http://a", "username": "u", "token_file": "t"},
    ],
)
def test_settings_that_contradict_themselves_are_refused(wrong: dict[str, object]) -> None:
    from service.config import validated

    with pytest.raises(Misconfigured):
        validated({"destination": [{"name": "web", **wrong}]})


@given(code=st.integers(min_value=200, max_value=599), raw=st.binary(max_size=60))
def test_no_answer_breaks_the_sender(code: int, raw: bytes) -> None:
    found = answers(["2.25.1"], code, raw)
    assert found is None or set(found) == {"2.25.1"}


_JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["00081198", "00081199", "00081155", "00081197", "Value"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(told=_JSON)
def test_odd_json_counts_as_no_answer_or_is_read(told: object) -> None:
    found = answers(["2.25.1"], 202, json.dumps(told).encode())
    assert found is None or set(found) == {"2.25.1"}
