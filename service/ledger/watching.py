"""One watch a process for all its threads that wait until somebody has written to the ledger.

A destination, a confirmation and a worker's slot each have a thread: if each looked for itself, a service with ten of
them would spend a twentieth of a core on looking.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

from service.ledger.inotify import Writes

_LOOK_S, _ALERT_LOOK_S = 0.02, 0.004
"""SQLite counts commits in shared memory; asking costs microseconds and no disk access."""
_ALERT_S = 2.0
"""Where the system does not tell of writing: one change announces the next, so for that long looks come closer."""
_FLUSH_S = (0.0003, 0.0005, 0.001, 0.001, 0.002, 0.004, 0.008)
"""Waits after a log was written to, until the commit counts: its flush lies between."""
_PAUSE_S = 0.003
"""After a change: while images come in there are hundreds of commits a second, and whoever is woken asks the ledger."""


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
    """The embedded database: sees the commits of all other connections."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._seen = self._version()  # now, so that no commit from here on is missed; it makes the log, too
        self._log = Writes(Path(f"{path}-wal"))

    def end(self) -> None:
        """Look no more, and give the connection back."""
        super().end()
        self._log.close()
        self._connection.close()

    def _run(self) -> None:
        changed_at = 0.0
        while not self._ended.is_set():
            alert = not self._log.are_told and time.monotonic() - changed_at < _ALERT_S
            was_written = self._log.wait(_ALERT_LOOK_S if alert else _LOOK_S)
            if self._has_changed() or (was_written and self._will_change()):
                changed_at = time.monotonic()
                self.changed()
                self._ended.wait(_PAUSE_S)

    def _will_change(self) -> bool:
        """Whether what was written to the log is committed soon. It is not where it was undone, or is our own."""
        return any(not self._ended.wait(seconds) and self._has_changed() for seconds in _FLUSH_S)

    def _has_changed(self) -> bool:
        version = self._version()
        before, self._seen = self._seen, version
        return version != before

    def _version(self) -> int:
        """``PRAGMA data_version`` counts for one connection, so it is always asked on the same one."""
        try:
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.OperationalError:
            return -1  # busy or out of disk: who waits looks for itself
