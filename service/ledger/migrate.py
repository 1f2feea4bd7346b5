"""Bringing the tables up to date, with Alembic, under a lock, after a copy.

Kept out of :mod:`service.ledger` so that the listener, which starts against a ledger that is up to date, does not
pay for importing Alembic.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
from collections.abc import Iterator
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from service import logs
from service.errors import Misconfigured
from service.ledger.database import Database, LedgerUnavailable

_LOGGER = logging.getLogger(__name__)
_FOLDER = Path(__file__).parent / "migrations"


def migrate(database: Database, lock: Path | None = None) -> None:
    """Bring the ledger's tables to this version of nmus; nothing happens if they are.

    Parameters
    ----------
    lock:
        File to lock meanwhile, so that two processes that start together do not both migrate.

    Raises
    ------
    Misconfigured
        The ledger was written by a later version of nmus.
    """
    configuration = Config()
    configuration.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(configuration)
    newest = scripts.get_current_head()
    with _locked(lock), _alone(database):
        current = _revision(database)
        if current == newest:
            return
        if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
            raise Misconfigured(
                f"service.database: the ledger is of a later version (revision {current}); "
                "install that version of nmus, or give another data folder"
            )
        if current is not None:
            _copy(database, current)
        with database.engine.connect() as connection, connection.begin():
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, "head")
    logs.event(_LOGGER, logging.INFO, "ledger migrated", revision=str(newest))


def known_revisions() -> frozenset[str]:
    """All revisions that this version of nmus can bring up to date."""
    configuration = Config()
    configuration.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return frozenset(str(script.revision) for script in ScriptDirectory.from_config(configuration).walk_revisions())


def _revision(database: Database) -> str | None:
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _copy(database: Database, revision: str) -> None:
    """Keep the embedded ledger as it was, beside it; a server's backups are its administrator's."""
    file = database.engine.url.database
    if not database.is_sqlite or not file or file == ":memory:":
        return
    copy = Path(f"{file}.before-{revision}")
    if copy.exists():
        return
    raw = database.engine.raw_connection()
    try:
        raw.cursor().execute("VACUUM INTO ?", (str(copy),))
    finally:
        raw.close()


@contextlib.contextmanager
def _alone(database: Database) -> Iterator[None]:
    """No other machine migrates the same server's tables meanwhile.

    Raises
    ------
    LedgerUnavailable
        The server does not answer.
    """
    if database.is_sqlite:
        yield
        return
    try:
        connection = database.engine.connect()
    except OperationalError as error:
        raise LedgerUnavailable("ledger: the database server does not answer; start it") from error
    with connection:
        connection.execute(text("SELECT pg_advisory_lock(hashtextextended('nmus migration', 0))"))
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(hashtextextended('nmus migration', 0))"))


@contextlib.contextmanager
def _locked(path: Path | None) -> Iterator[None]:
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
