"""A folder: what lies there is where everybody finds it, so there is nothing to do."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from service.objects.digests import digests

PARTS = ("archive", "results")
"""Folders whose files all machines must see."""


class SharedFolder:
    """The data folder, this machine's own or mounted by several."""

    is_remote = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __truediv__(self, name: str, /) -> Path:
        """The file as it lies."""
        return self.folder / name

    @property
    def counters(self) -> dict[str, float]:
        """Nothing is counted: it is a disk."""
        return {}

    def take_in(self, spooled: Path, name: str) -> None:
        """Renaming it is enough, and is the archive's."""

    def keep(self, name: str) -> None:
        """It lies there."""

    def replace(self, name: str) -> None:
        """It lies there."""

    def gather(self, folder: str) -> None:
        """They are."""

    def data_digest(self, name: str) -> str | None:
        """Read again."""
        try:
            return digests(self.folder / name).data
        except OSError:
            return None

    def held(self, _names: Iterable[str]) -> AbstractContextManager[None]:
        """Nothing is ever removed."""
        return nullcontext()

    def names(self) -> dict[str, int]:
        """Whole files of the parts that are shared."""
        found = {}
        for part in PARTS:
            for path in (self.folder / part).rglob("*"):
                if path.is_file() and path.suffix != ".part":
                    found[str(path.relative_to(self.folder))] = path.stat().st_size
        return found

    def save(self, name: str, to: Path) -> bool:
        """Copy it."""
        if not (self.folder / name).is_file():
            return False
        shutil.copyfile(self.folder / name, to)
        _flush(to)
        return True

    def load(self, name: str, source: Path) -> None:
        """Copy it."""
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = target.with_name(f"{target.name}.{secrets.token_hex(8)}.part")
        shutil.copyfile(source, partial)
        _flush(partial)
        partial.replace(target)

    def small(self, name: str, raw: bytes | None = None) -> bytes | None:
        """Read or write a small file."""
        path = self.folder / name
        if raw is not None:
            path.write_bytes(raw)
        return path.read_bytes() if path.is_file() else None

    def probe(self) -> str:
        """Write, read and delete."""
        path = self.folder / f".probe-{secrets.token_hex(8)}"
        try:
            path.write_bytes(path.name.encode())
            if path.read_bytes() != path.name.encode():
                raise OSError("reads back something else")
        finally:
            path.unlink(missing_ok=True)
        return f"folder {self.folder}"

    def ask(self) -> None:
        """Whether it is there."""
        os.stat(self.folder)  # noqa: PTH116 - nothing is wanted of the answer


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
