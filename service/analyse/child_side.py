"""What happens inside a child process: it waits for its one piece of work, confines itself, does it."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import gc
import importlib
import multiprocessing
import os
import pickle
import resource
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from service.errors import Unanalysable

_F_SETSIG = 10
"""Linux fcntl command that Python's module does not name: which signal tells of input on a file descriptor."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT, _STOCK = 1 << 30, 8 << 20
"""Bytes: blocks up to this size come from memory that is kept; as much is touched beforehand. Half of what the analysis
of a still touches, and five children wait at most."""
_MOST_FILES = 4096
"""Open files of one process; a study has fewer objects."""
DONE = b"done"
"""What a child says when its value lies in its folder."""
PRACTISE, PRACTISED = None, b"practised"
"""Given in place of limits: the child is to make a small exam first. What it says when it has."""
_COLLECTED = (20_000, 20, 100)
"""Garbage collection in a process that lives for a second: seldom, and hardly ever of everything."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one child may use."""

    time_s: float = 120.0
    """Wall clock. A 60 s cine takes about 4 s; two minutes is thirty times that."""
    memory_mb: int = 4096
    """Address space. Threads and mapped libraries count, so this is far above what is really touched."""
    output_mb: int = 512
    """Size of any file the child writes, its own result among them."""


_MOST_ASKED, _ASKED_EVERY_S = 1000, 0.01
REHEARSE = signal.SIGUSR1
"""Tells the fork server to make its first report; ``service.analyse.preload`` has it listen."""


def ask_for_rehearsal() -> None:
    """Tell the fork server, whose child this is, until it has begun: in the midst of a fork it does not listen."""
    for _ in range(_MOST_ASKED):
        os.kill(os.getppid(), REHEARSE)
        time.sleep(_ASKED_EVERY_S)
        if _is_ignored(REHEARSE, os.getppid()):
            return


def _is_ignored(number: int, pid: int) -> bool:
    """Whether a process ignores a signal, which is how the fork server says that it rehearses or has done so."""
    try:
        told = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").partition("SigIgn:")[2].split()[0]
    except (OSError, IndexError):
        return True  # it is gone, or this kernel does not tell
    return bool(int(told, 16) >> (number - 1) & 1)


def main(work: Connection) -> None:
    """Wait for limits and a folder, then for a function with its arguments; leave the outcome in the folder.

    The function is unpickled under the limits: to import it may run foreign code.
    """
    os.setpgrp()  # no session: Linux schedules each as a group of its own, and a niceness counts only within one
    signal.signal(REHEARSE, signal.SIG_DFL)
    _die_with_parent()
    gc.set_threshold(*_COLLECTED)
    _stock_up()
    try:
        limits, result, path = work.recv()
        while limits is PRACTISE:
            # by name: it brings every library, and the parent needs none of them
            importlib.import_module("service.analyse.preload").practise(result)
            work.send_bytes(PRACTISED)
            limits, result, path = work.recv()
        sys.path[:] = path
    except EOFError:  # nobody wants this child
        os._exit(0)
    _confine(limits, result.parent)
    try:
        function, arguments = pickle.loads(work.recv_bytes())  # noqa: S301 - its own parent wrote it
        outcome: tuple[str, object] = ("value", function(*arguments))
    except Unanalysable as error:
        outcome = ("unanalysable", (str(error), error.code, error.remedy))
    except MemoryError:
        outcome = ("memory-limit", f"stopped at the limit of {limits.memory_mb} MB")
    except Exception as error:  # noqa: BLE001 - foreign code; its text may quote the data, so only its kind leaves
        outcome = ("crashed", _describe(error))
    partial = result.with_suffix(".part")
    partial.write_bytes(pickle.dumps(outcome, protocol=5))
    partial.replace(result)
    with contextlib.suppress(EOFError, OSError):  # the parent is gone
        work.send_bytes(DONE)
        work.recv_bytes()  # it ends this process when that takes no time from its work
    os._exit(0)  # foreign threads and exit handlers have no say in when the child ends


def _stock_up() -> None:
    """Have memory at hand before there is work: pages that are first touched in the midst of it cost time there.

    glibc keeps what is given back to it if told so (mallopt(3)); elsewhere this does nothing.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_MMAP_THRESHOLD, _KEPT)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT)
        bytes([1]) * _STOCK


def _confine(limits: Limits, folder: Path) -> None:
    os.umask(0o077)
    os.chdir(folder)
    memory = limits.memory_mb * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    size = limits.output_mb * 2**20
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    files = min(_MOST_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    tempfile.tempdir = str(folder)


def _die_with_parent() -> None:
    """Let the kernel kill this process group once the parent's end of the start-up pipe closes.

    Signal-driven input (fcntl(2), ``O_ASYNC``) with SIGKILL as its signal: no thread of ours has to wake up for it.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    pipe = parent.sentinel
    fcntl.fcntl(pipe, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(pipe, _F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    if not parent.is_alive():  # it died before the pipe was armed
        os._exit(1)


def _describe(error: BaseException) -> str:
    """Kind and place of an error. Never its text: foreign messages may quote what they were given."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
