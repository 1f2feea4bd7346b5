"""Copies of a bucket's objects on this machine's own disk, bounded: what was not used longest goes first.

A copy's time of change is when it was last asked for. What was asked for within the last hour stays whatever the
bound, since whoever asked may still be about to open it; those who need longer say so (:meth:`Cache.held`). Nothing
is removed before the store has said that it has it: a data folder that was filled without a bucket is no copy.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from service import logs
from service.objects.folder import PARTS

_LOGGER = logging.getLogger(__name__)
USED_S = 3600.0
"""How long after it was asked for a file stays."""
_TOUCH_S = USED_S / 6
_LOOK_AFTER = 20
"""The folder is looked through after a twentieth of the bound has been written by this process."""
_FULL_TO = 0.9


class Cache:
    """The copies below one folder, which all processes of this machine share.

    Parameters
    ----------
    is_safe:
        Whether the store has an object of this name and size.
    """

    def __init__(self, folder: Path, limit_bytes: int, is_safe: Callable[[str, int], bool]) -> None:
        self._folder, self._limit, self._is_safe = folder, limit_bytes, is_safe
        self._written = limit_bytes  # the first write looks: an earlier process may have left it full
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()
        self._touching: threading.Thread | None = None

    def use(self, name: str) -> bool:
        """Mark a copy as in use; ``False`` if there is none."""
        with self._deciding(fcntl.LOCK_SH):
            try:
                os.utime(self._folder / name)
            except FileNotFoundError:
                return False
            return True

    @contextlib.contextmanager
    def _deciding(self, kind: int) -> Iterator[None]:
        """Nobody removes a file between another's look at its time and that one's mark on it."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._folder / "cache.use").open("ab") as lock:
            fcntl.flock(lock, kind)
            yield

    @contextlib.contextmanager
    def held(self, names: Iterable[str]) -> Iterator[None]:
        """These stay in use for as long as it takes."""
        mine = list(names)
        with self._lock:
            self._held.update(mine)
            if self._touching is None:
                self._touching = threading.Thread(target=self._touch, name="object-cache", daemon=True)
                self._touching.start()
        try:
            yield
        finally:
            with self._lock:
                self._held.subtract(mine)
                self._held += Counter()

    def _touch(self) -> None:
        while True:
            time.sleep(_TOUCH_S)
            with self._lock:
                names = list(self._held)
            for name in names:
                self.use(name)

    def wrote(self, size: int) -> None:
        """So much came; now and then what is too much goes."""
        with self._lock:
            self._written += size
            if self._written < self._limit / _LOOK_AFTER:
                return
            self._written = 0
        self.trim()

    def trim(self) -> int:
        """Remove what is too much; how many files. Another process that is at it is left to it."""
        with (self._folder / "cache.lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return 0
            return self._trim()

    def _trim(self) -> int:
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        removed, until = 0, time.time() - USED_S
        if total <= self._limit:
            return 0
        for used, size, name in files:
            if total <= self._limit * _FULL_TO or used > until:
                break
            if not self._is_safe(name, size):
                logs.event(_LOGGER, logging.ERROR, "file is in no bucket", path=name, remedy="see docs: operations")
                continue
            if self._removed(name, until):
                total -= size
                removed += 1
        return removed

    def _removed(self, name: str, until: float) -> bool:
        """Remove a file, unless somebody has asked for it since it was looked at."""
        path = self._folder / name
        with self._deciding(fcntl.LOCK_EX), contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime > until:
                return False
            path.unlink()
        return True

    def _files(self) -> Iterator[tuple[float, int, str]]:
        for part in PARTS:
            for path in (self._folder / part).rglob("*"):
                with contextlib.suppress(FileNotFoundError):
                    found = path.stat()
                    if path.is_file() and path.suffix != ".part":
                        yield found.st_mtime, found.st_size, str(path.relative_to(self._folder))
