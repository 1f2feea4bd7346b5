"""Linux tells when somebody writes to a file (inotify(7)), so that nobody need look."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
from pathlib import Path

_MODIFIED = 0x2
"""IN_MODIFY of the kernel's interface, which no module of Python names."""
_BUFFER = 4096


class Writes:
    """Waits until somebody has written to a file, in this process or another of this machine."""

    def __init__(self, path: Path) -> None:
        self._descriptor = _watching(path)
        self._poll = select.poll()
        if self._descriptor is not None:
            self._poll.register(self._descriptor, select.POLLIN)

    @property
    def are_told(self) -> bool:
        """Whether the system tells; else :meth:`wait` only waits."""
        return self._descriptor is not None

    def wait(self, seconds: float) -> bool:
        """Whether somebody has written since the last time, or within so many seconds from now."""
        if not self._poll.poll(seconds * 1000) or self._descriptor is None:
            return False
        with contextlib.suppress(BlockingIOError):
            while len(os.read(self._descriptor, _BUFFER)) == _BUFFER:
                pass
        return True

    def close(self) -> None:
        """Watch no more."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _watching(path: Path) -> int | None:
    """A descriptor that can be read when the file was written to; ``None`` where the system has no such thing."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "inotify_init1"):
        return None
    descriptor: int = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        return None
    if library.inotify_add_watch(descriptor, os.fsencode(path), _MODIFIED) < 0:
        os.close(descriptor)
        return None
    return descriptor
