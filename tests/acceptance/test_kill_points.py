"""Killed with -9 at each step of the way, nothing is lost and nothing is visible twice."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import threading
import time
from pathlib import Path

import pytest
from pydicom import dcmread

from service.demo.exam import exam_shots
from service.demo.exam_marks import Marked, marks_dataset
from service.demo.scanner import send
from service.errors import Unreachable
from service.ledger import JobState, OutgoingState

pytestmark = pytest.mark.acceptance


@pytest.fixture
def served(nmus, pacs, destination):
    """The service with the stand-in PACS as its destination."""
    return nmus(destinations=destination(pacs))


def offered(files: list[Path], port: int) -> set[Path]:
    """Send as a scanner does; the files that were answered with Success."""
    good: set[Path] = set()

    def told(path: Path, status: int) -> None:
        if status == 0:
            good.add(path)

    with contextlib.suppress(Unreachable, RuntimeError):  # pynetdicom's RuntimeError: the association ended before
        send(files, "127.0.0.1", port, "NMUS", sent=told)
    return good


def uid(path: Path) -> str:
    return str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)


@pytest.mark.parametrize("point", ["after_rename", "before_row"])
def test_a_listener_that_dies_before_it_answers_gets_the_object_again(nmus, exam, until, point) -> None:
    here = nmus()
    process = None
    here.start_listening(crash_at=point, role="listener")
    process = here._process
    assert offered(exam[:1], here.port) == set(), "it died before the answer"
    until(lambda: process.poll() is not None)
    ledger = here.ledger()
    assert ledger.status().instances == 0
    here.start_listening(role="listener")
    assert offered(exam[:1], here.port) == set(exam[:1])
    (row,) = ledger.instance(uid(exam[0]))
    assert (here.data / row.path).stat().st_size == row.size
    assert [path.name for path in (here.data / "archive").rglob("*.dcm")] == [Path(row.path).name]
    assert list((here.data / "spool").iterdir()) == []
    ledger.close()


@pytest.mark.parametrize("point", ["after_rename", "before_row"])
def test_what_was_archived_but_never_answered_gets_its_row_later_even_if_nobody_sends_it_again(
    nmus, exam, until, point
) -> None:
    here = nmus()
    here.start_listening(crash_at=point, role="listener")
    process = here._process
    assert offered(exam[:1], here.port) == set()
    until(lambda: process.poll() is not None)
    (left,) = (here.data / "archive").rglob("*.dcm")
    long_ago = time.time() - 7200
    os.utime(left, (long_ago, long_ago))
    ledger = here.ledger()
    here.start(role="timers")
    until(lambda: ledger.status().instances == 1)
    (row,) = ledger.instance(uid(exam[0]))
    assert here.data / row.path == left
    until(ledger.jobs)
    here.kill()
    here.start_listening(role="listener")
    assert offered(exam[:1], here.port) == set(exam[:1])
    assert ledger.status().instances == 1
    ledger.close()


def test_what_was_answered_with_success_is_there_whenever_the_listener_is_killed(nmus, exam, until) -> None:
    here = nmus()
    chance = random.Random(20_261_122)
    acknowledged: set[Path] = set()
    for _ in range(3):
        here.start_listening(role="listener")
        killer = threading.Timer(chance.uniform(0.05, 0.5), here.kill)
        killer.start()
        while killer.is_alive():
            acknowledged |= offered(exam, here.port)
        killer.join()
    ledger = here.ledger()
    for path in acknowledged:
        (row,) = ledger.instance(uid(path))
        assert (here.data / row.path).stat().st_size == row.size
    here.start_listening(role="listener")
    assert offered(exam, here.port) == set(exam)
    assert ledger.status().instances == len(exam)
    assert ledger.status().conflicts == 0
    ledger.close()


def settled(here, exam, until):
    """A study that is received and queued; the ledger."""
    here.start_listening(role="listener")
    assert offered(exam, here.port) == set(exam)
    here.kill()
    ledger = here.ledger()
    (study,) = ledger.open_studies()
    assert ledger.settle(study, study.last_received_at + 1) is not None
    return ledger


def finished(ledger) -> bool:
    return bool(ledger.jobs(JobState.DONE))


def test_a_worker_that_dies_in_the_analysis_does_it_again_and_once(served, exam, until) -> None:
    here = served
    ledger = settled(here, exam[:2], until)
    process = here.start(role="worker", crash_at="mid_plugin")
    until(lambda: process.poll() is not None, 90)
    assert ledger.outgoing() == ()
    here.start(role="worker")
    until(lambda: finished(ledger), 120)
    (job,) = ledger.jobs()
    assert job.attempt == 2
    rows = ledger.outgoing()
    assert rows
    assert len({row.sop_instance_uid for row in rows}) == len(rows) == len(ledger.results(job.id))
    for result in ledger.results(job.id):
        assert (here.data / result.path).stat().st_size == result.size
    ledger.close()


def marked(image: Path, folder: Path) -> Path:
    """A trace in the image: it is measured then, and has a page beside its overlay."""
    (shot,) = (one for one in exam_shots(11) if one.file == image.name)
    outline = tuple(shot.picture.point(x, z) for x, z in shot.tissue.outline_mm)
    path = folder / "marks.dcm"
    marks_dataset([Marked(dcmread(image), outline, "trace")], 11, "marks").save_as(path, enforce_file_format=True)
    return path


def test_a_worker_that_dies_when_a_part_was_handed_over_makes_the_rest_and_the_same_once(
    served, exam, pacs, until, tmp_path
) -> None:
    here = served
    ledger = settled(here, [*exam[:1], marked(exam[0], tmp_path)], until)
    process = here.start(role="worker", crash_at="handed_over")
    until(lambda: process.poll() is not None, 90)
    first = {row.sop_instance_uid for row in ledger.outgoing()}
    assert first
    here.start(role="sender")
    until(lambda: {path.stem for path in pacs.files()} == first, 60)
    here.start(role="worker")
    until(lambda: finished(ledger), 120)
    (job,) = ledger.jobs()
    made = {one.sop_instance_uid for one in ledger.results(job.id)}
    assert first < made
    until(lambda: {path.stem for path in pacs.files()} == made, 60)
    assert len(pacs.received) == len(made), "nothing went twice, and nothing was taken back"
    ledger.close()


@pytest.mark.parametrize("point", ["mid_send", "after_send_before_row"])
def test_a_sender_that_dies_in_sending_sends_the_same_bytes_again(served, analysed, pacs, until, point) -> None:
    here = served
    shutil.copytree(analysed, here.data)
    ledger = here.ledger()
    process = here.start(role="sender", crash_at=point)
    until(lambda: process.poll() is not None, 60)
    first = {path.name: path.read_bytes() for path in pacs.files()}
    assert len(first) == (1 if point == "after_send_before_row" else 0)
    assert all(row.state is not OutgoingState.SENT for row in ledger.outgoing())
    here.start(role="sender")
    until(lambda: all(row.state is OutgoingState.SENT for row in ledger.outgoing()), 60)
    expected = {row.sop_instance_uid for row in ledger.outgoing()}
    assert {path.stem for path in pacs.files()} == expected, "each is visible once"
    assert len(pacs.received) == len(expected) + len(first), "only the one that was under way went twice"
    for name, raw in first.items():
        assert (pacs.folder / name).read_bytes() == raw
    ledger.close()


def test_the_whole_service_killed_at_random_loses_nothing_and_shows_nothing_twice(served, exam, pacs, until) -> None:
    here = served
    chance = random.Random(7)
    exam = exam[1:4]
    missing = set(exam)
    for turn in range(2):
        here.start_listening()
        ends = time.monotonic() + chance.uniform(0.5, 4)
        while time.monotonic() < ends:
            missing -= offered(sorted(missing)[: 2 + turn], here.port)
            time.sleep(0.05)
        here.kill()
    here.start_listening()
    until(lambda: not missing.difference_update(offered(sorted(missing), here.port)) and not missing, 60)
    ledger = here.ledger()

    def all_done() -> bool:
        status = ledger.status()
        ended = status.jobs["queued"] + status.jobs["running"] == 0 and not status.open_studies
        return ended and finished(ledger) and all(box.waiting == 0 for box in status.outbox)

    until(all_done, 240)
    assert ledger.status().instances == len(exam)
    assert ledger.status().jobs["failed"] == ledger.status().jobs["dead"] == 0
    expected = {row.sop_instance_uid for row in ledger.outgoing()}
    assert {path.stem for path in pacs.files()} == expected
    assert {row.state for row in ledger.outgoing()} == {OutgoingState.SENT}
    assert here.terminate() == 0
    assert "CANARY" not in here.log()
    ledger.close()
