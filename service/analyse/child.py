"""Run one function in a process of its own, with limits on time, memory and output, and take back its value.

Everything that touches pixels or foreign code goes through here, so that a crash, a hang, a fork or a gigabyte of
output harms nothing else. The child is forked from a fork server (which has imported the heavy libraries once),
leads a session of its own so that its whole group can be killed, and dies with its parent: when the parent's end of
the start-up pipe closes, the kernel itself kills the child's group, even one that holds the interpreter's lock.

The value comes back as a file of limited size, read by an unpickler that knows only the contract's classes: what a
plugin returns is data, never code.
"""

from __future__ import annotations

import fcntl
import importlib
import io
import multiprocessing
import multiprocessing.connection
import multiprocessing.forkserver
import multiprocessing.process
import multiprocessing.util
import os
import pickle
import resource
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar, cast

from service.errors import NmusError, Unanalysable

T = TypeVar("T")

PRELOAD = ["service.analyse.preload", "service.steps"]
"""Imported once by the fork server, by name: the second brings what only reports need."""
_F_SETSIG = 10
"""Linux fcntl command that Python's module does not name: which signal tells of input on a file descriptor."""
_POLL_S = 0.5
"""How often a waiting parent asks whether the work is still wanted; the end of the child wakes it at once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one child may use."""

    time_s: float = 120.0
    """Wall clock. A 60 s cine takes about 4 s; two minutes is thirty times that."""
    memory_mb: int = 4096
    """Address space. Threads and mapped libraries count, so this is far above what is really touched."""
    output_mb: int = 512
    """Size of any file the child writes, its own result among them."""


_STARTING = threading.Lock()


class ChildFailed(NmusError):
    """The child gave no value. ``kind`` is ``time-limit``, ``memory-limit``, ``crashed`` or ``cancelled``."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


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
    context = _context()
    with tempfile.TemporaryDirectory(prefix="run-", dir=scratch) as folder:
        result = Path(folder) / "result"
        process = context.Process(target=_main, args=(function, arguments, limits, result), daemon=False)
        process.start()
        try:
            ended = _wait(process, limits.time_s, wanted)
        finally:
            _kill_group(process)
        if ended:
            raise ended
        return cast(T, _value(result, process.exitcode))


def warm_up() -> None:
    """Start the fork server now, beside whatever the caller does: it imports what the first child would wait for."""
    _context()
    multiprocessing.forkserver.ensure_running()


def _context() -> multiprocessing.context.ForkServerContext:
    with _STARTING:
        # The fork server's socket lies in multiprocessing's own folder, and a socket's path has 107 bytes at most: the
        # system's folder is short, where somebody may have pointed tempfile to a long one (the listener does).
        before, tempfile.tempdir = tempfile.tempdir, None
        multiprocessing.util.get_temp_dir()
        tempfile.tempdir = before
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context


def _wait(
    process: multiprocessing.process.BaseProcess, time_s: float, wanted: Callable[[], bool]
) -> ChildFailed | None:
    deadline = time.monotonic() + time_s
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return ChildFailed("time-limit", f"stopped after the limit of {time_s:g} s")
        if multiprocessing.connection.wait([process.sentinel], timeout=min(left, _POLL_S)):
            process.join()
            return None
        if not wanted():
            return ChildFailed("cancelled", "stopped: the work was taken over elsewhere")


def _kill_group(process: multiprocessing.process.BaseProcess) -> None:
    """End the child and whatever it forked; harmless when all are gone."""
    if process.pid is not None:
        for kill in (os.killpg, os.kill):
            # The child may not have reached setsid() yet, hence the second call for the process itself.
            try:
                kill(process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
    process.join(5)


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


# --- in the child --------------------------------------------------------------------------------------------


def _main(function: Callable[..., object], arguments: tuple[object, ...], limits: Limits, result: Path) -> None:
    _confine(limits, result.parent)
    try:
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
    os._exit(0)  # foreign threads and exit handlers have no say in when the child ends


def _confine(limits: Limits, folder: Path) -> None:
    os.setsid()
    _die_with_parent()
    os.umask(0o077)
    os.chdir(folder)
    memory = limits.memory_mb * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    size = limits.output_mb * 2**20
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
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


# --- back in the parent --------------------------------------------------------------------------------------


class ValueUnpickler(pickle.Unpickler):
    """Reads values of the contract, numpy arrays and plain Python; refuses everything else."""

    _packages = ("plugins", "reference_store", "service.analyse", "service.report")
    """Of these only frozen values: data classes and enumerations."""
    _names = frozenset(
        {
            ("builtins", "set"),
            ("builtins", "frozenset"),
            ("builtins", "bytearray"),
            ("builtins", "complex"),
            ("collections", "OrderedDict"),
            ("datetime", "datetime"),
            ("datetime", "timezone"),
            ("datetime", "timedelta"),
            ("pathlib", "PosixPath"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "scalar"),
            ("numpy._core.numeric", "_frombuffer"),
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy.core.multiarray", "scalar"),
            ("numpy.core.numeric", "_frombuffer"),
        }
    )

    def find_class(self, module: str, name: str) -> object:
        """Resolve a name only if it is on the list."""
        if (module, name) in self._names:
            return getattr(importlib.import_module(module), name)
        if any(module == package or module.startswith(package + ".") for package in self._packages):
            found = getattr(importlib.import_module(module), name, None)
            if isinstance(found, type) and (is_dataclass(found) or issubclass(found, Enum)):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is not a value of the contract")
