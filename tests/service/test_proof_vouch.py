"""A scanner that asks for storage commitment is told what lies on the disk, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.presentation import build_context

from service.config import Listener, Scanner
from service.deliver.answering import Answerer
from service.ledger import Ledger, RequestState
from service.objects.folder import SharedFolder
from service.proof.commitment import PUSH_MODEL, PUSH_MODEL_INSTANCE, answered, request
from service.receive.archive import Archive
from service.receive.commitment import Commitment
from service.receive.intake import Intake
from service.receive.listener import StorageProvider

sys.path.insert(0, str(Path(__file__).parent))
from proof_house import Clock

US_IMAGE = "1.2.840.10008.5.1.4.1.1.6.1"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


class House:
    def __init__(self, folder: Path, ledger: Ledger, titles: tuple[str, ...]) -> None:
        self.folder, self.ledger, self.clock = folder, ledger, Clock()
        archive = Archive(folder)
        commitment = Commitment(ledger, SharedFolder(folder), titles, self.clock)
        intake = Intake(ledger, archive)
        self.provider = StorageProvider(Listener(port=0), intake, archive.spool, commitment=commitment)


@pytest.fixture
def house(tmp_path, ledger):
    made: list[House] = []

    def start(*titles: str) -> House:
        made.append(House(tmp_path, ledger, titles))
        return made[-1]

    yield start
    for one in made:
        one.provider.drain(0)


class Scanner1:
    """A scanner that stores, asks, and takes the answer wherever it comes."""

    def __init__(self, port: int) -> None:
        self.told: list[tuple[str, dict[str, object]]] = []
        handlers = [(evt.EVT_N_EVENT_REPORT, self._take)]
        self.association = AE("SONO1").associate(
            "127.0.0.1",
            port,
            [build_context(US_IMAGE, "1.2.840.10008.1.2.1"), build_context(PUSH_MODEL)],
            "NMUS",
            evt_handlers=handlers,
        )
        assert self.association.is_established
        self.status = 0x0000

    def _take(self, event: evt.Event) -> tuple[int, None]:
        self.told.append(answered(event.event_information))
        return self.status, None

    def store(self, dataset: Dataset) -> tuple[str, str]:
        assert self.association.send_c_store(dataset).Status == 0
        return str(dataset.SOPClassUID), str(dataset.SOPInstanceUID)

    def ask(self, transaction: str, *objects: tuple[str, str]) -> int:
        status, _ = self.association.send_n_action(request(transaction, objects), 1, PUSH_MODEL, PUSH_MODEL_INSTANCE)
        return int(status.Status)

    def listen(self, port: int = 0):
        ae = AE("SONO1")
        context = build_context(PUSH_MODEL)
        context.scu_role = context.scp_role = True
        return ae.start_server(
            ("127.0.0.1", port), block=False, contexts=[context], evt_handlers=[(evt.EVT_N_EVENT_REPORT, self._take)]
        )


def test_the_answer_comes_on_the_association_of_the_question_and_storing_goes_on(house, an_image, until) -> None:
    here = house()
    scanner = Scanner1(here.provider.port)
    stored = [scanner.store(an_image()) for _ in range(3)]
    lacking = (US_IMAGE, "1.2.3.999")
    assert scanner.ask("2.25.1", *stored, lacking) == 0
    until(lambda: scanner.told)
    transaction, told = scanner.told[0]
    assert transaction == "2.25.1"
    assert {uid: one.standing.value for uid, one in told.items()} == {
        **{uid: "present" for _, uid in stored},
        lacking[1]: "lacking",
    }
    later = scanner.store(an_image())
    assert scanner.ask("2.25.2", later) == 0
    until(lambda: len(scanner.told) == 2)
    assert scanner.told[1][1][later[1]].standing.value == "present"
    scanner.association.release()
    until(lambda: [one.state for one in here.ledger.requests()] == [RequestState.ANSWERED] * 2)
    assert [one.lacking for one in here.ledger.requests()] == [0, 1]
    assert here.ledger.status().instances == 4


@pytest.mark.parametrize("damage", ["gone", "flipped", "class"])
def test_what_is_damaged_is_not_vouched_for(house, an_image, until, damage) -> None:
    here = house()
    scanner = Scanner1(here.provider.port)
    sop_class, uid = scanner.store(an_image())
    (row,) = here.ledger.instance(uid)
    path = here.folder / row.path
    if damage == "gone":
        path.unlink()
    elif damage == "flipped":
        raw = bytearray(path.read_bytes())
        raw[-1] ^= 1
        path.write_bytes(raw)
    assert scanner.ask("2.25.1", (CAPTURE if damage == "class" else sop_class, uid)) == 0
    until(lambda: scanner.told)
    reason = {"gone": "0x0112", "flipped": "0x0110", "class": "0x0119"}[damage]
    assert scanner.told[0][1][uid].reason.startswith(reason)
    scanner.association.release()


def test_a_scanner_with_an_address_is_answered_there_however_long_it_is_away(house, an_image, until) -> None:
    here = house("SONO1")
    scanner = Scanner1(here.provider.port)
    stored = scanner.store(an_image())
    assert scanner.ask("2.25.1", stored) == 0
    assert scanner.ask("2.25.1", stored) == 0, "the same question again is the same question"
    scanner.association.release()
    server = scanner.listen()
    port = server.socket.getsockname()[1]
    server.shutdown()
    address = Scanner(ae_title="SONO1", host="127.0.0.1", port=port, timeout_seconds=5)
    answerer = Answerer(here.ledger, SharedFolder(here.folder), (address,), "NMUS", clock=here.clock)
    for _ in range(5):
        answerer.step()
        here.clock.now += 3600
    (row,) = here.ledger.requests()
    assert (row.state, scanner.told) == (RequestState.WAITING, [])
    assert "reachable" in row.reason
    server = scanner.listen(port)
    assert answerer.step() == 1
    server.shutdown()
    assert scanner.told[0][1][stored[1]].standing.value == "present"
    (row,) = here.ledger.requests()
    assert row.state is RequestState.ANSWERED
    assert answerer.step() == 0


def test_a_scanner_that_goes_without_waiting_is_told_of(house, an_image, until) -> None:
    here = house()
    scanner = Scanner1(here.provider.port)
    stored = scanner.store(an_image())
    assert scanner.ask("2.25.1", stored) == 0
    scanner.association.abort()
    until(lambda: here.ledger.requests()[0].state is not RequestState.WAITING, 20)
    (row,) = here.ledger.requests()
    if row.state is RequestState.UNANSWERED:  # else the answer was quicker than the end
        assert "[[scanner]]" in row.reason
        assert here.ledger.status().unanswered_requests == 1
        here.ledger.redrive(here.clock())
        assert here.ledger.requests()[0].state is RequestState.WAITING


def test_nobody_is_vouched_for_where_it_is_not_offered(listening) -> None:
    here = listening()
    association = AE("SONO1").associate("127.0.0.1", here.port, [build_context(PUSH_MODEL)], "NMUS")
    assert not association.accepted_contexts
