"""The end of a long object on its way to the disk: blocks of memory that one thread writes while another digests them.

Whoever receives fills a block and goes on with the next, so that receiving, writing and digesting a cine take as long
as the slowest of the three and not as long as all together. The blocks go to the disk past the system's cache
(``O_DIRECT``): copying half a gigabyte into it takes longer than receiving it, and all of it would still have to be
flushed before the answer. Where a file system refuses that, the blocks are written the ordinary way.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import mmap
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

ALIGNMENT = 4096
"""Memory, offset and length of what is written past the cache: no disk asks for more."""
_LARGE, _SMALL = (3, 2 << 20), (4, 1 << 19)
"""Blocks of a conveyor and their length: one is filled while one is digested and one written; each wait for the disk
costs as much for a short block as for a long one. 6 MB for the first objects at a time, 2 MB for each further one."""
_LARGE_SETS = 2
_FLUSH_EVERY = 32 << 20
_O_DIRECT = getattr(os, "O_DIRECT", 0)

_Blocks = list[memoryview]
_Step = Callable[[memoryview, int], None]
"""Is given a block and how much of it is filled."""
_large: list[_Blocks] = []
"""Kept for the next objects, which spares the system clearing memory for each."""
_lent = 0
_lending = threading.Lock()


class Conveyor:
    """Takes the bytes of one file from an aligned offset on.

    Parameters
    ----------
    descriptor:
        Of the file; stays the caller's, who closes it after :meth:`end`.
    offset:
        Where the next byte belongs; a multiple of :data:`ALIGNMENT`.
    digest:
        Of what comes, brought up to date by a thread of its own until :meth:`finish` returns.
    """

    def __init__(self, descriptor: int, offset: int, digest: hashlib._Hash) -> None:
        self._descriptor = descriptor
        self._offset = self._flushed = offset
        self._digest = digest
        self._direct = _set_direct(descriptor, True)
        self._blocks: _Blocks | None = _take()
        self._filled = self._given = self._returned = 0
        self._error: Exception | None = None
        self._belts = [_Belt("spool", self._write), _Belt("digest", self._update)]

    def room(self) -> memoryview:
        """Memory for the next bytes; say how many were put there by :meth:`took`."""
        if self._blocks is None:
            raise ValueError("conveyor has ended")
        return self._blocks[self._given % len(self._blocks)][self._filled :]

    def took(self, count: int) -> None:
        """So many bytes were put into :meth:`room`.

        Raises
        ------
        OSError
            What was given earlier could not be written.
        """
        self._filled += count
        if self._blocks is not None and self._filled == len(self._blocks[0]):
            self._hand_over()

    def finish(self) -> None:
        """Wait until all is written and digested; harmless twice.

        Raises
        ------
        OSError
            It could not be written.
        """
        if self._filled:
            self._hand_over()
        while self._returned < self._given:
            self._take_back()
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        """Stop, and give the memory back; harmless twice."""
        for belt in self._belts:
            belt.end()
        blocks, self._blocks = self._blocks, None
        if blocks is not None:
            _give_back(blocks)

    def _hand_over(self) -> None:
        assert self._blocks is not None  # noqa: S101 - room() was asked before
        block = self._blocks[self._given % len(self._blocks)]
        for belt in self._belts:
            belt.given.put((block, self._filled))
        self._given += 1
        self._filled = 0
        if self._given - self._returned == len(self._blocks):
            self._take_back()

    def _take_back(self) -> None:
        """The oldest block, once nobody needs it any more."""
        for belt in self._belts:
            self._error = belt.done.get() or self._error
        self._returned += 1
        if self._error is not None:
            raise self._error

    def _write(self, block: memoryview, size: int) -> None:
        rest = -size % ALIGNMENT if self._direct else 0
        block[size : size + rest] = bytes(rest)  # what another object left there
        written = 0
        while written < size:
            try:
                written += os.pwrite(self._descriptor, block[written : size + rest], self._offset + written)
            except OSError as error:
                if error.errno != errno.EINVAL or not self._direct:
                    raise
                self._direct, rest = _set_direct(self._descriptor, False), 0
        self._offset += size
        if rest:
            os.ftruncate(self._descriptor, self._offset)
        if not self._direct and self._offset - self._flushed >= _FLUSH_EVERY:
            _begin_flush(self._descriptor, self._flushed, self._offset - self._flushed)
            self._flushed = self._offset

    def _update(self, block: memoryview, size: int) -> None:
        self._digest.update(block[:size])


class _Belt:
    """A thread that does its part with one block after the other, in order."""

    def __init__(self, name: str, step: _Step) -> None:
        self.given: SimpleQueue[tuple[memoryview, int] | None] = SimpleQueue()
        self.done: SimpleQueue[Exception | None] = SimpleQueue()
        """One answer for each block; after the first error nothing is done any more."""
        self._step = step
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop once what was given is done."""
        self.given.put(None)
        self._thread.join()

    def _run(self) -> None:
        error: Exception | None = None
        while (block := self.given.get()) is not None:
            if error is None:
                try:
                    self._step(*block)
                except Exception as broken:  # noqa: BLE001 - handed to the thread that waits for it
                    error = broken
            self.done.put(error)


def _take() -> _Blocks:
    global _lent  # noqa: PLW0603 - what all connections share
    with _lending:
        if _large:
            return _large.pop()
        few = _lent < _LARGE_SETS
        _lent += few
    count, length = _LARGE if few else _SMALL
    return [memoryview(mmap.mmap(-1, length)) for _ in range(count)]  # anonymous memory begins on a page


def _give_back(blocks: _Blocks) -> None:
    if len(blocks[0]) == _LARGE[1]:
        with _lending:
            _large.append(blocks)


def _set_direct(descriptor: int, direct: bool) -> bool:
    """Write past the system's cache, or not; whether it is done so now."""
    with contextlib.suppress(OSError):  # the file system has no such way
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | _O_DIRECT if direct else flags & ~_O_DIRECT)
        return direct and bool(_O_DIRECT)
    return False


def _begin_flush(descriptor: int, offset: int, length: int) -> None:
    """Let the disk begin while more is still coming, so that the last flush is short."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, offset, length, os.POSIX_FADV_DONTNEED)
