"""Run one function in a process of its own, with limits on time, memory and output, and take back its value.

Everything that touches pixels or foreign code goes through here, so that a crash, a hang, a fork or a gigabyte of
output harms nothing else. The child is forked from a fork server (which has imported the heavy libraries once),
leads a session of its own so that its whole group can be killed, and dies with its parent: when the parent's end of
the start-up pipe closes, the kernel itself kills the child's group, even one that holds the interpreter's lock.

Forking so large a process takes twenty milliseconds. Therefore a child or two stand ready, confined to waiting; each
does one piece of work and ends. The value comes back as a file of limited size, read by an unpickler that knows only
the contract's classes: what a plugin returns is data, never code.
"""

from __future__ import annotations

import atexit
import io
import multiprocessing
import multiprocessing.connection
import multiprocessing.forkserver
import multiprocessing.util
import os
import pickle
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import TypeVar, cast

from service.analyse import child_side
from service.analyse.child_side import Limits
from service.analyse.unpickle import ValueUnpickler
from service.errors import NmusError, Unanalysable

__all__ = ["ChildFailed", "Limits", "call", "dismiss", "make_ready", "rehearse", "warm_up"]

T = TypeVar("T")

PRELOAD = ["service.analyse.preload", "service.steps"]
"""Imported once by the fork server, by name: the second brings what only reports need."""
_POLL_S = 0.5
"""How often a waiting parent asks whether the work is still wanted; the end of the child wakes it at once."""
_READY = 2
"""Children that stand ready: the work on a study calls one after the other, so the next is there when it is wanted."""


class ChildFailed(NmusError):
    """The child gave no value. ``kind`` is ``time-limit``, ``memory-limit``, ``crashed`` or ``cancelled``."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class _Child:
    """A process that waits for its one piece of work."""

    process: ForkServerProcess
    work: Connection
    owner: int
    """Process that started it: a fork of that one must not end it."""

    def give(self, limits: Limits, result: Path, work: bytes) -> None:
        """Hand over limits and where modules lie now, then the work itself, which the child opens under them."""
        self.work.send((limits, result, sys.path))
        self.work.send_bytes(work)


_STARTING = threading.Lock()
_ready: list[_Child] = []


def call(
    function: Callable[..., T],
    *arguments: object,
    limits: Limits,
    scratch: Path,
    wanted: Callable[[], bool] = lambda: True,
) -> T:
    """Call ``function(*arguments)`` in a child and return what it returns.

    Parameters
    ----------
    function:
        Importable by name; arguments and value picklable.
    scratch:
        Folder in which the child gets a folder of its own, removed afterwards.
    wanted:
        Asked twice a second; when false the child is killed (the lease on the work was lost).

    Raises
    ------
    ChildFailed
        Limit passed, crash, or no longer wanted.
    Unanalysable
        Raised by the function itself.
    """
    work = pickle.dumps((function, arguments), protocol=5)
    with tempfile.TemporaryDirectory(prefix="run-", dir=scratch) as folder:
        result = Path(folder) / "result"
        child = _given(limits, result, work)
        try:
            make_ready()  # the next one is forked while this one works
            ended = _wait(child, limits.time_s, wanted)
        finally:
            _end(child)
        if ended:
            raise ended
        return cast(T, _value(result, child.process.exitcode))


def warm_up() -> None:
    """Start the fork server now, beside whatever the caller does: it imports what the first child would wait for."""
    _context()
    multiprocessing.forkserver.ensure_running()


def make_ready() -> None:
    """Have children stand ready, so that the next call need not wait for a fork."""
    with _STARTING:
        while len(_ready) < _READY:
            _ready.append(_started())


def rehearse() -> None:
    """Have the fork server make a small report once, then let children that know it take the place of those that wait.

    That takes the server a second, in which it forks nobody; those that wait meanwhile work as well, if slower.
    """
    asking = _context().Process(target=child_side.ask_for_rehearsal, daemon=True)
    asking.start()
    asking.join()
    fresh = [_started() for _ in range(_READY)]
    with _STARTING:
        before, _ready[:] = _ready[:], fresh
    for child in before:
        _end(child)


def dismiss() -> None:
    """End the children that stand ready; done by itself when the interpreter ends."""
    with _STARTING:
        while _ready:
            child = _ready.pop()
            if child.owner == os.getpid():
                _end(child)


atexit.register(dismiss)  # before multiprocessing's own handler, which would wait for them for ever


def _given(limits: Limits, result: Path, work: bytes) -> _Child:
    """A child that has its work: one that stood ready, or a new one where none does or it died while waiting."""
    while True:
        with _STARTING:
            waiting = bool(_ready)
            child = _ready.pop(0) if waiting else _started()
        try:
            child.give(limits, result, work)
        except OSError:
            _end(child)
            if not waiting:
                return child  # it died at once: whoever waits for it learns how
            continue
        return child


def _started() -> _Child:
    context = _context()
    theirs, ours = context.Pipe(duplex=False)
    process = context.Process(target=child_side.main, args=(theirs,), daemon=False)
    process.start()
    theirs.close()
    return _Child(process, ours, os.getpid())


def _context() -> ForkServerContext:
    # The fork server's socket lies in multiprocessing's own folder, and a socket's path has 107 bytes at most: the
    # system's folder is short, where somebody may have pointed tempfile to a long one (the listener does).
    before, tempfile.tempdir = tempfile.tempdir, None
    multiprocessing.util.get_temp_dir()
    tempfile.tempdir = before
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context


def _wait(child: _Child, time_s: float, wanted: Callable[[], bool]) -> ChildFailed | None:
    deadline = time.monotonic() + time_s
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return ChildFailed("time-limit", f"stopped after the limit of {time_s:g} s")
        if multiprocessing.connection.wait([child.process.sentinel], timeout=min(left, _POLL_S)):
            child.process.join()
            return None
        if not wanted():
            return ChildFailed("cancelled", "stopped: the work was taken over elsewhere")


def _end(child: _Child) -> None:
    """End the child and whatever it forked; harmless when all are gone."""
    child.work.close()
    if child.process.pid is not None:
        for kill in (os.killpg, os.kill):
            # The child may not have reached setsid() yet, hence the second call for the process itself.
            try:
                kill(child.process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
    child.process.join(5)


def _value(result: Path, exit_code: int | None) -> object:
    if exit_code != 0 or not result.exists():
        raise _failure(exit_code)
    try:
        kind, value = ValueUnpickler(io.BytesIO(result.read_bytes())).load()
    except (pickle.UnpicklingError, AttributeError, ImportError, TypeError) as error:
        raise ChildFailed("crashed", f"what it returned was refused: {error}") from error
    if kind == "value":
        return value
    if kind == "unanalysable":
        raise Unanalysable(*value)
    raise ChildFailed(kind, str(value))


def _failure(exit_code: int | None) -> ChildFailed:
    if exit_code == -signal.SIGXFSZ:
        return ChildFailed("crashed", "stopped: it wrote more than the limit on output")
    if exit_code is not None and exit_code < 0:
        return ChildFailed("crashed", f"killed by signal {signal.Signals(-exit_code).name}")
    return ChildFailed("crashed", f"ended with code {exit_code} and without a result")
