"""Wake up when somebody has written to the ledger, instead of looking twice a second."""

from __future__ import annotations

import threading
import time

from service.ledger.database import Database
from service.ledger.waking import NotificationWatch, can_listen
from service.ledger.watching import CommitWatch, Watch

_STOP_LOOK_S = 0.25
"""How soon a waiting thread sees that it is to stop."""
_WATCHES: dict[str, Watch] = {}
_LOCK = threading.Lock()


class Changes:
    """Waits until there may be work. One thread makes and uses one of these."""

    def __init__(self, ledger: Database) -> None:
        self._key = _key(ledger)
        self._watch = _watch(self._key, ledger) if self._key else None
        self._seen = self._watch.count if self._watch else 0

    def wait(self, stop: threading.Event, seconds: float) -> None:
        """Return when somebody has made work, when ``stop`` is set, or after ``seconds``."""
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
            _give_back(self._key)


def _key(ledger: Database) -> str:
    """What a watch is shared by: the file, or the server's address; empty where nothing can be watched."""
    if ledger.is_sqlite:
        return ledger.engine.url.database or ""
    return ledger.url if can_listen(ledger) else ""


def _watch(key: str, ledger: Database) -> Watch:
    with _LOCK:
        watch = _WATCHES.get(key)
        if watch is None:
            watch = CommitWatch(key) if ledger.is_sqlite else NotificationWatch(ledger)
            _WATCHES[key] = watch
            watch.start()
        watch.users += 1
        return watch


def _give_back(key: str) -> None:
    with _LOCK:
        watch = _WATCHES[key]
        watch.users -= 1
        if watch.users == 0:
            del _WATCHES[key]
            watch.end()
