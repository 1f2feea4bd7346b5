"""Wake up when somebody has written to the ledger, instead of looking twice a second."""

from __future__ import annotations

import sqlite3
import threading
import time

from service.ledger.database import Database

_LOOK_S, _ALERT_LOOK_S = 0.02, 0.004
"""SQLite counts commits in shared memory; asking costs microseconds and no disk access."""
_ALERT_S = 2.0
"""One change announces the next: for so long after it the looks come closer."""


class Changes:
    """Waits for the commits of other connections. One thread makes and uses one of these."""

    def __init__(self, ledger: Database) -> None:
        path = ledger.engine.url.database if ledger.is_sqlite else None
        self._connection = sqlite3.connect(path) if path else None
        self._seen = self._version()
        self._changed_at = 0.0

    def wait(self, stop: threading.Event, seconds: float) -> None:
        """Return when somebody has committed, when ``stop`` is set, or after ``seconds``."""
        if self._connection is None:
            stop.wait(seconds)
            return
        deadline = time.monotonic() + seconds
        while not stop.is_set() and time.monotonic() < deadline:
            version = self._version()
            if version != self._seen:
                self._seen, self._changed_at = version, time.monotonic()
                return
            stop.wait(_ALERT_LOOK_S if time.monotonic() - self._changed_at < _ALERT_S else _LOOK_S)

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _version(self) -> int:
        """``PRAGMA data_version`` counts for one connection, so it is always asked on the same one."""
        if self._connection is None:
            return 0
        try:
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.OperationalError:
            return -1  # busy or out of disk: the caller looks for itself
