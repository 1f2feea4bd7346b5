"""Run one function in a process of its own, with limits on time, memory and output, and take back its value.

Everything that touches pixels or foreign code goes through here, so that a crash, a hang, a fork or a gigabyte of
output harms nothing else. The child is forked from a fork server (which has imported the heavy libraries once),
leads a process group of its own that can be killed as a whole, and dies with its parent: when the parent's end of
the start-up pipe closes, the kernel itself kills the child's group, even one that holds the interpreter's lock.

Forking so large a process takes twenty milliseconds. Therefore some children stand ready (``standing``), confined to
waiting; each does one piece of work and ends. The value comes back as a file of limited size, read by an unpickler that
knows only the contract's classes: what a plugin returns is data, never code. The child says when the file is whole; it
is killed then, with its group, and nobody waits until the system has taken it apart.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import multiprocessing.connection
import multiprocessing.forkserver
import multiprocessing.util
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import TypeVar, cast

from service.analyse import child_side, strays
from service.analyse.child_handle import Child, halt, kill, wait_for
from service.analyse.child_side import Limits
from service.analyse.child_value import ChildFailed, value_of
from service.analyse.handing import packed
from service.analyse.standing import LONGEST_END_S, Standing, end

__all__ = ["ChildFailed", "Limits", "call", "dismiss", "make_ready", "rehearse", "warm_up"]

T = TypeVar("T")

PRELOAD = ["service.analyse.preload", "service.reporting"]
"""Imported once by the fork server, by name: the second brings what only reports need."""
_NAMING = threading.Lock()
_beside = ThreadPoolExecutor(2, thread_name_prefix="children")
"""Starts children and sees off those that have ended, beside the work."""
_STARTS = 3
_LEAST_FREE = 16 << 20
"""Bytes; with less a report of pictures cannot be written."""


def call(
    function: Callable[..., T],
    *arguments: object,
    limits: Limits,
    scratch: Path,
    wanted: Callable[[], bool] = lambda: True,
    is_ours: bool = False,
    begun: Callable[[], None] = lambda: None,
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
    is_ours:
        No code of others runs in it. Then it is only stopped when its value is whole, and taken apart in a pause of
        the work: that takes a processor as long as half a page.
    begun:
        Called when the child has its work: what else is to be done meanwhile takes no time from handing it over.

    Raises
    ------
    ChildFailed
        Limit passed, crash, or no longer wanted.
    Unanalysable
        Raised by the function itself.
    """
    try:
        work = packed(function, arguments)
    except Exception as error:
        raise ChildFailed("crashed", f"cannot be handed to a process of its own ({type(error).__name__})") from error
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=scratch))
    result = folder / "result"
    try:
        with _standing.work():
            child = _given(limits, result, work)
            _beside.submit(_standing.replenish)
            try:
                begun()
                return cast(T, _outcome(child, result, limits, wanted, is_ours=is_ours))
            finally:
                _beside.submit(_see_off, child, folder, is_ours=is_ours)
    except ChildFailed as failure:
        _remove(folder)
        # its folder is gone by now: what is full still was not filled by this child
        if failure.kind == "crashed" and shutil.disk_usage(scratch).free < _LEAST_FREE:
            raise ChildFailed("disk-full", "no room for a child process to work in; free disk space") from failure
        raise
    except BaseException:
        _remove(folder)
        raise


def warm_up(*also: str) -> None:
    """Start the fork server now, beside whatever the caller does: it imports what the first child would wait for.

    Parameters
    ----------
    also:
        Modules that only some sites' reports need.
    """
    PRELOAD.extend(one for one in also if one not in PRELOAD)
    _context()
    multiprocessing.forkserver.ensure_running()


def make_ready() -> None:
    """Have children stand ready, so that the next call need not wait for a fork."""
    _standing.fill()


def rehearse() -> None:
    """Have the fork server make a small report once, then let children that know it take the place of those that wait.

    That takes the server a second, in which it forks nobody; those that wait meanwhile work as well, if slower.
    """
    asking = _context().Process(target=child_side.ask_for_rehearsal, daemon=True)
    strays.start(asking)
    asking.join()
    strays.end(asking)
    _standing.replace()
    _beside.submit(_standing.replenish)


def dismiss() -> None:
    """End the children that stand ready; done by itself when the interpreter ends."""
    _standing.dismiss()


atexit.register(dismiss)  # before multiprocessing's own handler, which would wait for them for ever


def _given(limits: Limits, result: Path, work: bytes) -> Child:
    """A child that has its work: one that stood ready, or a new one where none does or it died while waiting."""
    while True:
        waiting = _standing.take()
        child = waiting or _started()
        try:
            if waiting is not None and multiprocessing.connection.wait([child.process.sentinel], timeout=0):
                raise BrokenPipeError  # it died, or the fork server that would tell of it
            child.give(limits, result, work)
        except OSError:
            kill(child)
            child.process.join(LONGEST_END_S)
            if waiting is None:
                return child  # it died at once: whoever waits for it learns how
            continue
        return child


def _started() -> Child:
    context = _context()
    for left in range(_STARTS, 0, -1):
        theirs, ours = context.Pipe()
        process = context.Process(target=child_side.main, args=(theirs,), daemon=False)
        try:
            strays.start(process)
        except (EOFError, OSError):  # the fork server has just been killed; the next start makes another
            ours.close()
            if left == 1:
                raise
            continue
        finally:
            theirs.close()
        return Child(process, ours, os.getpid())
    raise AssertionError("not reached")


_standing = Standing(_started)


def _context() -> ForkServerContext:
    # The fork server's socket lies in multiprocessing's own folder, and a socket's path has 107 bytes at most: the
    # system's folder is short, where somebody may have pointed tempfile to a long one (the listener does).
    with _NAMING:
        before, tempfile.tempdir = tempfile.tempdir, None
        multiprocessing.util.get_temp_dir()
        tempfile.tempdir = before
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context


def _outcome(child: Child, result: Path, limits: Limits, wanted: Callable[[], bool], *, is_ours: bool) -> object:
    """What the child leaves, read once it can do nothing more and before its folder goes."""
    is_whole = False
    try:
        is_whole = wait_for(child, limits.time_s, wanted)
    finally:
        if is_whole and is_ours:
            halt(child)
        else:
            kill(child)
        if not is_whole:
            child.process.join(LONGEST_END_S)
    return value_of(result, 0 if is_whole else child.process.exitcode, limits.output_mb << 20)


def _remove(folder: Path) -> None:
    """Take a folder away, also where the child locked what it made in it."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for inside, folders, _ in os.walk(folder):
            for one in folders:
                with contextlib.suppress(OSError):
                    Path(inside, one).chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)


def _see_off(child: Child, folder: Path, *, is_ours: bool) -> None:
    """Wait until the child is gone, and take away what it may have written to its last breath."""
    if is_ours:
        _standing.retire(child)
    else:
        end(child)
    _remove(folder)
