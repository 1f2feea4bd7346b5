from __future__ import annotations

import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from service.errors import Misconfigured
from service.ledger import (
    REVISION,
    Instance,
    Job,
    JobState,
    Kept,
    LeaseLost,
    Ledger,
    LedgerUnavailable,
    Outcome,
    OutgoingState,
    Process,
    Result,
    Verdict,
    open_ledger,
)
from service.ledger.migrate import migrate
from service.ledger.tables import METADATA

NOW = 1_000_000.0


@pytest.fixture
def ledger(tmp_path: Path, empty_ledger: Path):
    """On SQLite; on PostgreSQL when NMUS_TEST_DATABASE names one that may be emptied."""
    address = os.environ.get("NMUS_TEST_DATABASE", "")
    if address:
        engine = sqlalchemy.create_engine(address)
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        engine.dispose()
    else:
        shutil.copy(empty_ledger, tmp_path / "ledger.sqlite")
    opened = open_ledger(tmp_path, address)
    yield opened
    opened.close()


def an_instance(number: int = 1, study: str = "1.2.1", **changes: object) -> Instance:
    instance = Instance(
        sop_instance_uid=f"1.2.3.{number}",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.6.1",
        study_instance_uid=study,
        series_instance_uid=f"{study}.1",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        sha256=f"{number:064x}",
        path=f"archive/{number}.dcm",
        size=100,
        received_at=NOW,
        source="US1",
    )
    return replace(instance, **changes)


def a_result(number: int = 1, **changes: object) -> Result:
    result = Result(
        f"2.25.{number}", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.9", "sr", f"results/{number}.dcm", "a" * 64, 10
    )
    return replace(result, **{"destinations": ("pacs",), "key": "sr|study", **changes})


def settled(ledger: Ledger, now: float = NOW) -> int | None:
    (study,) = ledger.open_studies()
    return ledger.settle(study, now)


def claimed(ledger: Ledger, now: float = NOW, owner: str = "w1") -> Job:
    job = ledger.claim(now, owner, 30)
    assert job is not None
    return job


def finished(ledger: Ledger, **changes: object) -> Job:
    ledger.keep(an_instance())
    settled(ledger)
    job = claimed(ledger)
    ledger.finish(job, Outcome((a_result(**changes),)), NOW)
    return job


def test_the_same_object_twice_is_one_object(ledger: Ledger) -> None:
    assert ledger.keep(an_instance()) is Kept.NEW
    assert settled(ledger) is not None
    assert ledger.keep(an_instance(received_at=NOW + 9)) is Kept.DUPLICATE
    assert ledger.open_studies() == ()
    assert ledger.status().instances == 1


def test_other_bytes_under_the_same_uid_are_kept_beside_and_noted_but_never_analysed(ledger: Ledger) -> None:
    first, second = an_instance(), an_instance(sha256="f" * 64, path="archive/other.dcm")
    ledger.keep(first)
    assert ledger.keep(second) is Kept.CONFLICT
    assert ledger.keep(second) is Kept.DUPLICATE
    assert ledger.instances("1.2.1") == (first,)
    assert ledger.instance(first.sop_instance_uid) == (first, second)
    assert ledger.status().conflicts == 1
    assert [event.kind for event in ledger.events("1.2.1")] == ["conflict"]


def test_our_own_result_on_its_way_round_opens_no_study(ledger: Ledger) -> None:
    finished(ledger)
    back = an_instance(7, sop_instance_uid="2.25.1")
    assert ledger.keep(back) is Kept.OWN
    assert ledger.has_instance("2.25.1")
    assert ledger.open_studies() == ()


def test_an_image_that_comes_while_the_study_settles_is_not_lost(ledger: Ledger) -> None:
    ledger.keep(an_instance())
    (seen,) = ledger.open_studies()
    ledger.keep(an_instance(2, received_at=NOW + 1, source="US2"))
    assert ledger.settle(seen, NOW + 60) is None
    (seen,) = ledger.open_studies()
    assert seen.sources == ("US1", "US2")
    assert ledger.settle(seen, NOW + 61) is not None
    assert len(ledger.instances("1.2.1", 1)) == 2


def test_late_images_make_a_new_generation_and_cover_the_one_still_queued(ledger: Ledger) -> None:
    ledger.keep(an_instance())
    first = settled(ledger)
    ledger.keep(an_instance(2, received_at=NOW + 100))
    second = settled(ledger, NOW + 200)
    assert first is not None and second is not None
    superseded, job = ledger.job(first), claimed(ledger, NOW + 200)
    assert superseded is not None and superseded.state is JobState.SUPERSEDED
    assert (job.id, job.generation, job.cause) == (second, 2, "late images")
    assert len(ledger.instances("1.2.1", 1)) == 1
    assert len(ledger.instances("1.2.1", 2)) == 2


def test_two_jobs_of_one_study_never_run_at_once(ledger: Ledger) -> None:
    ledger.keep(an_instance())
    settled(ledger)
    running = claimed(ledger)
    ledger.keep(an_instance(2, received_at=NOW + 1))
    settled(ledger, NOW + 2)
    assert ledger.claim(NOW + 3, "w2", 30) is None
    ledger.finish(running, Outcome(), NOW + 4)
    assert claimed(ledger, NOW + 5, "w2").generation == 2


def test_a_silent_worker_loses_its_job_and_what_it_brings_later_is_void(ledger: Ledger) -> None:
    ledger.keep(an_instance())
    settled(ledger)
    slow = claimed(ledger)
    assert ledger.claim(NOW + 29, "w2", 30) is None
    assert ledger.renew(slow, NOW + 29, 30)
    other = claimed(ledger, NOW + 60, "w2")
    assert other.attempt == 2
    assert not ledger.renew(slow, NOW + 61, 30)
    with pytest.raises(LeaseLost, match="taken over"):
        ledger.finish(slow, Outcome((a_result(),)), NOW + 61)
    assert ledger.outgoing() == ()
    ledger.finish(other, Outcome((a_result(),)), NOW + 62)
    with pytest.raises(LeaseLost):
        ledger.fail(other, "late", NOW + 63)
    assert len(ledger.outgoing()) == 1


def test_what_is_whole_goes_out_before_the_job_ends_and_is_one_object_with_what_the_end_brings(ledger: Ledger) -> None:
    ledger.keep(an_instance())
    settled(ledger)
    slow = claimed(ledger)
    ledger.hand_over(slow, (), NOW)
    ledger.hand_over(slow, (a_result(),), NOW + 1)
    (sent,) = ledger.claim_outgoing("pacs", NOW + 1, "sender", 60)
    ledger.sent(sent, NOW + 2)
    other = claimed(ledger, NOW + 60, "w2")
    with pytest.raises(LeaseLost, match="taken over"):
        ledger.hand_over(slow, (a_result(2),), NOW + 61)
    ledger.hand_over(other, (a_result(),), NOW + 62)
    ledger.finish(other, Outcome((a_result(), a_result(3, key="sc|page"))), NOW + 63)
    assert [(row.sop_instance_uid, row.state) for row in ledger.outgoing()] == [
        ("2.25.1", OutgoingState.SENT),
        ("2.25.3", OutgoingState.WAITING),
    ]
    assert {one.sop_instance_uid for one in ledger.results(other.id)} == {"2.25.1", "2.25.3"}


def test_a_job_that_ends_its_worker_each_time_is_set_aside(ledger: Ledger) -> None:
    ledger.keep(an_instance())
    settled(ledger)
    ledger.keep(an_instance(2, study="1.2.2"))
    settled(ledger)
    seen = [ledger.claim(NOW + 100 * turn, "w", 30, maximum_claims=3) for turn in range(8)]
    assert {job.study_instance_uid for job in seen if job} == {"1.2.1", "1.2.2"}
    assert ledger.status().jobs[JobState.DEAD] == 2
    assert "without any outcome" in ledger.jobs(JobState.DEAD)[0].reason
    assert ledger.rerun("1.2.1", NOW + 1000) is not None
    assert claimed(ledger, NOW + 1000).cause == "rerun"


def test_a_failed_attempt_may_come_again_and_keeps_its_reason(ledger: Ledger) -> None:
    ledger.keep(an_instance())
    settled(ledger)
    ledger.fail(claimed(ledger), "memory limit", NOW, retry_at=NOW + 60)
    assert ledger.claim(NOW + 59, "w", 30) is None
    job = claimed(ledger, NOW + 61)
    verdict = Verdict("1.2.3.1", "unreadable", "the file ends early", "send it again")
    ledger.fail(job, "nothing readable", NOW + 62, outcome=Outcome(verdicts=(verdict,)))
    ended = ledger.job(job.id)
    assert ended is not None and (ended.state, ended.reason) == (JobState.FAILED, "nothing readable")
    assert ledger.verdicts("1.2.3.1") == (replace(verdict, generation=1),)


def test_a_result_is_written_with_its_outbox_rows_and_shown_to_the_next_generation(ledger: Ledger) -> None:
    finished(ledger, destinations=("pacs", "hub"))
    assert {row.destination for row in ledger.outgoing()} == {"pacs", "hub"}
    assert ledger.rerun("1.2.1", NOW + 1) is not None
    job = claimed(ledger, NOW + 1)
    (earlier,) = ledger.previous_reports("1.2.1", job.generation)
    assert (earlier.sop_instance_uid, earlier.generation, earlier.key) == ("2.25.1", 1, "sr|study")
    ledger.finish(job, Outcome((a_result(),)), NOW + 2)
    assert len(ledger.outgoing()) == 2, "the same bytes again are nothing new"


def test_outgoing_rows_go_their_way_once(ledger: Ledger) -> None:
    finished(ledger)
    (row,) = ledger.claim_outgoing("pacs", NOW, "s1", 30)
    assert ledger.claim_outgoing("pacs", NOW, "s2", 30) == ()
    assert ledger.postpone(row, NOW, NOW + 60, "busy")
    assert ledger.claim_outgoing("pacs", NOW + 59, "s1", 30) == ()
    (row,) = ledger.claim_outgoing("pacs", NOW + 60, "s1", 30)
    (other,) = ledger.claim_outgoing("pacs", NOW + 100, "s2", 30)
    assert not ledger.sent(row, NOW + 101), "its lease ran out"
    assert ledger.sent(other, NOW + 101)
    assert not ledger.hold(other, NOW + 102, "too late")
    assert ledger.claim_outgoing("pacs", NOW + 999, "s1", 30) == ()
    assert ledger.outgoing()[0].state is OutgoingState.SENT


def test_who_finds_nothing_to_do_needs_no_turn_to_write(ledger: Ledger) -> None:
    """Each commit wakes all who wait; if each took the writer's turn to look, they would hold one another up."""
    if not ledger.is_sqlite:
        pytest.skip("other databases have many writers")
    with ledger.writing():
        begun = time.monotonic()
        with ThreadPoolExecutor(1) as other:  # the writer's turn may be taken twice by one thread
            assert other.submit(ledger.claim, NOW, "worker", 60).result(10) is None
            assert other.submit(ledger.claim_outgoing, "pacs", NOW, "sender", 60).result(10) == ()
            assert not other.submit(ledger.clear_quarantine, "1.2.1", NOW).result(10)
        assert time.monotonic() - begun < 10


def test_dead_letters_wait_until_they_are_re_driven(ledger: Ledger) -> None:
    finished(ledger)
    (row,) = ledger.claim_outgoing("pacs", NOW, "s", 30)
    ledger.hold(row, NOW, "0xA900")
    assert ledger.claim_outgoing("pacs", NOW + 1e6, "s", 30) == ()
    assert ledger.redrive(NOW + 1, "elsewhere") == 0
    assert ledger.redrive(NOW + 1) == 1
    assert ledger.claim_outgoing("pacs", NOW + 1, "s", 30)


def test_an_open_circuit_or_a_pause_stops_one_destination_only(ledger: Ledger) -> None:
    finished(ledger, destinations=("pacs", "hub"))
    ledger.open_circuit("pacs", NOW + 60, "refused")
    ledger.open_circuit("pacs", NOW + 60, "refused")
    assert ledger.circuit("pacs").failures == 2
    assert ledger.claim_outgoing("pacs", NOW, "s", 30) == ()
    assert len(ledger.claim_outgoing("hub", NOW, "s", 30)) == 1
    ledger.close_circuit("pacs")
    ledger.pause("pacs")
    assert ledger.claim_outgoing("pacs", NOW, "s", 30) == ()
    ledger.pause("pacs", paused=False)
    assert len(ledger.claim_outgoing("pacs", NOW, "s", 30)) == 1
    assert ledger.circuit("pacs").failures == 0


def test_what_a_dead_owner_held_is_given_back_at_once(ledger: Ledger) -> None:
    finished(ledger)
    ledger.claim_outgoing("pacs", NOW, "s1", 30)
    assert ledger.take_back_outgoing("s1".__eq__, NOW) == 1
    assert len(ledger.claim_outgoing("pacs", NOW, "s2", 30)) == 1
    ledger.rerun("1.2.1", NOW)
    claimed(ledger, owner="w1")
    assert ledger.take_back("w2".__eq__, NOW) == 0
    assert ledger.release("w1", NOW) == 1
    assert claimed(ledger, owner="w2").attempt == 2


def test_cursors_and_beats_survive(ledger: Ledger, tmp_path: Path) -> None:
    assert ledger.cursor("hub") == 0
    ledger.advance("hub", 17)
    ledger.advance("hub", 18)
    ledger.beat(Process("listener", 1, NOW, NOW, {"received": 3}))
    ledger.beat(Process("listener", 2, NOW, NOW + 1, {"received": 4}))
    again = open_ledger(tmp_path, os.environ.get("NMUS_TEST_DATABASE", ""))
    assert again.cursor("hub") == 18
    (process,) = again.status().processes
    assert (process.pid, process.counters) == (2, {"received": 4})
    again.close()


def test_status_counts_what_waits(ledger: Ledger) -> None:
    finished(ledger, destinations=("pacs", "hub"))
    (row,) = ledger.claim_outgoing("hub", NOW, "s", 30)
    ledger.sent(row, NOW)
    status = ledger.status()
    assert status.jobs["done"] == 1
    by_name = {box.destination: box for box in status.outbox}
    assert (by_name["hub"].sent, by_name["hub"].waiting, by_name["hub"].oldest_waiting_at) == (1, 0, None)
    assert (by_name["pacs"].sent, by_name["pacs"].waiting, by_name["pacs"].oldest_waiting_at) == (0, 1, NOW)


def test_many_threads_share_commits_and_a_bad_row_spoils_no_other(ledger: Ledger) -> None:
    kept: list[Kept] = []
    errors: list[Exception] = []

    def send(first: int) -> None:
        for number in range(first, first + 20):
            bad = number % 10 == 3
            try:
                kept.append(ledger.keep(an_instance(number, path=None if bad else f"archive/{number}")))
            except sqlalchemy.exc.IntegrityError as error:
                errors.append(error)

    threads = [threading.Thread(target=send, args=(100 * part,)) for part in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 12
    assert kept == [Kept.NEW] * 108
    assert ledger.status().instances == 108


def test_the_migrations_make_exactly_the_tables_in_code(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        assert context.get_current_revision() == REVISION == ledger.revision()


def test_a_ledger_of_a_later_version_is_refused(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Misconfigured, match="later version"):
        migrate(ledger)


def test_a_ledger_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerUnavailable, match="ledger"):
        Ledger(f"sqlite:///{tmp_path / 'file' / 'ledger.sqlite'}").status()
    with pytest.raises(Misconfigured, match="mysql"):
        Ledger("mysql://x/y")


def test_sqlite_is_durable_at_every_commit(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    with ledger.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    ledger.close()
