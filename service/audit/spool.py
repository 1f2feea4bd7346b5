"""Where messages wait: one file each, whole or not there, flushed before the event goes on.

Names sort by time, so they leave in order. Nothing is removed but what the collector's machine has taken.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path


class Spool:
    """A folder of messages that wait."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)

    def put(self, message: bytes) -> Path:
        """Keep a message; durable when this returns.

        Raises
        ------
        OSError
            The disk is full or broken.
        """
        name = f"{time.time_ns():020d}-{secrets.token_hex(6)}"
        partial, final = self.folder / f".{name}.part", self.folder / f"{name}.xml"
        try:
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(message)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(final)
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return final

    def waiting(self, most: int = 200) -> Iterator[tuple[Path, bytes]]:
        """The oldest messages that wait."""
        for name in self.names()[:most]:
            with contextlib.suppress(FileNotFoundError):  # another machine's sender was quicker
                yield self.folder / name, (self.folder / name).read_bytes()

    def names(self) -> list[str]:
        """Of all that wait, oldest first."""
        with os.scandir(self.folder) as entries:
            return sorted(one.name for one in entries if one.name.endswith(".xml"))

    def done(self, path: Path) -> None:
        """A message has arrived; harmless twice."""
        path.unlink(missing_ok=True)

    def oldest_at(self) -> float | None:
        """When the oldest message was written, in seconds since 1970."""
        names = self.names()
        return int(names[0].partition("-")[0]) / 1e9 if names else None
