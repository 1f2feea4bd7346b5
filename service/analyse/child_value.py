"""What a child process left: its value, read as data and never as code, or why there is none."""

from __future__ import annotations

import io
import os
import pickle
import signal
import stat
from pathlib import Path

from service.analyse.unpickle import ValueUnpickler
from service.errors import NmusError, Unanalysable

_KINDS = frozenset({"crashed", "memory-limit"})
"""What a child may say of itself."""
_MOST_TEXT = 2000


class ChildFailed(NmusError):
    """The child gave no value: ``time-limit``, ``memory-limit``, ``crashed``, ``cancelled`` or ``disk-full``."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def value_of(result: Path, exit_code: int | None, most: int) -> object:
    """The value that a child left in a file, of so many bytes at most.

    Raises
    ------
    ChildFailed
        There is none, or none that is taken.
    Unanalysable
        The child says so.
    """
    if exit_code != 0 or not os.path.lexists(result):
        raise _failure(exit_code)
    try:
        kind, value = ValueUnpickler(io.BytesIO(_left(result, most))).load()
        if kind == "value":
            return value
        text = [str(one)[:_MOST_TEXT] for one in value] if kind == "unanalysable" else str(value)[:_MOST_TEXT]
    except pickle.UnpicklingError as error:
        raise ChildFailed("crashed", f"what it returned was refused: {error}") from error
    except Exception as error:
        raise ChildFailed("crashed", f"what it returned was refused ({type(error).__name__})") from error
    if kind == "unanalysable" and len(text) == 3:
        raise Unanalysable(*text)
    raise ChildFailed(kind if kind in _KINDS else "crashed", str(text))


def _left(result: Path, most: int) -> bytes:
    """The result's bytes, if it is a file of our own and no longer than it may be: never a pipe or a device."""
    descriptor = os.open(result, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > most:
            raise pickle.UnpicklingError("it is no file of an allowed length")
        return file.read()


def _failure(exit_code: int | None) -> ChildFailed:
    if exit_code == -signal.SIGXFSZ:
        return ChildFailed("crashed", "stopped: it wrote more than the limit on output")
    if exit_code is not None and exit_code < 0:
        return ChildFailed("crashed", f"killed by signal {signal.Signals(-exit_code).name}")
    return ChildFailed("crashed", f"ended with code {exit_code} and without a result")
