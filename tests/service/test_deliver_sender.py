from __future__ import annotations

import http.server
import json
import socket
import threading
import time
from collections import deque
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filereader import read_dataset
from pydicom.uid import JPEGBaseline8Bit
from pynetdicom import AE, evt
from pynetdicom.presentation import build_context

from service.config import Destination, Settings, validated
from service.deliver.answers import BrokenOff, Fate, of_http, of_status
from service.deliver.sender import CIRCUIT_SECONDS, OBJECT_SECONDS, Sender, peer_for, senders, wait_seconds
from service.deliver.store import StorePeer
from service.errors import Unreachable
from service.ledger import Instance, Ledger, Outcome, Outgoing, OutgoingState, Result
from service.receive.file_header import file_header

COMPREHENSIVE_3D = "1.2.840.10008.5.1.4.1.1.88.34"
COMPREHENSIVE = "1.2.840.10008.5.1.4.1.1.88.33"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"


class Pacs:
    """A stand-in PACS that answers as it is told."""

    def __init__(self, *classes: str, syntax: str = EXPLICIT, port: int = 0, **settings: object) -> None:
        self.statuses: deque[int] = deque()
        self.stored: list[tuple[str, bytes]] = []
        self.no_delay: list[int] = []
        self.contexts: list[list[str]] = []
        ae = AE(ae_title="PACS")
        for keyword, value in settings.items():
            setattr(ae, keyword, value)
        self.server = ae.start_server(
            ("127.0.0.1", port),
            block=False,
            contexts=[build_context(uid, [syntax]) for uid in classes or (COMPREHENSIVE_3D, CAPTURE)],
            evt_handlers=[(evt.EVT_C_STORE, self._store), (evt.EVT_REQUESTED, self._requested)],
        )
        self.port = self.server.socket.getsockname()[1]

    def _requested(self, event: evt.Event) -> None:
        proposed = event.assoc.requestor.primitive.presentation_context_definition_list
        self.contexts.append([str(context.abstract_syntax) for context in proposed])

    def _store(self, event: evt.Event) -> int:
        status = self.statuses.popleft() if self.statuses else 0
        if status == -1:
            event.assoc.abort(block=False)
            return 0xC000
        if status < 0x8000 or (status >= 0xB000 and status < 0xC000):
            self.stored.append((str(event.request.AffectedSOPInstanceUID), event.encoded_dataset(include_meta=False)))
        return status

    def stop(self) -> None:
        self.server.shutdown()


@pytest.fixture
def pacs():
    running: list[Pacs] = []

    def start(*classes: str, **settings: object) -> Pacs:
        running.append(Pacs(*classes, **settings))
        return running[-1]

    yield start
    for one in running:
        if one.server.socket.fileno() != -1:
            one.stop()


def until(condition, seconds=20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def posted(ledger: Ledger, tmp_path: Path, encode, clock: Clock):
    """Put results into the outbox, for the destinations named."""
    count = 0

    def post(*destinations: str, sop_class: str = COMPREHENSIVE_3D) -> Result:
        nonlocal count
        count += 1
        uid = f"2.25.{count}"
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, uid
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.1", "2.25.99"
        dataset.TextValue = "x" * 8000
        path = tmp_path / "results" / f"{count}.dcm"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(file_header(sop_class, uid, EXPLICIT, "") + encode(dataset))
        result = Result(uid, sop_class, "2.25.99", "sr", f"results/{count}.dcm", "a" * 64, 1, destinations=destinations)
        ledger.keep(
            Instance(f"1.2.{count}", "1.2", f"1.2.1.{count}", "1.2.2", EXPLICIT, f"{count:064x}", "x", 1, clock(), "US")
        )
        (study,) = ledger.open_studies()
        ledger.settle(study, clock())
        job = ledger.claim(clock(), "w", 30)
        assert job is not None
        ledger.finish(job, Outcome((result,)), clock())
        return result

    return post


def destination(port: int, name: str = "pacs", **changes: object) -> Destination:
    return Destination(
        **{
            "name": name,
            "ae_title": "PACS",
            "host": "127.0.0.1",
            "port": port,
            "timeout_seconds": 5,
            "keep_open_seconds": 0,
        }
        | changes
    )


def sender(ledger: Ledger, there: Destination, tmp_path: Path, clock: Clock) -> Sender:
    settings = Settings(destination=(there,)).placed(tmp_path)
    settings = settings.model_copy(update={"service": settings.service.model_copy(update={"data_folder": tmp_path})})
    return Sender(ledger, there.name, peer_for(there, settings), "sender", clock=clock, chance=lambda: 0.5)


@pytest.fixture
def to_pacs(ledger: Ledger, tmp_path: Path, clock: Clock, pacs):
    here = pacs()
    return here, sender(ledger, destination(here.port), tmp_path, clock)


def test_objects_go_out_once_and_as_they_lie(ledger, tmp_path, posted, to_pacs) -> None:
    there, out = to_pacs
    results = [posted("pacs"), posted("pacs", sop_class=CAPTURE), posted("pacs")]
    assert out.step() == 3
    assert out.step() == 0
    assert [uid for uid, _ in there.stored] == [result.sop_instance_uid for result in results]
    for (_, raw), result in zip(there.stored, results, strict=True):
        assert (tmp_path / result.path).read_bytes().endswith(raw)
    assert {row.state for row in ledger.outgoing()} == {OutgoingState.SENT}
    assert there.contexts == [[COMPREHENSIVE_3D, COMPREHENSIVE_3D, CAPTURE, CAPTURE]], "only what is needed"


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (0xB000, OutgoingState.SENT),
        (0xB007, OutgoingState.SENT),
        (0x0111, OutgoingState.SENT),
        (0xA700, OutgoingState.WAITING),
        (0x0110, OutgoingState.WAITING),
        (0xA900, OutgoingState.HELD),
        (0xC123, OutgoingState.HELD),
        (0x0122, OutgoingState.HELD),
        (0x0124, OutgoingState.HELD),
    ],
)
def test_each_status_has_its_fate_and_harms_no_neighbour(ledger, posted, to_pacs, status, state) -> None:
    there, out = to_pacs
    posted("pacs")
    posted("pacs")
    there.statuses.extend([status, 0])
    out.step()
    first, second = sorted(ledger.outgoing(), key=lambda row: row.id)
    assert (first.state, second.state) == (state, OutgoingState.SENT)
    if status != 0:
        assert f"0x{status:04X}" in first.last_error


def test_busy_for_an_hour_is_not_lost_nor_dead(ledger, posted, to_pacs, clock) -> None:
    there, out = to_pacs
    posted("pacs")
    there.statuses.extend([0xA700] * 6)
    began = clock.now
    while not there.stored and clock.now < began + 7200:
        out.step()
        clock.now += 10
    assert len(there.stored) == 1
    assert clock.now - began > 1800, "it did not hammer"


def test_a_destination_that_is_down_for_a_day_gets_everything_when_it_is_back(
    ledger, posted, pacs, tmp_path, clock
) -> None:
    there = pacs()
    port = there.port
    there.stop()
    out = sender(ledger, destination(port), tmp_path, clock)
    results = [posted("pacs") for _ in range(3)]
    for _ in range(8):
        assert out.step() == 0
        clock.now += 3 * 3600
    back = pacs(port=port)
    clock.now += CIRCUIT_SECONDS[1] * 1.3
    assert out.step() == 3
    assert sorted(uid for uid, _ in back.stored) == sorted(result.sop_instance_uid for result in results)
    assert ledger.circuit("pacs").failures == 0


class Moody:
    """The way to the PACS in a bad week: each day it fails in another manner, and on the eighth it is well."""

    def __init__(self, peer, clock: Clock) -> None:
        self.peer, self.clock, self.began = peer, clock, clock.now
        self.knocks: list[float] = []
        self.offered = 0

    def get_ready(self):
        self.peer.get_ready()

    def rest(self, *, at_once=False):
        self.peer.rest(at_once=at_once)

    def send(self, objects):
        self.knocks.append(self.clock.now)
        match int((self.clock.now - self.began) // 86_400):
            case 0 | 4:
                raise Unreachable("no association")
            case 1 | 5:
                raise BrokenOff("aborted in the first object")
            case 2 | 6:
                for one in objects:
                    self.offered += 1
                    yield one, of_status(0xA700)
            case 3:
                yield objects[0], of_status(0x0110)
                raise BrokenOff("no answer in time")
            case _:
                yield from self.peer.send(objects)


def test_a_week_without_the_pacs_loses_nothing_and_sends_nothing_twice(ledger, posted, pacs, tmp_path, clock) -> None:
    there = pacs()
    out = sender(ledger, destination(there.port), tmp_path, clock)
    moody = Moody(out._peer, clock)
    out._peer = moody
    results, steps = [], 7 * 24 * 3
    for number in range(steps):
        if number % 36 == 0:
            results.append(posted("pacs"))  # a study every twelve hours, all week
        assert out.step() == 0
        if number == steps // 2:  # the sender is started anew; what it knew is in the ledger
            out = sender(ledger, destination(there.port), tmp_path, clock)
            out._peer = moody
        clock.now += 1200
    rows = ledger.outgoing("pacs")
    assert len(rows) == len(results) == 14
    assert {row.state for row in rows} == {OutgoingState.WAITING}, "no dead letter, however long it lasts"
    latest = clock.now + max(CIRCUIT_SECONDS[1], OBJECT_SECONDS[1]) * 1.25
    assert max(row.due for row in rows) <= latest
    assert ledger.circuit("pacs").retry_at <= clock.now + CIRCUIT_SECONDS[1] * 1.25
    assert len(moody.knocks) <= steps, "at most once each time it is looked"
    sent = 0
    while clock.now <= latest + 300:
        sent += out.step()
        clock.now += 300
    assert sent == len(results)
    assert sorted(uid for uid, _ in there.stored) == sorted(result.sop_instance_uid for result in results)
    assert {row.state for row in ledger.outgoing("pacs")} == {OutgoingState.SENT}
    assert out.step() == 0


def test_a_destination_that_is_away_is_not_knocked_at_all_day(ledger, posted, clock) -> None:
    knocks: list[float] = []

    class Away:
        def get_ready(self):
            """Nothing is opened."""

        def rest(self, *, at_once=False):
            """Nothing is open."""

        def send(self, objects):
            knocks.append(clock.now)
            raise Unreachable("away")
            yield

    posted("pacs")
    out = Sender(ledger, "pacs", Away(), "me", clock=clock, chance=lambda: 0.5)
    for _ in range(24 * 12):
        out.step()
        clock.now += 300
    assert 80 < len(knocks) < 120
    assert ledger.outgoing()[0].state is OutgoingState.WAITING


def test_one_destination_down_does_not_hold_another(ledger, posted, pacs, tmp_path, clock) -> None:
    up = pacs()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        dead = taken.getsockname()[1]
        posted("up", "down")
        assert sender(ledger, destination(dead, "down"), tmp_path, clock).step() == 0
        assert sender(ledger, destination(up.port, "up"), tmp_path, clock).step() == 1
    assert "running and reachable" in ledger.circuit("down").reason


def test_an_object_that_ends_the_association_does_not_block_the_others(ledger, posted, to_pacs, clock) -> None:
    there, out = to_pacs
    bad, good = posted("pacs"), posted("pacs")
    there.statuses.append(-1)
    assert out.step() == 0
    clock.now += CIRCUIT_SECONDS[0] * 1.3
    assert out.step() == 1
    assert [uid for uid, _ in there.stored] == [good.sop_instance_uid]
    clock.now += OBJECT_SECONDS[0] * 1.3
    assert out.step() == 1
    assert there.stored[-1][0] == bad.sop_instance_uid


def test_a_peer_that_refuses_srs_still_gets_the_captures(ledger, posted, pacs, tmp_path, clock) -> None:
    there = pacs(CAPTURE)
    out = sender(ledger, destination(there.port), tmp_path, clock)
    report, capture = posted("pacs"), posted("pacs", sop_class=CAPTURE)
    out.step()
    rows = {row.sop_instance_uid: row for row in ledger.outgoing()}
    assert rows[capture.sop_instance_uid].state is OutgoingState.SENT
    assert rows[report.sop_instance_uid].state is OutgoingState.HELD
    assert COMPREHENSIVE_3D in rows[report.sop_instance_uid].last_error


def test_a_peer_that_knows_only_implicit_vr_gets_it(ledger, posted, pacs, tmp_path, clock) -> None:
    there = pacs(syntax=IMPLICIT)
    posted("pacs")
    assert sender(ledger, destination(there.port), tmp_path, clock).step() == 1
    assert len(there.stored) == 1


def test_an_overlay_in_jpeg_is_decoded_for_a_peer_that_takes_none(pacs, tmp_path) -> None:
    there = pacs(CAPTURE, syntax=IMPLICIT)
    picture = np.full((16, 24, 3), (10, 200, 90), np.uint8)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.SOPClassUID, dataset.SOPInstanceUID = CAPTURE, "2.25.1"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, dataset.PlanarConfiguration = 16, 24, 3, 0
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = "YBR_FULL_422", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelData = encapsulate([simplejpeg.encode_jpeg(picture, 95, colorsubsampling="422")])
    dataset["PixelData"].is_undefined_length = True
    dataset["PixelData"].VR = "OB"
    dataset.save_as(tmp_path / "capture.dcm", enforce_file_format=True)
    overlay = Outgoing(1, "2.25.1", CAPTURE, str(JPEGBaseline8Bit), "1.2", "capture.dcm", 1, "pacs",
                       OutgoingState.SENDING, 1, 0.0, 0.0)  # fmt: skip
    ((_, answer),) = StorePeer(destination(there.port), "NMUS", tmp_path).send([overlay])
    assert answer.fate is Fate.SENT
    ((uid, encoded),) = there.stored
    stored = read_dataset(BytesIO(encoded), is_implicit_VR=True, is_little_endian=True)
    assert (uid, stored.PhotometricInterpretation) == ("2.25.1", "RGB")
    assert np.allclose(np.frombuffer(stored.PixelData, np.uint8).reshape(16, 24, 3), picture, atol=3)


def test_an_association_stays_open_for_what_comes_next_and_no_longer(ledger, posted, pacs, tmp_path, clock) -> None:
    there = pacs()
    out = sender(ledger, destination(there.port, keep_open_seconds=0.3), tmp_path, clock)
    for count in (1, 2):
        posted("pacs")
        assert out.step() == 1
        assert (len(there.stored), len(there.contexts)) == (count, 1)
        assert len(there.server.active_associations) == 1
    until(lambda: not (out.step() or there.server.active_associations))
    posted("pacs")
    assert out.step() == 1
    assert len(there.contexts) == 2
    out.close()
    until(lambda: not there.server.active_associations)


def test_a_kept_association_that_the_peer_ended_costs_the_object_nothing(ledger, posted, pacs, tmp_path, clock) -> None:
    there = pacs()
    out = sender(ledger, destination(there.port, keep_open_seconds=30), tmp_path, clock)
    posted("pacs")
    assert out.step() == 1
    there.statuses.append(-1)  # aborts in the midst of the next object
    posted("pacs")
    assert out.step() == 1
    assert [row.attempt for row in ledger.outgoing()] == [1, 1]
    (kept,) = there.server.active_associations
    kept.abort()
    posted("pacs")
    assert out.step() == 1
    assert (len(there.stored), len(there.contexts)) == (3, 3)
    out.close()


def test_an_association_on_which_something_was_not_taken_is_not_kept(ledger, posted, pacs, tmp_path, clock) -> None:
    there = pacs(CAPTURE)
    out = sender(ledger, destination(there.port, keep_open_seconds=30), tmp_path, clock)
    posted("pacs"), posted("pacs", sop_class=CAPTURE)
    out.step()
    until(lambda: not there.server.active_associations)


def test_rejected_for_good_is_a_dead_letter_until_re_driven(ledger, posted, pacs, tmp_path, clock) -> None:
    there = pacs(require_calling_aet=["OTHER"])
    out = sender(ledger, destination(there.port), tmp_path, clock)
    posted("pacs")
    out.step()
    (row,) = ledger.outgoing()
    assert row.state is OutgoingState.HELD
    assert "NMUS" in row.last_error
    there.server.ae.require_calling_aet = []
    assert out.step() == 0
    assert ledger.redrive(clock.now) == 1
    assert out.step() == 1


def test_rejected_for_now_opens_the_circuit(*, ledger, posted, pacs, tmp_path, clock, until) -> None:
    there = pacs(maximum_associations=1)
    holder = AE(ae_title="HOLDER").associate("127.0.0.1", there.port, contexts=[build_context(CAPTURE)])
    assert holder.is_established
    posted("pacs")
    out = sender(ledger, destination(there.port), tmp_path, clock)
    assert out.step() == 0
    assert ledger.outgoing()[0].state is OutgoingState.WAITING
    assert "rejected" in ledger.circuit("pacs").reason
    holder.release()
    until(lambda: not there.server.active_associations)
    clock.now += CIRCUIT_SECONDS[0] * 1.3
    assert out.step() == 1


def test_a_result_file_that_is_gone_is_told(ledger, posted, to_pacs, tmp_path) -> None:
    there, out = to_pacs
    lost, kept = posted("pacs"), posted("pacs")
    (tmp_path / lost.path).unlink()
    out.step()
    out.step()
    rows = {row.sop_instance_uid: row for row in ledger.outgoing()}
    assert "is gone" in rows[lost.sop_instance_uid].last_error
    assert rows[kept.sop_instance_uid].state is OutgoingState.SENT
    assert len(there.stored) == 1


class _Rest(http.server.BaseHTTPRequestHandler):
    answers: deque[tuple[int, dict[str, str]]]
    bodies: list[bytes]

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        code, body = self.answers.popleft()
        raw = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        ((200, {"Status": "Success"}), OutgoingState.SENT),
        ((200, {"Status": "AlreadyStored"}), OutgoingState.SENT),
        ((400, {}), OutgoingState.HELD),
        ((503, {}), OutgoingState.WAITING),
        ((401, {}), OutgoingState.WAITING),
    ],
)
def test_orthanc_by_rest_has_the_same_fates(ledger, posted, tmp_path, reply, state) -> None:
    clock = Clock()
    handler = type("Handler", (_Rest,), {"answers": deque([reply]), "bodies": []})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        there = Destination(name="hub", orthanc=f"http://127.0.0.1:{server.server_port}")
        result = posted("hub")
        sender(ledger, there, tmp_path, clock).step()
        thread.join()
    (row,) = ledger.outgoing()
    assert row.state is state
    assert handler.bodies == [(tmp_path / result.path).read_bytes()]
    assert dcmread(tmp_path / result.path).SOPInstanceUID == result.sop_instance_uid


@given(tries=st.integers(min_value=0, max_value=10**6), chance=st.floats(min_value=0, max_value=1))
def test_waits_double_to_a_limit_with_jitter(tries: int, chance: float) -> None:
    wait = wait_seconds(OBJECT_SECONDS, tries, chance)
    middle = min(OBJECT_SECONDS[1], OBJECT_SECONDS[0] * 2.0 ** min(max(tries - 1, 0), 20))
    assert 0.74 * middle <= wait <= 1.26 * middle


@given(status=st.integers(min_value=0, max_value=0xFFFF))
def test_every_status_has_a_fate(status: int) -> None:
    answer = of_status(status)
    if 0xA700 <= status <= 0xA7FF:
        assert answer.fate is Fate.LATER
    if status >= 0xC000:
        assert answer.fate is Fate.HELD


def test_http_codes() -> None:
    assert of_http(429).fate is of_http(507).fate is Fate.LATER
    assert of_http(409).fate is Fate.HELD


def test_a_sender_for_each_destination(ledger) -> None:
    settings = validated(
        {
            "destination": [
                {"name": "a", "ae_title": "A", "host": "h", "port": 1},
                {"name": "b", "orthanc": "http://127.0.0.1:1"},
            ]
        }
    )
    assert len(senders(ledger, settings, "me")) == 2


def test_for_a_study_that_is_worked_on_an_association_is_opened_beforehand_and_once(
    *, ledger, posted, pacs, tmp_path, clock, monkeypatch
) -> None:
    monkeypatch.setattr("service.deliver.sender._ASKED_EVERY_S", 0)
    there = pacs()
    out = sender(ledger, destination(there.port, keep_open_seconds=0.3), tmp_path, clock)
    posted("pacs")
    assert out.step() == 1
    until(lambda: not (out.step() or there.server.active_associations))
    ledger.keep(Instance("1.2.50", "1.2", "1.2.1.50", "1.2.2", EXPLICIT, f"{50:064x}", "x", 1, clock(), "US"))
    (study,) = ledger.open_studies()
    ledger.settle(study, clock())
    assert (out.step(), len(there.contexts)) == (0, 1), "nobody works on it yet"
    assert ledger.claim(clock(), "worker", 600) is not None
    assert (out.step(), len(there.contexts)) == (0, 2)
    posted("pacs")
    assert (out.step(), len(there.contexts)) == (1, 2), "what was opened is used"
    until(lambda: not (out.step() or there.server.active_associations))
    assert len(there.contexts) == 2, "and not opened again for the same study"
    out.close()


def test_nothing_is_opened_beforehand_where_nothing_went_or_the_circuit_is_open(
    *, ledger, posted, pacs, tmp_path, clock, monkeypatch
) -> None:
    there = pacs()
    out = sender(ledger, destination(there.port, keep_open_seconds=0.3), tmp_path, clock)
    ledger.keep(Instance("1.2.50", "1.2", "1.2.1.50", "1.2.2", EXPLICIT, f"{50:064x}", "x", 1, clock(), "US"))
    (study,) = ledger.open_studies()
    ledger.settle(study, clock())
    job = ledger.claim(clock(), "worker", 600)
    assert (out.step(), len(there.contexts)) == (0, 0)
    posted("pacs")
    assert out.step() == 1
    until(lambda: not (out.step() or there.server.active_associations))
    ledger.finish(job, Outcome(()), clock())
    ledger.pause("pacs")
    assert ledger.rerun("1.2.1.50", clock()) is not None
    job = ledger.claim(clock(), "worker", 600)
    monkeypatch.setattr("service.deliver.sender._ASKED_EVERY_S", 0)
    assert (out.step(), len(there.contexts)) == (0, 1), "a pause is a pause"
    ledger.finish(job, Outcome(()), clock())
    ledger.pause("pacs", paused=False)
    there.stop()
    assert ledger.rerun("1.2.1.50", clock()) is not None
    assert ledger.claim(clock(), "worker", 600) is not None
    assert out.step() == 0, "who is away costs nothing and is not told of"
    assert ledger.circuit("pacs").failures == 0
    out.close()
