"""One watch a process for all its threads that wait until somebody has written to the ledger.

A destination, a confirmation and a worker's slot each have a thread: if each looked for itself, a service with ten of
them would spend a twentieth of a core on looking.
"""

from __future__ import annotations

import sqlite3
import threading
import time

_LOOK_S, _ALERT_LOOK_S = 0.02, 0.001
"""SQLite counts commits in shared memory; asking costs microseconds and no disk access."""
_ALERT_S = 2.0
"""One change announces the next: for so long after it the looks come closer."""


class Watch:
    """Counts changes and wakes who waits for one. What a change is and how it is seen is said by a subclass."""

    def __init__(self) -> None:
        self.turn = threading.Condition()
        self.count = 0
        self.users = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()

    def changed(self) -> None:
        """Wake everyone."""
        with self.turn:
            self.count += 1
            self.turn.notify_all()

    def _run(self) -> None:
        raise NotImplementedError


class CommitWatch(Watch):
    """The embedded database: looks for the commits of all other connections."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._seen = self._version()  # now, so that no commit from here on is missed

    def end(self) -> None:
        """Look no more, and give the connection back."""
        super().end()
        self._connection.close()

    def _run(self) -> None:
        changed_at = 0.0
        while not self._ended.wait(_ALERT_LOOK_S if time.monotonic() - changed_at < _ALERT_S else _LOOK_S):
            version = self._version()
            if version != self._seen:
                self._seen, changed_at = version, time.monotonic()
                self.changed()

    def _version(self) -> int:
        """``PRAGMA data_version`` counts for one connection, so it is always asked on the same one."""
        try:
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.OperationalError:
            return -1  # busy or out of disk: who waits looks for itself
