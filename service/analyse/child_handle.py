"""One child process as its parent holds it: handing it work, waiting for its word, ending it."""

from __future__ import annotations

import contextlib
import multiprocessing.connection
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from service.analyse import child_side
from service.analyse.child_side import Limits
from service.analyse.child_value import ChildFailed

_MOST_WAITING = 9
"""Times its limit that a child may wait for a processor: its own threads may be what keeps it from one."""
_POLL_S = 0.5
"""How often a waiting parent asks whether the work is still wanted; the end of the child wakes it at once."""
MOST_PROCESSES = 256
"""That one child may start, looked at as often. The unit's ``TasksMax`` or a container's ``pids_limit`` is the wall."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process that waits for its one piece of work."""

    process: ForkServerProcess
    work: Connection
    owner: int
    """Process that started it: a fork of that one must not end it."""

    def give(self, limits: Limits, result: Path, work: bytes) -> None:
        """Hand over limits and where modules lie now, then the work itself, which the child opens under them."""
        self.work.send((limits, result, sys.path))
        self.work.send_bytes(work)

    def practise(self, folder: Path) -> None:
        """Have it make a small exam of nobody before there is work."""
        self.work.send((child_side.PRACTISE, folder, []))

    def has_practised(self) -> bool:
        """Whether what it says next is that it did."""
        return _says(self, child_side.PRACTISED)


def wait_for(child: Child, time_s: float, wanted: Callable[[], bool]) -> bool:
    """Wait for the child: true when it says that its value is whole, false when it ended without saying so.

    Raises
    ------
    ChildFailed
        The limit has passed (``time-limit``), or nobody wants the value any more (``cancelled``).
    """
    pid = child.process.pid
    deadline, before = time.monotonic() + time_s, waited_for_a_core(pid)
    watched: list[Connection | int] = [child.work, child.process.sentinel]
    while True:
        waited = min(waited_for_a_core(pid) - before, _MOST_WAITING * time_s)
        left = deadline + waited - time.monotonic()
        if left <= 0:
            raise ChildFailed("time-limit", f"stopped after the limit of {time_s:g} s")
        heard = multiprocessing.connection.wait(watched, timeout=min(left, _POLL_S))
        if child.work in heard:
            if _says(child, child_side.DONE):
                return True
            watched.remove(child.work)  # it closed its end, and may work on
        elif child.process.sentinel in heard or child.process.sentinel not in watched:
            # The fork server tells of a child's end by this pipe, which closes as well when the server itself dies:
            # a child that runs on has its work still, and is then asked for by its number.
            if not _runs(pid):
                return child.work.poll() and _says(
                    child, child_side.DONE
                )  # it spoke and ended between one look and the other
            watched = [one for one in watched if one != child.process.sentinel]
        if too_many_from(pid):
            raise ChildFailed("crashed", f"started more than {MOST_PROCESSES} processes")
        if not wanted():
            raise ChildFailed("cancelled", "stopped: the work was taken over elsewhere")


def too_many_from(pid: int | None) -> bool:
    """Whether a child has started more processes than any analysis needs, in whatever group they are.

    ``RLIMIT_NPROC`` counts all of the user's, so that one study's plugin would take them from another's.
    """
    known, wanted = 0, [pid]
    while wanted and known <= MOST_PROCESSES:
        parent = wanted.pop()
        with contextlib.suppress(OSError, ValueError):
            for thread in Path(f"/proc/{parent}/task").iterdir():
                started = [int(one) for one in (thread / "children").read_text(encoding="ascii").split()]
                known += len(started)
                wanted += started
    return known > MOST_PROCESSES


def _runs(pid: int | None) -> bool:
    """Whether there is such a process, and not only what is left of one until somebody asks how it ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in "ZX"


def waited_for_a_core(pid: int | None) -> float:
    """Seconds in which the child could have worked but had no processor: no fault of its own, so they do not count."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0  # ended, or a kernel that does not count


def _says(child: Child, word: bytes) -> bool:
    try:
        return child.work.recv_bytes(len(word)) == word
    except (EOFError, OSError):
        return False


def kill(child: Child) -> None:
    """End the child and whatever it forked; harmless when all are gone."""
    _tell(child, signal.SIGKILL)


def halt(child: Child) -> None:
    """Let the child, and whatever it forked, do nothing more."""
    _tell(child, signal.SIGSTOP)


def _tell(child: Child, what: signal.Signals) -> None:
    if child.process.pid is not None:
        for send in (os.killpg, os.kill):
            # The child may not have reached setpgrp() yet, hence the second call for the process itself.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                send(child.process.pid, what)
