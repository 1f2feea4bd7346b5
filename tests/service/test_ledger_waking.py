"""PostgreSQL wakes who waits for work on another machine; where it cannot, ticks do."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.ledger import Instance, Ledger, LedgerUnavailable, Outcome, Result, open_ledger
from service.ledger.changes import Changes
from service.ledger.waking import wake
from service.worker import Worker

sys.path.insert(0, str(Path(__file__).parent))
from postgresql_server import PostgreSql

TICK_S = 120.0
"""So long that no test could pass by one."""
STUDY = "1.2.3"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSql]:
    running = PostgreSql()
    yield running
    running.remove()


@pytest.fixture
def machines(server, tmp_path) -> Iterator[tuple[Ledger, Ledger]]:
    """The same ledger as two machines see it."""
    address = server.database()
    opened = [open_ledger(tmp_path / name, address) for name in ("east", "west")]
    yield opened[0], opened[1]
    for one in opened:
        one.close()


@pytest.fixture
def listening() -> Callable[[Ledger], None]:
    """Wait until the server knows of a listener, and whoever waited once has been woken."""

    def wait(ledger: Ledger, others: frozenset[int] = frozenset()) -> int:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for pid in _listeners(ledger):
                if pid not in others:
                    return pid
            time.sleep(0.02)
        raise AssertionError("nobody listens")

    return wait


def _listeners(ledger: Ledger) -> list[int]:
    query = "SELECT pid FROM pg_stat_activity WHERE query = 'LISTEN nmus_work' AND datname = current_database()"
    with ledger.reading() as connection:
        return [row[0] for row in connection.exec_driver_sql(query)]


def _assert_woken(changes: Changes, by: Ledger) -> None:
    """Work wakes whoever waits, long before the tick."""
    _settled(changes)
    _queue(by)
    begun = time.monotonic()
    changes.wait(threading.Event(), TICK_S)
    assert time.monotonic() - begun < TICK_S / 4
    changes.close()


def _queue(ledger: Ledger, study: str = STUDY) -> int | None:
    now = ledger.clock()
    one = Instance(
        f"{study}.1", "1.2.840.10008.5.1.4.1.1.6.1", study, f"{study}.2", "1.2", "a" * 64, "p", 1, now, "US1"
    )
    ledger.keep(one)
    (found,) = [one for one in ledger.open_studies() if one.study_instance_uid == study]
    return ledger.settle(found, now)


def _settled(changes: Changes) -> None:
    """Take the wake-up that listening itself brings."""
    changes.wait(threading.Event(), 30)


def test_a_job_is_claimed_on_another_machine_without_a_tick(machines, listening) -> None:
    """The worker would look again after two minutes; it has the job in a small part of that."""
    east, west = machines
    done, stop = threading.Event(), threading.Event()

    def analyse(_job, _wanted):
        done.set()
        return Outcome((), (), json.dumps([]))

    worker = Worker(west, analyse, "west:1:worker", stop, 30, TICK_S, clock=west.clock)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        listening(east)
        for number in range(5):
            done.clear()
            assert _queue(east, f"{STUDY}.{number}") is not None
            assert done.wait(TICK_S / 4), "woken by the transaction that made the job"
    finally:
        stop.set()
        thread.join(30)
    assert worker.done == 5


def test_results_wake_the_sender(machines, listening) -> None:
    east, west = machines
    _queue(east)
    job = east.claim(east.clock(), "east:1:worker", 30)
    changes = Changes(west)
    listening(east)
    _settled(changes)
    result = Result("1.2.9", "1.2.840.10008.5.1.4.1.1.88.34", "1.2.8", "sr", "p", "b" * 64, 1, destinations=("PACS",))
    east.finish(job, Outcome((result,), (), "[]"), east.clock())
    begun = time.monotonic()
    changes.wait(threading.Event(), TICK_S)
    assert time.monotonic() - begun < TICK_S / 4
    assert west.claim_outgoing("PACS", west.clock(), "west:1:sender", 30)
    changes.close()


def test_what_makes_no_work_wakes_nobody(machines, listening) -> None:
    """Claims, renewals and images would have every machine look at once, for nothing."""
    east, west = machines
    _queue(east)
    changes = Changes(west)
    listening(east)
    _settled(changes)
    job = east.claim(east.clock(), "east:1:worker", 30)
    assert east.renew(job, east.clock(), 30)
    east.keep(Instance("1.2.3.7", "1.2.840.10008.5.1.4.1.1.6.1", STUDY, "1.2.3.2", "1.2", "c" * 64, "q", 1, 1.0, "US1"))
    with pytest.raises(RuntimeError), east.writing() as connection:
        wake(connection)
        raise RuntimeError("a transaction that is undone has made nothing")
    begun = time.monotonic()
    changes.wait(threading.Event(), 1.0)
    assert time.monotonic() - begun >= 1.0
    changes.close()


def test_a_connection_that_breaks_is_made_anew(machines, listening) -> None:
    """Whoever waits is woken by the new one itself, as something may have been told in between."""
    east, west = machines
    changes = Changes(west)
    first = listening(east)
    _settled(changes)
    with east.writing() as connection:
        connection.exec_driver_sql(f"SELECT pg_terminate_backend({first})")
    second = listening(east, frozenset({first}))
    assert second != first
    _assert_woken(changes, by=east)


def test_a_tick_needs_no_notification(machines, monkeypatch) -> None:
    """As through a pooler that lends connections by the transaction: nothing is heard, nothing is lost."""
    import service.ledger.changes as changes_module

    monkeypatch.setattr(changes_module, "can_listen", lambda _ledger: False)
    east, west = machines
    done, stop = threading.Event(), threading.Event()

    def analyse(_job, _wanted):
        done.set()
        return Outcome((), (), "[]")

    thread = threading.Thread(target=Worker(west, analyse, "w:1:worker", stop, 30, 0.05, clock=west.clock).run)
    thread.start()
    _queue(east)
    assert done.wait(60)
    stop.set()
    thread.join(30)
    assert _listeners(east) == []


def test_the_listening_connection_is_given_back(machines, listening) -> None:
    east, west = machines
    several = [Changes(west) for _ in range(3)]
    listening(east)
    assert len(_listeners(east)) == 1, "one for all threads of a process"
    for one in several:
        one.close()
    deadline = time.monotonic() + 30
    while _listeners(east):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_server_that_was_away_notifies_again(tmp_path, listening) -> None:
    server = PostgreSql()
    try:
        ledger = open_ledger(tmp_path / "only", server.database())
        changes = Changes(ledger)
        listening(ledger)
        _settled(changes)
        server.stop("immediate")
        server.start()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                listening(ledger)
                break
            except LedgerUnavailable:
                time.sleep(0.05)
        _assert_woken(changes, by=ledger)
        ledger.close()
    finally:
        server.remove()
