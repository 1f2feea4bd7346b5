"""Work that is there wakes who waits for it on any machine, by PostgreSQL's NOTIFY.

The notification is part of the transaction that makes the work: it goes out when that commits and not otherwise, and
several of one transaction are one. Only what makes work notifies, a few times a study and never for an image: commits
that notify pass one at a time. It carries nothing and proves nothing. Who is woken asks the ledger as at every tick,
and the tick comes all the same: through a pooler that hands connections on (PgBouncer by transaction), after a
connection broke, or for what is due later.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import Connection

from service.ledger.watching import Watch
from service.logs import event

if TYPE_CHECKING:
    from service.ledger.database import Database

_LOG = logging.getLogger(__name__)
CHANNEL = "nmus_work"
_NOTIFY = f"NOTIFY {CHANNEL}"
_LOOK_S = 0.25
"""How soon the listening thread sees that it is to end."""
_AGAIN_S = 1.0
"""Between two tries to listen again; meanwhile ticks do it."""


def wake(connection: Connection) -> None:
    """There is work once this transaction is committed. The embedded database's commits are seen without this."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_NOTIFY)


def can_listen(database: Database) -> bool:
    """Whether notifications can be waited for."""
    return database.engine.url.get_driver_name() == "psycopg"


class NotificationWatch(Watch):
    """A connection of its own that listens; one that breaks is made anew."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._engine = database.engine
        self._away = False

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._listen()
            except Exception as error:  # noqa: BLE001 - whatever it is, ticks go on and so must the attempts
                if not self._away and not self._ended.is_set():
                    event(_LOG, logging.WARNING, "ledger does not notify", reason=type(error).__name__)
                self._away = True
            self._ended.wait(_AGAIN_S)

    def _listen(self) -> None:
        connection = self._connected()
        try:
            connection.execute(f"LISTEN {CHANNEL}")
            if self._away:
                event(_LOG, logging.INFO, "ledger notifies again")
            self._away = False
            self.changed()  # what was told before we listened
            while not self._ended.is_set():
                for _ in connection.notifies(timeout=_LOOK_S, stop_after=1):
                    self.changed()
        finally:
            connection.close()

    def _connected(self) -> Any:  # noqa: ANN401 - psycopg's connection; the driver is an extra
        """Not of the pool: it is kept open, and never within a transaction."""
        dialect, url = self._engine.dialect, self._engine.url
        arguments, options = dialect.create_connect_args(url)
        connection: Any = dialect.connect(*arguments, **options, **connect_args(url))
        connection.autocommit = True
        return connection


def connect_args(address: sqlalchemy.URL) -> dict[str, Any]:
    """A commit is on the server's disk when it returns, and a server that is gone is noticed within half a minute."""
    if address.get_driver_name() != "psycopg":
        return {}
    given: dict[str, Any] = {
        "connect_timeout": 5,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }
    given |= {"tcp_user_timeout": 20_000, "application_name": "nmus"}
    options = "-c synchronous_commit=on -c lock_timeout=30s -c idle_in_transaction_session_timeout=60s"
    wanted = {name: value for name, value in given.items() if name not in address.query}
    return wanted if "options" in address.query else {**wanted, "options": options}
