"""Children that stand ready: forked in a pause of the work, and practised in it, so that they take no time from it.

A child forked a moment ago shares its memory with the fork server, and each page it writes to must first be copied:
the analysis of a still takes it twice the time. So in a longer pause each child makes a small exam of noise once, by
itself, which is thrown away; one that has practised is taken before one that has not.
"""

from __future__ import annotations

import contextlib
import multiprocessing.connection
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from service.analyse import strays
from service.analyse.child_handle import Child, kill

READY, FEWEST = 5, 1
"""Children that stand ready: a study of one image takes four. When fewer than the second number are left in the midst
of the work, others are forked beside it."""
PAUSE_S = 0.15
"""Without any work, after which the others are forked and practise: by then the sender has what was made."""
LONGEST_END_S = 5.0
_LONGEST_PRACTICE_S = 20.0
_MOST_SPENT = 4


class Standing:
    """The children of this process that wait for work."""

    def __init__(self, start: Callable[[], Child]) -> None:
        self._start = start
        self._starting, self._taking = threading.Lock(), threading.Lock()
        self._ready: list[tuple[Child, bool]] = []
        """Each with whether it has practised; those that have come first."""
        self._running = 0
        self._taken, self._replenishing = threading.Event(), threading.Lock()
        self._practising = self._ended = False
        self._spent: list[Child] = []
        """They have done their work and are stopped."""
        self._out: Child | None = None
        """The one that practises just now."""

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def practised(self) -> int:
        """How many of them have practised."""
        with self._taking:
            return sum(practised for _, practised in self._ready)

    def take(self) -> Child | None:
        """One that waits, if any does."""
        with self._taking:
            return self._ready.pop(0)[0] if self._ready else None

    @contextlib.contextmanager
    def work(self) -> Iterator[None]:
        """While a child works there is no pause."""
        with self._taking:
            self._running += 1
        self._taken.set()
        try:
            yield
        finally:
            with self._taking:
                self._running -= 1
            self._taken.set()

    def retire(self, child: Child) -> None:
        """Take a stopped child apart in the next pause; when there are many the oldest at once."""
        with self._taking:
            self._spent.append(child)
            surplus = self._spent.pop(0) if len(self._spent) > _MOST_SPENT or self._ended else None
        if surplus is not None:
            end(surplus)

    def fill(self) -> None:
        """Have as many wait as are to."""
        self._ended = False
        while self._too_few(READY):
            pass

    def replenish(self) -> None:
        """Fork children for those that were taken: the last one now; in a pause the others, and let them practise."""
        while self._replenishing.acquire(blocking=False):
            try:
                self._until_pause_is_used()
            finally:
                self._replenishing.release()
            if self._ended or not self._taken.is_set():
                return

    def _until_pause_is_used(self) -> None:
        is_used = False
        while not (is_used or self._ended):
            self._taken.clear()
            while self._too_few(FEWEST):
                pass
            is_used = not self._taken.wait(PAUSE_S) and not self._running and self._use_pause()

    def replace(self) -> None:
        """Let others take the places of all that wait, since the fork server knows more by now; these will practise."""
        self._practising = True
        fresh = [self._start() for _ in range(READY)]
        with self._taking:
            before, self._ready[:] = self._ready[:], [(child, False) for child in fresh]
        for child, _ in before:
            end(child)

    def dismiss(self) -> None:
        """End all that this process started, until it fills anew; a fork of it leaves them alone."""
        self._ended = True
        self._taken.set()
        with self._taking:
            out = self._out
        if out is not None and out.owner == os.getpid():
            kill(out)
        with self._starting, self._taking:
            left = [*self._spent, *(child for child, _ in self._ready)]
            self._spent.clear()
            self._ready.clear()
            for child in left:
                if child.owner == os.getpid():
                    kill(child)
                    child.process.join(LONGEST_END_S)

    def _use_pause(self) -> bool:
        """Fork and practise until there is work; whether all was done before that."""
        while self._end_spent() or self._too_few(READY) or self._practise_one():
            if self._taken.is_set():
                return False
        return True

    def _end_spent(self) -> bool:
        with self._taking:
            spent = self._spent.pop() if self._spent else None
        if spent is not None:
            end(spent)
        return spent is not None

    def _too_few(self, wanted: int) -> bool:
        """Start a child if fewer than these stand ready; whether that was so."""
        with self._starting:
            if self._ended or len(self._ready) >= wanted:
                return False
            child = self._start()
            with self._taking:
                self._ready.append((child, False))
            return True

    def _practise_one(self) -> bool:
        """Let a child practise that has not, and that nobody can take meanwhile; whether there was one."""
        with self._taking:
            at = next((number for number, (_, practised) in enumerate(self._ready) if not practised), None)
            if at is None or not self._practising:
                return False
            child = self._out = self._ready.pop(at)[0]
        has_practised = not self._ended and _practise(child)
        with self._taking:
            self._out = None
            keeps = has_practised and not self._ended
            if keeps:
                self._ready.insert(0, (child, True))
        if not keeps:
            end(child)
        return True


def _practise(child: Child) -> bool:
    """Whether the child has made its small exam, and waits again."""
    with tempfile.TemporaryDirectory(prefix="practice-", ignore_cleanup_errors=True) as folder:
        try:
            child.practise(Path(folder))
            watched: list[Connection | int] = [child.work, child.process.sentinel]
            return child.work in multiprocessing.connection.wait(watched, _LONGEST_PRACTICE_S) and child.has_practised()
        except OSError:
            return False


def end(child: Child) -> None:
    """End a child, and what it left behind; wait until the system has taken it apart."""
    kill(child)
    child.process.join(LONGEST_END_S)
    child.work.close()
    strays.end(child.process)
