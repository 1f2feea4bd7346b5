"""Files that people bring: documents, tables, descriptions of scanners. Read whole, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_LARGEST = 64 * 2**20
"""Bytes. A table of a hundred muscles of a thousand volunteers has about 30 million."""


class FileError(ValueError):
    """A file cannot be taken: ``file``, ``place`` (line, row, entry, field) and ``problem`` say where and why."""

    def __init__(self, file: str, place: str, problem: str) -> None:
        super().__init__(f"{file}: {place}: {problem}")
        self.file, self.place, self.problem = file, place, problem

    def __reduce__(self) -> tuple[type[FileError], tuple[str, str, str]]:
        """Errors cross process borders whole."""
        return type(self), (self.file, self.place, self.problem)


def read_text(path: Path) -> str:
    """The text of a file, without the mark that Windows programs put in front.

    Only encodings that cannot be mistaken are read: UTF-8, and UTF-16 where it says so. A preset's name that was
    decoded by a guess would never be met again.

    Raises
    ------
    FileError
        For a file that is too large, empty, or in another encoding.
    OSError
        When it cannot be opened.
    """
    with path.open("rb") as stream:
        raw = stream.read(_LARGEST + 1)
    if len(raw) > _LARGEST:
        raise FileError(path.name, "whole file", f"is larger than {_LARGEST >> 20} MB; split it")
    wide = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problem = "is not UTF-8; save it as UTF-8 (in a spreadsheet: 'CSV UTF-8')"
        raise FileError(path.name, f"line {line}", problem) from error
    if not text.strip():
        raise FileError(path.name, "whole file", "is empty")
    return text


def read_object(path: Path, kind: str) -> dict[str, Any]:
    """One JSON object from a file; ``kind`` says what it should have been. Raises ``FileError`` or ``OSError``."""
    raw = load(read_text(path), path.name)
    if not isinstance(raw, dict):
        raise FileError(path.name, "whole file", f"is not {kind}: a JSON object is needed")
    return raw


def load(text: str, file: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """JSON, strictly: no NaN, no number beyond what a computer keeps, no field twice. Raises ``FileError``."""
    try:
        return json.loads(
            text.removeprefix("\ufeff"),
            parse_constant=_refuse_constant,
            parse_float=_float,
            parse_int=_int,
            object_pairs_hook=_refuse_repeats,
        )
    except json.JSONDecodeError as error:
        raise FileError(file, f"line {error.lineno}, column {error.colno}", f"not JSON: {error.msg}") from error
    except RecursionError as error:
        raise FileError(file, "whole file", "is nested too deeply to be a document") from error
    except ValueError as error:
        raise FileError(file, "whole file", str(error)) from error


def _refuse_constant(word: str) -> float:
    raise ValueError(f"{word} is not a number that a document may hold")


def _float(text: str) -> float:
    value = float(text)
    if abs(value) > 1e300:  # its square would be infinite
        raise ValueError(f"{text[:12]}… is not a number that a document may hold")
    return value


def _int(text: str) -> int:
    return int(_float(text)) if len(text) > 18 else int(text)


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"field {name!r} stands twice in one object")
        found[name] = value
    return found
