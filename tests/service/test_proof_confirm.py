"""A result is confirmed when its destination says that it keeps it; what it lacks is sent again."""

from __future__ import annotations

import http.server
import json
import sys
import threading
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import AE
from pynetdicom.presentation import build_context

from service.config import Listener
from service.demo.pacs import StandInPacs
from service.demo.pacs_services import Committing, Finding
from service.errors import Misconfigured
from service.ledger import ConfirmState, OutgoingState
from service.objects.folder import SharedFolder
from service.proof.commitment import PUSH_MODEL, PUSH_MODEL_INSTANCE, answer
from service.proof.judge import FIRST_LOOK_S, MOST_RESENT
from service.receive.archive import Archive
from service.receive.commitment import Commitment
from service.receive.intake import Intake
from service.receive.listener import StorageProvider

sys.path.insert(0, str(Path(__file__).parent))
from proof_house import Clock, confirm, deliver, post, settings


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pacs(tmp_path):
    with StandInPacs(tmp_path / "pacs", services=[Finding(tmp_path / "pacs")]) as running:
        yield running


@pytest.fixture
def listener(tmp_path, ledger, clock):
    archive = Archive(tmp_path)
    commitment = Commitment(ledger, SharedFolder(tmp_path), (), clock)
    provider = StorageProvider(Listener(port=0), Intake(ledger, archive), archive.spool, commitment=commitment)
    yield provider
    provider.drain(0)


def committing(pacs, **changes) -> Committing:
    """The service must be there before the PACS starts to listen; here it is one that started without."""
    made = Committing(pacs.folder, **changes)
    pacs.__exit__(None, None, None)
    pacs.services.append(made)
    pacs.port = 0
    pacs.__enter__()
    return made


def to(pacs, how: str, tmp_path, **more):
    there = {"name": "pacs", "ae_title": "DEMOPACS", "host": "127.0.0.1", "port": pacs.port, "timeout_seconds": 10}
    return settings(tmp_path, destination=[{**there, "confirm": how, **more}])


def states(ledger):
    return {one.sop_instance_uid: one.state for one in ledger.confirmations()}


def test_an_archive_that_answers_on_our_association(ledger, tmp_path, pacs, clock, until) -> None:
    archive = committing(pacs)
    chosen = to(pacs, "commitment", tmp_path)
    made = post(ledger, tmp_path, clock(), "pacs", count=2)
    assert deliver(ledger, chosen, clock) == 2
    assert confirm(ledger, chosen, clock) == 0, "not at once: it has to store first"
    clock.now += FIRST_LOOK_S
    assert confirm(ledger, chosen, clock) == 2
    assert states(ledger) == {one.sop_instance_uid: ConfirmState.CONFIRMED for one in made}
    until(lambda: archive.replies == [0])
    assert ledger.status().confirmations[0].confirmed == 2
    clock.now += 1e6
    assert confirm(ledger, chosen, clock) == 0, "once is enough"
    assert {one.kind for one in ledger.events(made[0].study_instance_uid or None)} >= {"sent", "confirmed"}


def test_an_archive_that_answers_on_an_association_of_its_own(  # noqa: PLR0917 - fixtures
    ledger, tmp_path, pacs, clock, until, listener
) -> None:
    archive = committing(pacs, answer_to=("127.0.0.1", listener.port, "NMUS"))
    chosen = to(pacs, "commitment", tmp_path)
    (made,) = post(ledger, tmp_path, clock(), "pacs")
    deliver(ledger, chosen, clock)
    clock.now += FIRST_LOOK_S
    confirm(ledger, chosen, clock)
    until(lambda: archive.replies == [0])
    assert states(ledger) == {made.sop_instance_uid: ConfirmState.CONFIRMED}


def test_an_archive_that_never_answers_is_asked_again_under_a_new_transaction(ledger, tmp_path, pacs, clock) -> None:
    archive = committing(pacs, mute=True)
    chosen = to(pacs, "commitment", tmp_path)
    (made,) = post(ledger, tmp_path, clock(), "pacs")
    deliver(ledger, chosen, clock)
    for _ in range(3):
        clock.now += 86_400
        assert confirm(ledger, chosen, clock) == 1
        assert confirm(ledger, chosen, clock) == 0
    assert len(set(archive.transactions)) == 3
    assert states(ledger) == {made.sop_instance_uid: ConfirmState.ASKED}
    # the answer to a question that was given up says nothing any more; the one to the open question does
    for transaction, expected in (
        (archive.transactions[0], ConfirmState.ASKED),
        (archive.transactions[2], ConfirmState.CONFIRMED),
    ):
        _tell(ledger, tmp_path, transaction, made)
        assert states(ledger) == {made.sop_instance_uid: expected}


def _tell(ledger, tmp_path, transaction, made) -> None:
    """An answer in an association that proposes no roles, as Orthanc does."""
    archive = Archive(tmp_path)
    commitment = Commitment(ledger, SharedFolder(tmp_path), ())
    provider = StorageProvider(Listener(port=0), Intake(ledger, archive), archive.spool, commitment=commitment)
    association = AE("PACS").associate("127.0.0.1", provider.port, [build_context(PUSH_MODEL)], "NMUS")
    assert association.is_established
    kind, told = answer(transaction, [(made.sop_class_uid, made.sop_instance_uid)], [])
    status, _ = association.send_n_event_report(told, kind, PUSH_MODEL, PUSH_MODEL_INSTANCE)
    assert status.Status == 0
    association.release()
    provider.drain(0)


def test_what_an_archive_lacks_is_sent_again_and_then_confirmed(ledger, tmp_path, pacs, clock) -> None:
    committing(pacs)
    chosen = to(pacs, "commitment", tmp_path)
    lost, kept = post(ledger, tmp_path, clock(), "pacs", count=2)
    deliver(ledger, chosen, clock)
    pacs.file(lost.sop_instance_uid).unlink()
    for _ in range(3):
        clock.now += 86_400
        confirm(ledger, chosen, clock)
    assert states(ledger) == {
        lost.sop_instance_uid: ConfirmState.RESENDING,
        kept.sop_instance_uid: ConfirmState.CONFIRMED,
    }
    assert deliver(ledger, chosen, clock) == 1
    assert pacs.file(lost.sop_instance_uid).exists()
    clock.now += FIRST_LOOK_S
    confirm(ledger, chosen, clock)
    assert set(states(ledger).values()) == {ConfirmState.CONFIRMED}
    assert pacs.received.count(lost.sop_instance_uid) == 2
    assert pacs.received.count(kept.sop_instance_uid) == 1


def test_an_archive_that_loses_it_each_time_is_told_to_somebody(ledger, tmp_path, pacs, clock) -> None:
    archive = committing(pacs)
    chosen = to(pacs, "commitment", tmp_path)
    (made,) = post(ledger, tmp_path, clock(), "pacs")
    archive.lose[made.sop_instance_uid] = 0x0112
    for _ in range(16):
        deliver(ledger, chosen, clock)
        confirm(ledger, chosen, clock)
        clock.now += 86_400
    (row,) = ledger.confirmations()
    assert row.state is ConfirmState.UNCONFIRMED
    assert "0x0112" in row.reason
    assert pacs.received.count(made.sop_instance_uid) == MOST_RESENT + 1
    assert ledger.status().confirmations[0].unconfirmed == 1
    archive.lose.clear()
    ledger.redrive(clock())
    confirm(ledger, chosen, clock)
    assert states(ledger) == {made.sop_instance_uid: ConfirmState.CONFIRMED}


@pytest.mark.parametrize(
    ("reason", "state"),
    [(0x0213, ConfirmState.WAITING), (0x0131, ConfirmState.WAITING), (0x0119, ConfirmState.UNCONFIRMED)],
)
def test_each_failure_reason_has_its_consequence(  # noqa: PLR0917 - fixtures
    ledger, tmp_path, pacs, clock, reason, state
) -> None:
    archive = committing(pacs)
    chosen = to(pacs, "commitment", tmp_path)
    (made,) = post(ledger, tmp_path, clock(), "pacs")
    archive.lose[made.sop_instance_uid] = reason
    deliver(ledger, chosen, clock)
    clock.now += FIRST_LOOK_S
    confirm(ledger, chosen, clock)
    (row,) = ledger.confirmations()
    assert row.state is state
    assert f"0x{reason:04X}" in row.reason


def test_a_pacs_without_commitment_is_not_sent_anything_twice(ledger, tmp_path, pacs, clock) -> None:
    pacs.__exit__(None, None, None)
    pacs.services.clear()
    pacs.port = 0
    with pacs:
        chosen = to(pacs, "commitment", tmp_path)
        (made,) = post(ledger, tmp_path, clock(), "pacs")
        deliver(ledger, chosen, clock)
        for _ in range(4):
            clock.now += 3600
            confirm(ledger, chosen, clock)
        (row,) = ledger.confirmations()
        assert row.state is ConfirmState.WAITING
        assert "choose another confirm" in row.reason or "no association" in row.reason
        assert pacs.received == [made.sop_instance_uid]


def test_c_find_confirms_what_is_there_and_misses_what_is_not(ledger, tmp_path, pacs, clock) -> None:
    chosen = to(pacs, "find", tmp_path)
    there, lost = post(ledger, tmp_path, clock(), "pacs", count=2)
    deliver(ledger, chosen, clock)
    pacs.file(lost.sop_instance_uid).unlink()
    clock.now += FIRST_LOOK_S
    confirm(ledger, chosen, clock)
    assert states(ledger) == {
        there.sop_instance_uid: ConfirmState.CONFIRMED,
        lost.sop_instance_uid: ConfirmState.WAITING,
    }
    assert pacs.services[0].questions == ["IMAGE"], "one question for a series"
    for _ in range(3):
        clock.now += 86_400
        confirm(ledger, chosen, clock)
        deliver(ledger, chosen, clock)
    clock.now += FIRST_LOOK_S
    confirm(ledger, chosen, clock)
    assert set(states(ledger).values()) == {ConfirmState.CONFIRMED}


def test_a_destination_that_is_away_uses_up_no_patience(ledger, tmp_path, pacs, clock) -> None:
    chosen = to(pacs, "find", tmp_path)
    (made,) = post(ledger, tmp_path, clock(), "pacs")
    deliver(ledger, chosen, clock)
    pacs.__exit__(None, None, None)
    for _ in range(4):
        clock.now += 3600
        confirm(ledger, chosen, clock)
    (row,) = ledger.confirmations()
    assert (row.state, row.attempt) == (ConfirmState.WAITING, 0)
    with pacs:
        clock.now += 3600
        confirm(ledger, chosen, clock)
    assert states(ledger) == {made.sop_instance_uid: ConfirmState.CONFIRMED}


class Qido(http.server.BaseHTTPRequestHandler):
    """QIDO-RS over a folder, a page at a time."""

    folder: Path
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        series = self.path.split("/series/")[1].partition("/")[0]
        headers = (dcmread(path) for path in sorted(self.folder.glob("*.dcm")))
        found = [str(one.SOPInstanceUID) for one in headers if str(one.SeriesInstanceUID) == series]
        offset = int(self.path.partition("offset=")[2].partition("&")[0])
        page = [{"00080018": {"vr": "UI", "Value": [uid]}} for uid in found[offset : offset + 1000]]
        raw = json.dumps(page).encode()
        self.send_response(200 if page else 204)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(len(raw) if page else 0))
        self.end_headers()
        self.wfile.write(raw if page else b"")

    def log_message(self, *_arguments: object) -> None:
        pass


def test_qido_confirms_what_is_there(ledger, tmp_path, pacs, clock) -> None:
    handler = type("Handler", (Qido,), {"folder": pacs.folder, "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        chosen = to(pacs, "qido", tmp_path, qido=f"http://127.0.0.1:{server.server_port}/dicom-web")
        there, lost = post(ledger, tmp_path, clock(), "pacs", count=2)
        deliver(ledger, chosen, clock)
        pacs.file(lost.sop_instance_uid).unlink()
        clock.now += FIRST_LOOK_S
        confirm(ledger, chosen, clock)
        server.shutdown()
    assert states(ledger) == {
        there.sop_instance_uid: ConfirmState.CONFIRMED,
        lost.sop_instance_uid: ConfirmState.WAITING,
    }
    assert "CANARY" not in "".join(handler.asked)


def test_an_answer_that_is_nonsense_is_refused_and_changes_nothing(ledger, tmp_path, listener) -> None:
    association = AE("PACS").associate("127.0.0.1", listener.port, [build_context(PUSH_MODEL)], "NMUS")
    assert association.is_established
    nonsense = Dataset()
    nonsense.PatientName = "Canary^Carla"
    status, _ = association.send_n_event_report(nonsense, 1, PUSH_MODEL, PUSH_MODEL_INSTANCE)
    assert status.Status == 0, "an answer to no question of ours"
    status, _ = association.send_n_action(nonsense, 1, PUSH_MODEL, PUSH_MODEL_INSTANCE)
    assert status.Status == 0x0115
    association.release()
    assert ledger.requests() == ()


@pytest.mark.parametrize(
    ("how", "way"),
    [
        ("commitment", {"orthanc": "http://x"}),
        ("qido", {"ae_title": "A", "host": "h", "port": 1}),
        ("find", {"dicomweb": "http://x"}),
    ],
)
def test_a_way_of_confirming_that_cannot_work_is_told_at_once(tmp_path, how, way) -> None:
    with pytest.raises(Misconfigured, match=f"confirm '{how}' needs"):
        settings(tmp_path, destination=[{"name": "a", "confirm": how, **way}])


def test_a_withdrawn_or_waiting_object_is_not_asked_for(ledger, tmp_path, pacs, clock) -> None:
    chosen = to(pacs, "find", tmp_path)
    post(ledger, tmp_path, clock(), "pacs")
    clock.now += 1e6
    assert confirm(ledger, chosen, clock) == 0
    assert ledger.outgoing()[0].state is OutgoingState.WAITING
