"""A watched folder as source: DICOM files that somebody drops there are kept like anything that was sent to us.

A file is taken once its length and time have stood still for a while, so that one that is still being copied is left
alone. Once it is in the archive and the ledger it moves to ``done``, or, refused, to ``refused`` beside a text that
says why. A kill in between only takes it again, as the duplicate that it is. File names may hold a patient's name:
none is ever logged.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from service import logs
from service.config import WatchedFolder
from service.errors import Refused, Unreachable
from service.receive.identity import OUT_OF_RESOURCES
from service.receive.intake import Intake
from service.receive.part10 import ArrivingFile

_LOGGER = logging.getLogger(__name__)
DONE, REFUSED = "done", "refused"
_UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".filepart", ".swp", "~")
"""How programs call what they are still writing."""
_CHUNK = 1 << 20
_Seen = tuple[int, int]
"""Length and time of the last change."""


class FolderFeed:
    """Takes what lies in one folder and the folders in it. Not for several threads at once.

    Parameters
    ----------
    clock:
        Monotonic seconds.
    """

    def __init__(
        self,
        source: WatchedFolder,
        intake: Intake,
        *,
        maximum_object_bytes: int = 8_192_000_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._intake = intake
        self._maximum_object_bytes = maximum_object_bytes
        self._clock = clock
        self._seen: dict[Path, tuple[_Seen, float]] = {}

    def tick(self) -> int:
        """Take every file that has stood still; how many objects were taken.

        Raises
        ------
        Unreachable
            The folder cannot be read, or our disk is full; what was not taken stays where it is.
        """
        taken = 0
        found: dict[Path, tuple[_Seen, float]] = {}
        for path, seen in self._files():
            before, since = self._seen.get(path, (seen, self._clock()))
            since = since if before == seen else self._clock()
            if self._clock() - since >= self._source.stable_seconds:
                taken += self._take(path)
            else:
                found[path] = (seen, since)
        self._seen = found
        return taken

    def _files(self) -> Iterator[tuple[Path, _Seen]]:
        """Regular files with their state; no links, which could lead anywhere, nothing hidden or unfinished."""
        root = self._source.path
        if not root.is_dir():
            raise Unreachable(f"folder {self._source.name}: is no folder that can be read; create it or mount it")
        for here, folders, names in os.walk(root):
            if Path(here) == root:
                folders[:] = [name for name in folders if name not in (DONE, REFUSED)]
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                if name.startswith(".") or name.lower().endswith(_UNFINISHED) or name.upper() == "DICOMDIR":
                    continue
                path = Path(here) / name
                try:
                    state = path.lstat()
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(state.st_mode):
                    yield path, (state.st_size, state.st_mtime_ns)

    def _take(self, path: Path) -> int:
        try:
            self._keep(path)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise Unreachable(
                f"folder {self._source.name}: a file cannot be read ({error.strerror}); give nmus the right to"
            ) from error
        except Refused as refusal:
            if refusal.status == OUT_OF_RESOURCES:
                raise Unreachable(f"folder {self._source.name}: {refusal}") from refusal
            self._intake.refused(refusal)
            self._put_away(path, REFUSED, str(refusal))
            return 0
        self._put_away(path, DONE)
        return 1

    def _keep(self, path: Path) -> None:
        arriving = ArrivingFile(self._intake, self._source.name, self._maximum_object_bytes)
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            while part := _read(file.fileno(), arriving):
                arriving.write(part)
        self._intake.take(arriving.end(), self._source.name, called=self._source.name)

    def _put_away(self, path: Path, where: str, reason: str = "") -> None:
        """Move a file out of the way, under its own name as far as that is free there."""
        if where == DONE and self._source.delete:
            path.unlink(missing_ok=True)
            return
        folder = self._source.path / where / path.parent.relative_to(self._source.path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            target = _free(folder / path.name)
            path.rename(target)
            if reason:
                Path(f"{target}.txt").write_text(reason + "\n", encoding="utf-8")
        except OSError as error:
            raise Unreachable(
                f"folder {self._source.name}: a file that was taken cannot be moved to {where!r} ({error.strerror}); "
                "give nmus the right to write there"
            ) from error
        if reason:
            logs.event(_LOGGER, logging.WARNING, "file refused", source=self._source.name, reason=reason)


def _read(descriptor: int, arriving: ArrivingFile) -> bytes:
    try:
        return os.read(descriptor, _CHUNK)
    except OSError:
        arriving.discard()
        raise


def _free(path: Path) -> Path:
    """The path itself, or with a number while something lies there already."""
    number, target = 1, path
    while target.exists():
        number += 1
        target = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return target
