"""JSON Lines files that are only ever added to: whole or not at all, one writer at a time.

No database: a site can read, copy and keep the file for decades. Adding writes a new file beside the old one, syncs it
and renames it over, so that a kill at any moment leaves the old rows or the new ones, never half a row.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class JournalError(ValueError):
    """A journal cannot be read; the text names file and line."""


def rows(path: Path) -> list[dict[str, Any]]:
    """All rows, oldest first; none when the file is not there yet."""
    if not path.exists() or not path.stat().st_size:
        return []
    found = []
    # not splitlines(): a text that somebody pasted may hold other line separators, and JSON leaves them as they are
    for number, line in enumerate(path.read_text(encoding="utf-8").removesuffix("\n").split("\n"), start=1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise JournalError(f"{path.name}, line {number}: not JSON: {error.msg}") from error
        if not isinstance(row, dict):
            raise JournalError(f"{path.name}, line {number}: not an object")
        found.append(row)
    return found


def append(path: Path, added: Sequence[dict[str, Any]]) -> None:
    """Add rows, all or none."""
    if not added:
        return
    with _alone(path):
        before = path.read_bytes() if path.exists() else b""
        text = "".join(json.dumps(row, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n" for row in added)
        replace(path, before + text.encode())


def append_recent(path: Path, added: Sequence[dict[str, Any]], keep: int) -> None:
    """Add rows whose ``key`` is not there yet, and forget all but the last ``keep``: for what is watched, not kept."""
    with _alone(path):
        held = rows(path)
        known = {row["key"] for row in held}
        fresh = [row for row in added if row["key"] not in known]
        if fresh:
            text = "".join(json.dumps(row, sort_keys=True, allow_nan=False) + "\n" for row in [*held, *fresh][-keep:])
            replace(path, text.encode())


def replace(path: Path, content: bytes) -> None:
    """Write a file whole, durably: temporary file, fsync, rename, fsync of the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    with temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
