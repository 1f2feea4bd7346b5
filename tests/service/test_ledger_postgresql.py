"""The ledger on a real PostgreSQL: several machines at once, a server that goes away, and every migration."""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from service.ledger import Instance, JobState, Kept, Ledger, LedgerUnavailable, Outcome, Result, migrate, open_ledger
from service.ledger.tables import METADATA

sys.path.insert(0, str(Path(__file__).parent))
from postgresql_server import PostgreSql

NOW = 1_000_000.0
MACHINES = 4
SCRIPTS = ScriptDirectory(str(Path(migrate.__file__).parent / "migrations"))
REVISIONS = [one.revision for one in reversed(list(SCRIPTS.walk_revisions()))]
FIRST = Path(__file__).parent / "ledgers" / "0001.sql"
"""A ledger of the first version with a row in every table; never altered."""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSql]:
    running = PostgreSql()
    yield running
    running.remove()


@pytest.fixture(scope="module")
def template(server, tmp_path_factory) -> str:
    address = server.database()
    open_ledger(tmp_path_factory.mktemp("template"), address).close()
    return address.rpartition("/")[2]


@pytest.fixture
def machines(server, template, tmp_path) -> Iterator[list[Ledger]]:
    """The same ledger as several machines see it."""
    address = server.database(template)
    opened = [open_ledger(tmp_path / str(number), address) for number in range(MACHINES)]
    yield opened
    for one in opened:
        one.close()


def test_machines_share_the_clock_of_the_server(machines, monkeypatch) -> None:
    """A machine whose clock is an hour ahead takes over no lease, and one that is behind waits for nothing."""
    right = time.time()
    for number, one in enumerate(machines):
        wrong = right + (number - 1) * 3600
        with monkeypatch.context() as patched:
            patched.setattr(time, "time", lambda wrong=wrong: wrong)
            assert abs(one.clock() - right) < 60
    here, there = machines[:2]
    assert there.heed_clock(there.clock()) == 0
    assert here.heed_clock(here.clock()) == 0


def test_a_clock_set_back_is_heeded_once_by_all_machines(machines) -> None:
    here = machines[0]
    here.keep(an_instance())
    (study,) = here.open_studies()
    here.settle(study, NOW + 500)
    here.heed_clock(NOW + 500)
    told = at_once(machines, lambda one: one.heed_clock(NOW - 1000))
    assert sorted(told) == [0, 0, 0, 1500]
    with here.reading() as connection:
        assert list(connection.exec_driver_sql("SELECT due FROM job").scalars()) == [NOW - 1000]


def an_instance(number: int = 1, study: str = "1.2.1") -> Instance:
    sop_class, syntax = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.1.2.1"
    rest = (sop_class, study, f"{study}.1", syntax, f"{number:064x}", f"archive/{number}.dcm", 100, NOW + number)
    return Instance(f"1.2.3.{number}", *rest, source="US1")


def at_once(machines: list[Ledger], step: Callable[[Ledger], object]) -> list[object]:
    """The same step on every machine at the same moment."""
    gate = threading.Barrier(len(machines))

    def run(one: Ledger) -> object:
        gate.wait()
        return step(one)

    with ThreadPoolExecutor(len(machines)) as pool:
        return list(pool.map(run, machines))


def test_an_object_that_comes_to_all_machines_at_once_is_one_object(machines) -> None:
    for number in range(10):
        kept = Counter(at_once(machines, lambda one, n=number: one.keep(an_instance(n))))
        assert kept == {Kept.NEW: 1, Kept.DUPLICATE: MACHINES - 1}
    assert machines[0].status().instances == 10


def test_other_bytes_under_one_uid_are_one_original_and_conflicts(machines) -> None:
    versions = iter([replace(an_instance(), sha256=f"{n:064x}") for n in range(MACHINES)])
    kept = Counter(at_once(machines, lambda one: one.keep(next(versions))))
    assert kept == {Kept.NEW: 1, Kept.CONFLICT: MACHINES - 1}


def test_a_study_settles_once_and_what_comes_meanwhile_is_not_forgotten(machines) -> None:
    first, rest = machines[0], machines[1:]
    first.keep(an_instance())
    (study,) = first.open_studies()
    assert sum(job is not None for job in at_once(machines, lambda one: one.settle(study, NOW))) == 1
    at_once(rest, lambda one: one.keep(an_instance(1 + machines.index(one))))
    (again,) = first.open_studies()
    assert first.settle(again, NOW) is not None
    assert len(first.instances("1.2.1", 2)) == MACHINES


def test_a_job_is_claimed_by_one_machine_and_a_study_by_one_job(machines) -> None:
    first = machines[0]
    for number in range(6):
        first.keep(an_instance(number, study=f"1.2.{number}"))
    for study in first.open_studies():
        first.settle(study, NOW)
    claimed = []
    while len(claimed) < 6:
        got = [job for job in at_once(machines, lambda one: one.claim(NOW, f"w{machines.index(one)}", 30)) if job]
        assert got
        claimed += [job.id for job in got]
    assert len(set(claimed)) == 6
    # two jobs of one study that are both queued: the second waits for the first
    (job, *_) = first.jobs(JobState.RUNNING, "1.2.0")
    first.fail(job, "again", NOW, retry_at=NOW)
    first.rerun("1.2.0", NOW)
    with first.writing() as connection:
        connection.exec_driver_sql("UPDATE job SET state = 'queued' WHERE study_instance_uid = '1.2.0'")
    got = [job for job in at_once(machines, lambda one: one.claim(NOW, f"w{machines.index(one)}", 30)) if job]
    assert len(got) == 1


def test_the_outbox_is_shared_out_and_nothing_goes_twice(machines) -> None:
    first = machines[0]
    first.keep(an_instance())
    (study,) = first.open_studies()
    first.settle(study, NOW)
    job = first.claim(NOW, "w", 30)
    row = ("1.2.840.10008.5.1.4.1.1.88.34", "2.25.9", "sr", "results/x.dcm", "a" * 64, 10)
    results = tuple(Result(f"2.25.{n}", *row, destinations=("pacs",)) for n in range(40))
    first.finish(job, Outcome(results), NOW)
    got = at_once(machines, lambda one: one.claim_outgoing("pacs", NOW, f"s{machines.index(one)}", 30, 15))
    numbers = [row.id for batch in got for row in batch]
    assert len(numbers) == len(set(numbers))
    assert len(numbers) >= 15


def test_a_zombie_worker_of_another_machine_writes_nothing(machines) -> None:
    first, second = machines[:2]
    first.keep(an_instance())
    (study,) = first.open_studies()
    first.settle(study, NOW)
    slow = first.claim(NOW, "w1", 30)
    quick = second.claim(NOW + 31, "w2", 30)
    second.finish(quick, Outcome(), NOW + 32)
    with pytest.raises(Exception, match="taken over"):
        first.finish(slow, Outcome(), NOW + 33)


def test_machines_that_start_together_migrate_once(server, tmp_path) -> None:
    address = server.database()
    with ThreadPoolExecutor(MACHINES) as pool:
        opened = list(pool.map(lambda n: open_ledger(tmp_path / str(n), address), range(MACHINES)))
    assert {one.revision() for one in opened} == {REVISIONS[-1]}
    for one in opened:
        one.close()


def test_a_commit_waits_for_the_servers_disk(machines) -> None:
    with machines[0].reading() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"


def test_a_server_that_goes_away_is_unavailable_and_comes_back(tmp_path) -> None:
    server = PostgreSql()
    try:
        ledger = open_ledger(tmp_path, server.database())
        ledger.keep(an_instance())
        server.stop("immediate")
        with pytest.raises(LedgerUnavailable):
            ledger.keep(an_instance(2))
        with pytest.raises(LedgerUnavailable):
            ledger.status()
        with pytest.raises(LedgerUnavailable):
            open_ledger(tmp_path / "other", str(ledger.engine.url))
        server.start()
        assert ledger.keep(an_instance(2)) is Kept.NEW
        ledger.close()
    finally:
        server.remove()


# --- migrations from every version ----------------------------------------------------------------------------


def first_rows() -> list[tuple[str, list[str], list[tuple[object, ...]]]]:
    """The tables of the kept ledger in the order of their foreign keys, with columns and rows."""
    kept = sqlite3.connect(":memory:")
    kept.executescript(FIRST.read_text(encoding="utf-8"))
    found = []
    for table in [one.name for one in METADATA.sorted_tables]:
        try:
            cursor = kept.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - our own tables
        except sqlite3.OperationalError:
            continue  # of a later version
        found.append((table, [one[0] for one in cursor.description], cursor.fetchall()))
    kept.close()
    return found


def upgraded(engine: sqlalchemy.Engine, revision: str) -> None:
    configuration = Config()
    configuration.set_main_option("script_location", SCRIPTS.dir)
    with engine.connect() as connection, connection.begin():
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, revision)


def filled(engine: sqlalchemy.Engine) -> None:
    tables = sqlalchemy.MetaData()
    tables.reflect(engine)
    with engine.connect() as connection, connection.begin():
        for table, columns, rows in first_rows():
            kinds = {column.name: column.type for column in tables.tables[table].columns}
            for row in rows:
                values = dict(zip(columns, row, strict=True))
                values = {k: bool(v) if isinstance(kinds[k], sqlalchemy.Boolean) else v for k, v in values.items()}
                connection.execute(tables.tables[table].insert(), values)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request, server, tmp_path) -> str:
    return server.database() if request.param == "postgresql" else f"sqlite:///{tmp_path / 'ledger.sqlite'}"


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_ledger_of_every_version_comes_up_to_date_with_its_rows(address, revision, tmp_path) -> None:
    engine = sqlalchemy.create_engine(address)
    upgraded(engine, revision)
    filled(engine)
    ledger = open_ledger(tmp_path, address)
    assert ledger.revision() == REVISIONS[-1]
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA) == []
        for table, columns, rows in first_rows():
            names = ", ".join(f'"{one}"' for one in columns)
            kept = connection.exec_driver_sql(f'SELECT {names} FROM "{table}"').fetchall()  # noqa: S608
            assert sorted(map(repr, (tuple(map(plain, row)) for row in kept))) == sorted(
                map(repr, (tuple(map(plain, row)) for row in rows))
            )
    assert ledger.status().instances == 2
    assert [job.state for job in ledger.jobs()] == [JobState.QUEUED, JobState.DONE]
    assert ledger.claim(NOW * 10_000, "w", 30) is not None, "work goes on"
    ledger.close()
    engine.dispose()


def plain(value: object) -> object:
    return int(value) if isinstance(value, bool) else value
