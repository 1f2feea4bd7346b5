"""Work as it is handed to a child: a function with its arguments, where published references go by name alone.

They are the greater part of what a plugin is given and the same in every child, which has them from the fork server:
as objects they would take seven milliseconds to hand over and eight to be taken.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Callable
from functools import cache
from typing import Any

from reference_store.documents import Document
from reference_store.store import bundled


def packed(function: Callable[..., object], arguments: tuple[object, ...]) -> bytes:
    """The work as bytes; whatever pickle raises when it cannot be."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=5)
    pickler.dispatch_table = {**copyreg.dispatch_table, Document: _by_name}
    pickler.dump((function, arguments))
    return buffer.getvalue()


class Once:
    """A value that several children are given, made into bytes once; each has the value itself."""

    def __init__(self, value: object) -> None:
        self._bytes = packed(_same, (value,))

    def __reduce__(self) -> tuple[Callable[[bytes], object], tuple[bytes]]:
        return _opened, (self._bytes,)


def _same(value: object) -> object:
    return value


def _opened(given: bytes) -> object:
    _, (value,) = pickle.loads(given)  # noqa: S301 - its own parent wrote it
    return value


def shipped(release: str, content_hash: str) -> Document:
    """The published reference of that name.

    Raises
    ------
    LookupError
        There is none with this content: nmus was changed under a running service.
    """
    found = _bundled().get(release)
    if found is None or found.content_hash != content_hash:
        raise LookupError(f"{release} is no published reference of this nmus; start the service anew")
    return found


def _by_name(document: Document) -> Any:  # noqa: ANN401 - what pickle calls a reduced value
    if _bundled().get(document.release) is document:
        return shipped, (document.release, document.content_hash)
    return document.__reduce_ex__(5)


@cache
def _bundled() -> dict[str, Document]:
    return {one.release: one for one in bundled()}
