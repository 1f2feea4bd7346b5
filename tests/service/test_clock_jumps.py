"""The clock is set back or forward while work waits, runs and is sent: nothing waits for it, nothing doubles."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.schedulers.background import BackgroundScheduler

from service.app import App
from service.config import Settings
from service.deliver.sender import CIRCUIT_SECONDS, Sender
from service.errors import Unreachable
from service.ledger import Instance, JobState, LeaseLost, Outcome, OutgoingState, Result
from service.receive.archive import Archive
from service.receive.intake import Intake
from service.roles import timers
from service.roles.timers import ClockWatch
from service.worker import Worker

NOW = 1_800_000_000.0
DAY = 86_400.0


class Time:
    """A clock in the test's hand."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def queued(ledger, number: int = 1, now: float = NOW) -> int:
    study = f"1.2.{number}"
    instance = Instance(
        f"{study}.9", "1.2.840.10008.5.1.4.1.1.6.1", study, f"{study}.1", "1.2.840.10008.1.2.1",
        f"{number:064d}", f"archive/{number}", 10, now, "US1",
    )  # fmt: skip
    ledger.keep(instance)
    (one,) = [one for one in ledger.open_studies() if one.study_instance_uid == study]
    return ledger.settle(one, now)


def outcome(number: int = 1) -> Outcome:
    uid = f"1.2.{number}.7"
    made = Result(
        sop_instance_uid=uid, sop_class_uid="1.2.840.10008.5.1.4.1.1.88.34", series_instance_uid=f"1.2.{number}.8",
        role="sr", path=f"results/{uid}.dcm", sha256="0" * 64, size=10, transfer_syntax_uid="1.2.840.10008.1.2.1",
        destinations=("pacs",), instance_number=1, key="k",
    )  # fmt: skip
    return Outcome((made,), (), "[]")


def worker(ledger, analyse, clock: Time) -> Worker:
    return Worker(ledger, analyse, "here", threading.Event(), 30, 0.05, clock=clock)


@pytest.mark.parametrize("back", [3600.0, DAY, 365 * DAY])
def test_a_job_that_waits_to_be_tried_again_does_not_wait_for_the_old_time(ledger, back: float) -> None:
    clock, tries = Time(), []

    def analyse(_job, _wanted):
        tries.append(clock.now)
        if len(tries) == 1:
            raise RuntimeError("chance")
        return outcome()

    number = queued(ledger)
    ledger.heed_clock(clock.now)
    here = worker(ledger, analyse, clock)
    assert here.step()
    assert ledger.job(number).state is JobState.QUEUED
    clock.now -= back
    assert not here.step()
    assert ledger.heed_clock(clock.now) == pytest.approx(back, abs=1)
    clock.now += 6
    assert here.step()
    assert ledger.job(number).state is JobState.DONE


def test_what_settled_before_the_clock_was_set_back_is_analysed_at_once(ledger) -> None:
    queued(ledger)
    ledger.heed_clock(NOW)
    ledger.heed_clock(NOW - DAY)
    assert ledger.claim(NOW - DAY, "here", 30) is not None


def test_the_lease_of_a_worker_that_died_before_the_jump_runs_out_as_it_would_have(ledger) -> None:
    queued(ledger)
    ledger.heed_clock(NOW)
    assert ledger.claim(NOW, "dead", 30)
    ledger.heed_clock(NOW - DAY)
    assert ledger.claim(NOW - DAY + 20, "here", 30) is None
    assert ledger.claim(NOW - DAY + 32, "here", 30) is not None


def test_results_and_circuits_wait_as_long_as_they_would_have(ledger) -> None:
    ledger.finish(claimed(ledger), outcome(), NOW)
    clock = Time()
    ledger.heed_clock(NOW)
    reached = []

    class Peer:
        def get_ready(self):
            """Nothing is opened."""

        def rest(self, *, at_once=False):
            """Nothing is open."""

        def send(self, objects):
            reached.append(clock.now)
            raise Unreachable("away")
            yield

    out = Sender(ledger, "pacs", Peer(), "me", clock=clock, chance=lambda: 0.5)
    for _ in range(8):
        out.step()
        clock.now = ledger.circuit("pacs").retry_at + 1
    out.step()
    ledger.heed_clock(clock.now)
    clock.now -= 30 * DAY
    assert out.step() == 0
    ledger.heed_clock(clock.now)
    before = len(reached)
    clock.now += CIRCUIT_SECONDS[1] * 1.3
    out.step()
    assert len(reached) == before + 1, "asked again within the longest wait, not in a month"


def claimed(ledger):
    queued(ledger)
    return ledger.claim(NOW, "here", 30)


def test_small_steps_move_nothing(ledger) -> None:
    queued(ledger)
    ledger.heed_clock(NOW)
    for step in (1, -1, -8, 0, 9, 2):
        assert ledger.heed_clock(NOW + step) == 0
    with ledger.reading() as connection:
        assert list(connection.exec_driver_sql("SELECT due FROM job").scalars()) == [NOW]


def test_a_jump_while_nothing_ran_is_noticed_at_the_start(ledger, tmp_path: Path) -> None:
    from service.ledger import open_ledger

    queued(ledger)
    ledger.heed_clock(NOW)
    ledger.close()
    again = open_ledger(tmp_path)
    assert again.heed_clock(NOW - DAY) == pytest.approx(DAY, abs=1)
    assert again.claim(NOW - DAY, "here", 30) is not None
    assert [one.detail for one in again.events("") if one.kind == "clock"] == [
        "set back by 86400 s; what is due was moved with it"
    ]
    again.close()


def test_a_clock_set_forward_lets_a_lease_lapse_and_the_first_workers_answer_is_void(ledger) -> None:
    queued(ledger)
    first = ledger.claim(NOW, "slow", 30)
    second = ledger.claim(NOW + DAY, "quick", 30)
    assert second is not None
    assert second.attempt == first.attempt + 1
    ledger.finish(second, outcome(), NOW + DAY)
    with pytest.raises(LeaseLost):
        ledger.finish(first, outcome(), NOW + DAY)
    assert [row.state for row in ledger.outgoing()] == [OutgoingState.WAITING]


def test_sessions_and_locks_are_counted_by_the_steady_clock(ledger, tmp_path: Path, monkeypatch) -> None:
    """A clock set back by a day would else lengthen a session, and a lock after wrong passwords, by a day."""
    given: dict[str, object] = {}

    def application(*_: object, **named: object) -> object:
        given.update(named)
        raise InterruptedError

    monkeypatch.setattr(timers, "application", application)
    app = App(Settings.model_validate({"service": {"data_folder": tmp_path}}))
    with pytest.raises(InterruptedError):
        timers._web(app, Intake(ledger, Archive(tmp_path)))
    assert given["steady"] is time.monotonic


def test_ticks_go_on_when_the_clock_is_set_back(until) -> None:
    scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"coalesce": True, "misfire_grace_time": None})
    ticks: list[datetime] = []
    scheduler.add_job(lambda: ticks.append(datetime.now(UTC)), "interval", seconds=3600, id="tick")
    wall, steady = Time(), Time(50.0)
    watch = ClockWatch(scheduler, wall, steady)
    scheduler.start()
    try:
        # as a clock set back by a day leaves it: the next tick is a day and an hour ahead
        scheduler.get_job("tick").modify(next_run_time=datetime.now(UTC) + timedelta(days=1, hours=1))
        wall.now, steady.now = wall.now + 1, steady.now + 1
        assert not watch.look()
        wall.now -= DAY
        assert watch.look()
        until(lambda: ticks)
        wall.now, steady.now = wall.now + 3600, steady.now + 3600
        assert not watch.look(), "time that goes by is no jump"
        wall.now += DAY
        assert not watch.look(), "ahead everything is due by itself"
    finally:
        scheduler.shutdown()
