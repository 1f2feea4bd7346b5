"""Connections and transactions: one writer a process, durable commits, and commits that several threads share.

SQLite runs in WAL mode with ``synchronous=FULL``: only then is a commit on the disk when it returns, and only then
may an object be answered with Success. Write transactions start with BEGIN IMMEDIATE under a lock of this process,
because SQLite's own waiting sleeps in growing steps (eight writers: 80 ms at the 99th percentile).
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import sqlalchemy
from sqlalchemy import Connection, Engine, Executable, PoolProxiedConnection, Table, event
from sqlalchemy.dialects import postgresql, sqlite

from service.errors import Misconfigured, Unreachable
from service.ledger.waking import connect_args
from service.ledger.write_ahead import CHECKPOINT_PAGES, give_room

T = TypeVar("T")


class Rows(Protocol):
    """What a prepared statement found."""

    def fetchall(self) -> Sequence[Any]:
        """All rows."""


class Transaction(Protocol):
    """What a prepared statement runs in: SQLAlchemy's connection, or the embedded database's own."""

    def exec_driver_sql(self, statement: str, parameters: Any, /) -> Rows:  # noqa: ANN401 - a tuple or a mapping
        """Run one statement."""


Prepared = Callable[[Transaction, dict[str, Any]], Rows]


class LedgerUnavailable(Unreachable):
    """The ledger cannot be written or read just now: disk full, locked, or the database server is away."""


class Database:
    """A database that holds the ledger."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = _engine(url)
        self._turn = threading.RLock()
        self._pending: list[_Ticket[Any]] = []
        self._pending_lock = threading.Lock()
        self._direct: _Direct | None = None

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded database."""
        return self._engine.dialect.name == "sqlite"

    @property
    def engine(self) -> Engine:
        """For migrations."""
        return self._engine

    def revision(self) -> str | None:
        """Which migration the tables are at; ``None`` before the first."""
        try:
            with self._engine.connect() as connection:
                return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar())
        except (sqlalchemy.exc.OperationalError, sqlalchemy.exc.ProgrammingError):
            return None  # no tables yet; a database that is away shows at the next call

    def close(self) -> None:
        """Give all connections back."""
        with self._turn:
            if self._direct is not None:
                self._direct.close()
                self._direct = None
        self._engine.dispose()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view; never waits for a writer."""
        with _translated(), self._engine.connect() as connection:
            yield connection

    def one_at_a_time(self, transaction: Transaction, name: str) -> None:
        """Let no other transaction of any machine pass this line with the same name until this one has ended.

        SQLite has one writer anyhow; PostgreSQL's row locks do not cover rows that are not there yet.
        """
        if not self.is_sqlite:
            transaction.exec_driver_sql(_TURN, {"name": name})

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, durable when the block has ended, undone if it raises."""
        with self._turn, _translated(), self._engine.connect() as connection:
            write = connection.execution_options(nmus_write=True)
            with write.begin():
                yield write

    def write_together(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in a write transaction that it may share with what other threads bring at that moment.

        For prepared statements only: on the embedded database they go straight to its driver.

        Whoever gets the turn commits for all who wait, so one disk flush serves many associations. A work that
        raises must not spoil the others': then each runs in a transaction of its own.
        """
        ticket = _Ticket(work)
        with self._pending_lock:
            self._pending.append(ticket)
        with self._turn:
            if not ticket.done:
                with self._pending_lock:
                    batch, self._pending = self._pending, []
                self._commit(batch)
        return ticket.outcome()

    def _commit(self, batch: list[_Ticket[Any]]) -> None:
        try:
            with self._writing_directly() as transaction:
                values = [ticket.work(transaction) for ticket in batch]
        except Exception as error:  # noqa: BLE001 - handed to the thread whose work it was
            if len(batch) == 1:
                batch[0].fail(error)
                return
            for ticket in batch:
                self._commit([ticket])
            return
        for ticket, value in zip(batch, values, strict=True):
            ticket.succeed(value)

    @contextlib.contextmanager
    def _writing_directly(self) -> Iterator[Transaction]:
        """Like :meth:`writing`, without SQLAlchemy between us and SQLite, which takes twice as long as the disk."""
        if not self.is_sqlite:
            with self.writing() as connection:
                yield connection
            return
        with self._turn, _translated():
            if self._direct is None:
                self._direct = _Direct(self._engine.raw_connection(), self._engine.url.database)
            with self._direct.transaction():
                yield self._direct

    def prepared(self, statement: Executable, columns: tuple[str, ...] | None = None) -> Prepared:
        """A statement rendered once for this database: what runs for every image must not be composed each time."""
        compiled = statement.compile(dialect=self._engine.dialect, column_keys=columns)  # type: ignore[attr-defined]
        order = getattr(compiled, "positiontup", None)
        text = str(compiled)

        def run(transaction: Transaction, values: dict[str, Any]) -> Rows:
            return transaction.exec_driver_sql(text, tuple(values[name] for name in order) if order else values)

        return run

    def insert(self, table: Table) -> postgresql.Insert | sqlite.Insert:
        """An INSERT that knows ON CONFLICT in this database's dialect."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)


class _Direct:
    """One of the embedded database's own connections, kept for what runs for every image."""

    def __init__(self, proxied: PoolProxiedConnection, file: str | None) -> None:
        self._proxied = proxied
        self._raw: sqlite3.Connection = proxied.driver_connection  # type: ignore[assignment]
        if file is not None:
            give_room(self._raw, Path(file))
        self.exec_driver_sql = self._raw.execute

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Durable when the block has ended, undone if it raises; errors are those that SQLAlchemy would raise."""
        try:
            self._raw.execute("BEGIN IMMEDIATE")
            yield
            self._raw.execute("COMMIT")
        except sqlite3.Error as error:
            raise sqlalchemy.exc.DBAPIError.instance(None, None, error, sqlite3.Error) from error
        finally:
            if self._raw.in_transaction:
                self._raw.execute("ROLLBACK")

    def close(self) -> None:
        """Give the connection back."""
        self._proxied.close()


class _Ticket(Generic[T]):
    """One thread's part of a shared commit."""

    __slots__ = ("_error", "_value", "done", "work")

    def __init__(self, work: Callable[[Transaction], T]) -> None:
        self.work = work
        self.done = False
        self._error: Exception | None = None

    def succeed(self, value: T) -> None:
        self._value, self.done = value, True

    def fail(self, error: Exception) -> None:
        self._error, self.done = error, True

    def outcome(self) -> T:
        if self._error is not None:
            raise self._error
        return self._value


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (sqlalchemy.exc.OperationalError, sqlalchemy.exc.TimeoutError, sqlalchemy.exc.InterfaceError) as error:
        cause = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise LedgerUnavailable(f"ledger: {cause}; free disk space or bring the database back") from error


_TURN = "SELECT pg_advisory_xact_lock(hashtextextended(%(name)s, 0))"


def _engine(url: str) -> Engine:
    try:
        address = sqlalchemy.make_url(url)
        backend = address.get_backend_name()
        if backend == "postgresql":
            return sqlalchemy.create_engine(address, pool_pre_ping=True, connect_args=connect_args(address))
        if backend != "sqlite":
            raise Misconfigured(f"service.database: {backend!r} is not supported; use sqlite or postgresql")
        engine = sqlalchemy.create_engine(address, connect_args={"timeout": 30, "check_same_thread": False})
    except (sqlalchemy.exc.ArgumentError, ImportError) as error:
        raise Misconfigured(
            f"service.database: cannot be used: {error}; write sqlite:///FILE, or postgresql+psycopg://… with psycopg"
        ) from error
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


class _RawConnection(Protocol):
    """What is used of sqlite3's connection."""

    isolation_level: str | None

    def execute(self, sql: str, /) -> object:
        """Run one statement."""


def _prepare(connection: _RawConnection, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "busy_timeout=30000",
        "foreign_keys=ON",
        f"wal_autocheckpoint={CHECKPOINT_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("nmus_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def sqlite_url(data_folder: Path) -> str:
    """Address of the embedded ledger in a data folder."""
    return f"sqlite:///{data_folder / 'ledger.sqlite'}"
