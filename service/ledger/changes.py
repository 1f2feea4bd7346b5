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
_STOP_LOOK_S = 0.25
"""How soon a waiting thread sees that it is to stop."""


class _Watch:
    """Looks for the commits of all other connections, for all threads of this process that wait for them.

    A destination, a confirmation and a worker's slot each have a thread: if each looked for itself, a service with
    ten of them would spend a twentieth of a core on looking.
    """

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._seen = self._version()  # now, so that no commit from here on is missed
        self.turn = threading.Condition()
        self.count = 0
        self.users = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        changed_at = 0.0
        while not self._ended.wait(_ALERT_LOOK_S if time.monotonic() - changed_at < _ALERT_S else _LOOK_S):
            version = self._version()
            if version != self._seen:
                self._seen, changed_at = version, time.monotonic()
                with self.turn:
                    self.count += 1
                    self.turn.notify_all()

    def _version(self) -> int:
        """``PRAGMA data_version`` counts for one connection, so it is always asked on the same one."""
        try:
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.OperationalError:
            return -1  # busy or out of disk: who waits looks for itself


_WATCHES: dict[str, _Watch] = {}
_LOCK = threading.Lock()


class Changes:
    """Waits for the commits of other connections. One thread makes and uses one of these."""

    def __init__(self, ledger: Database) -> None:
        self._path = (ledger.engine.url.database if ledger.is_sqlite else None) or ""
        self._watch = _watch(self._path) if self._path else None
        self._seen = self._watch.count if self._watch else 0

    def wait(self, stop: threading.Event, seconds: float) -> None:
        """Return when somebody has committed, when ``stop`` is set, or after ``seconds``."""
        if self._watch is None:
            stop.wait(seconds)
            return
        deadline = time.monotonic() + seconds
        with self._watch.turn:
            while self._watch.count == self._seen and not stop.is_set():
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._watch.turn.wait(min(left, _STOP_LOOK_S))
            self._seen = self._watch.count

    def close(self) -> None:
        """Give the watch back; the last one ends it."""
        if self._watch is not None:
            self._watch = None
            _give_back(self._path)


def _watch(path: str) -> _Watch:
    with _LOCK:
        watch = _WATCHES.get(path)
        if watch is None:
            watch = _WATCHES[path] = _Watch(path)
            watch.start()
        watch.users += 1
        return watch


def _give_back(path: str) -> None:
    with _LOCK:
        watch = _WATCHES[path]
        watch.users -= 1
        if watch.users == 0:
            del _WATCHES[path]
            watch.end()
