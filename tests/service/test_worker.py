"""The worker ends every job with an outcome: done, failed with a reason, given back, or another's."""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path

import pytest

from service.analyse.child import ChildFailed
from service.errors import Unanalysable
from service.ledger import Instance, JobState, Outcome, Verdict, open_ledger
from service.ledger.changes import Changes
from service.worker import Worker


@pytest.fixture
def ledger(tmp_path):
    return open_ledger(tmp_path)


def _queue(ledger, study="1.2.3", now=1000.0):
    ledger.keep(
        Instance(
            f"{study}.1", "1.2.840.10008.5.1.4.1.1.6.1", study, f"{study}.0", "1.2.840.10008.1.2.1",
            "0" * 64, "archive/1", 10, now, "SCANNER",
        )
    )  # fmt: skip
    (open_study,) = ledger.open_studies()
    return ledger.settle(open_study, now)


def _worker(ledger, analyse, **fields):
    times = itertools.count(2000.0)
    known = {"lease_s": 30.0, "tick_s": 0.05, "clock": lambda: next(times), "stop": threading.Event()}
    return Worker(ledger, analyse, "worker-1", **{**known, **fields})


def test_a_job_is_done_once(ledger):
    number = _queue(ledger)
    verdict = Verdict("1.2.3.1", "analysed", "measured")
    worker = _worker(ledger, lambda job, wanted: Outcome(verdicts=(verdict,), findings="[]"))
    assert worker.step()
    assert not worker.step()
    assert ledger.job(number).state is JobState.DONE
    assert [one.code for one in ledger.verdicts("1.2.3.1")] == ["analysed"]


def test_what_nothing_will_help_fails_with_its_reason(ledger):
    number = _queue(ledger)

    def analyse(job, wanted):
        raise Unanalysable("no object of the study can be read")

    _worker(ledger, analyse).step()
    job = ledger.job(number)
    assert (job.state, job.reason) == (JobState.FAILED, "no object of the study can be read")


def test_the_unforeseen_is_tried_again_then_fails_without_its_text(ledger):
    number = _queue(ledger)

    def analyse(job, wanted):
        raise KeyError("DOE^JANE")

    now = [2000.0]
    worker = _worker(ledger, analyse, clock=lambda: now[0])
    for _ in range(4):
        assert worker.step()
        now[0] += 10_000
    job = ledger.job(number)
    assert job.state is JobState.FAILED
    assert "KeyError" in job.reason
    assert "DOE" not in job.reason
    assert not worker.step()


def test_one_bad_job_does_not_hold_up_the_next(ledger):
    bad, good = _queue(ledger, "1.2.3"), _queue(ledger, "1.2.4", 1001.0)

    def analyse(job, wanted):
        if job.id == bad:
            raise RuntimeError
        return Outcome()

    worker = _worker(ledger, analyse)
    worker.step()
    worker.step()
    assert ledger.job(good).state is JobState.DONE


def test_a_stopping_worker_gives_its_job_back(ledger):
    number = _queue(ledger)
    stop = threading.Event()

    def analyse(job, wanted):
        stop.set()
        assert not wanted()
        raise ChildFailed("cancelled", "stopped")

    _worker(ledger, analyse, stop=stop).step()
    assert ledger.job(number).state is JobState.QUEUED


def test_the_lease_is_renewed_while_the_work_lasts_and_the_loss_is_noticed(ledger):
    number = _queue(ledger)
    seen = []

    def analyse(job, wanted):
        deadline = time.monotonic() + 20
        while ledger.job(number).lease_until <= job.lease_until:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        seen.append("renewed")
        ledger.release("worker-1", 3000.0)  # as if somebody had taken the worker for dead
        while wanted():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        seen.append("lost")
        raise ChildFailed("cancelled", "lease lost")

    _worker(ledger, analyse, lease_s=0.3).step()
    assert seen == ["renewed", "lost"]


def test_work_that_was_taken_over_writes_nothing(ledger):
    number = _queue(ledger)

    def analyse(job, wanted):
        ledger.release("worker-1", 1500.0)
        assert ledger.claim(2500.0, "worker-2", 30.0).id == number
        return Outcome(verdicts=(Verdict("1.2.3.1", "analysed", "by the first"),))

    _worker(ledger, analyse).step()
    job = ledger.job(number)
    assert (job.state, job.owner) == (JobState.RUNNING, "worker-2")
    assert ledger.verdicts("1.2.3.1") == ()


def test_a_commit_wakes_who_waits(tmp_path, ledger):
    woken = threading.Event()

    def wait():
        changes = Changes(ledger)
        ready.set()
        changes.wait(threading.Event(), 60)
        changes.close()
        woken.set()

    ready = threading.Event()
    thread = threading.Thread(target=wait)
    thread.start()
    ready.wait(10)
    other = open_ledger(Path(tmp_path))
    _queue(other)
    assert woken.wait(20)
    thread.join()


def test_one_watch_wakes_all_who_wait_and_ends_with_the_last(tmp_path, ledger):
    def watches() -> list[threading.Thread]:
        return [one for one in threading.enumerate() if one.name == "ledger-watch" and one not in before]

    before = threading.enumerate()
    waiting = [Changes(ledger) for _ in range(5)]
    assert len(watches()) == 1
    threads = [threading.Thread(target=one.wait, args=(threading.Event(), 60)) for one in waiting]
    for thread in threads:
        thread.start()
    _queue(open_ledger(Path(tmp_path)))
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    for one in waiting:
        one.close()
    assert watches() == []


def test_who_waits_for_a_change_sees_that_it_is_to_stop(ledger):
    changes, stop = Changes(ledger), threading.Event()
    thread = threading.Thread(target=changes.wait, args=(stop, 60))
    thread.start()
    stop.set()
    thread.join(20)
    assert not thread.is_alive()
    changes.close()


def test_a_commit_between_two_waits_is_not_missed(tmp_path, ledger):
    changes = Changes(ledger)
    _queue(open_ledger(Path(tmp_path)))
    begun = time.monotonic()
    changes.wait(threading.Event(), 60)
    assert time.monotonic() - begun < 30
    changes.close()
