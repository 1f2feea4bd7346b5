"""Bytes as they came, made durable: spool, rename, flush the file, flush the folder; the ledger's row comes after.

A file's name is the SHA-256 of its data set: the same object twice is one file, and nothing that a peer wrote ever
becomes part of a path. What lies in ``spool`` is unfinished by definition and is swept. What lies in ``archive``
counts once the ledger has its row, which is written after both flushes; renaming first lets the file's own flush
carry its new name to the disk, so that the folder's costs nearly nothing (measured: a third of the time). Only where
the name is there already are the bytes flushed first.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
import shutil
import time
from pathlib import Path

from service import crash
from service.objects import Objects
from service.objects.folder import SharedFolder
from service.receive.conveyor import Conveyor
from service.receive.file_header import file_header

HEAD_BYTES = 1 << 17
"""How much of a data set is looked at: identifiers stand in groups 0008 and 0020, before any picture."""
_LONG_FROM = 2 << 20
"""From here on an object goes by conveyor: a still is written and digested sooner than two threads start."""
_NUMBER = itertools.count()
_OURS = secrets.token_hex(6)
"""In the names of this process's spool files: numbers of processes are no names where machines share a folder."""


class Archive:
    """The spool and the archive in one data folder, on one file system so that a rename is atomic.

    Where ``objects`` is a bucket, it has each object before it comes into the archive, which then holds a copy.
    """

    def __init__(self, data_folder: Path, objects: Objects | None = None) -> None:
        self.data_folder = data_folder
        self.objects = objects or SharedFolder(data_folder)
        self.spool = data_folder / "spool"
        self.folder = data_folder / "archive"
        self.quarantine = data_folder / "quarantine"
        for folder in (self.spool, self.folder, self.quarantine):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (self.folder / "ff").is_dir():
            for number in range(256):
                (self.folder / f"{number:02x}").mkdir(exist_ok=True, mode=0o700)
            flush_folder(self.folder)

    def incoming(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source: str) -> Incoming:
        """Begin a file in the spool, with its header (PS3.10) written."""
        path = self.spool / f"{_OURS}-{os.getpid()}-{next(_NUMBER)}.part"
        header = file_header(sop_class_uid, sop_instance_uid, transfer_syntax_uid, source)
        return Incoming(path, header, transfer_syntax_uid)

    def store(self, incoming: Incoming) -> str:
        """Make a whole file durable under its name; the path relative to the data folder.

        Raises
        ------
        OSError
            Disk full or broken; the spool file is gone.
        StoreAway
            The bucket has not confirmed it; the spool file is there yet.
        """
        digest = incoming.sha256
        folder = self.folder / digest[:2]
        final = folder / f"{digest}.dcm"
        if self.objects.is_remote:
            return self._store_remotely(incoming, final)
        try:
            if not _named_anew(incoming.path, final):
                incoming.flush()  # bytes that somebody was told are safe never give way to some that are not yet
                incoming.path.replace(final)
            crash.point("after_rename")
            incoming.flush()
        except OSError:
            incoming.discard()
            raise
        flush_folder(folder)
        crash.point("before_row")
        return str(final.relative_to(self.data_folder))

    def _store_remotely(self, incoming: Incoming, final: Path) -> str:
        name = str(final.relative_to(self.data_folder))
        try:
            incoming.flush()
            self.objects.take_in(incoming.path, name)
            incoming.path.replace(final)
            crash.point("after_rename")
        except OSError:
            incoming.discard()
            raise
        crash.point("before_row")
        return name

    def set_aside(self, incoming: Incoming, reason: str) -> None:
        """Keep a file that could not be understood, beside its reason, for somebody to look at."""
        name = self.quarantine / f"{int(time.time())}-{incoming.sha256[:16]}"
        incoming.close()
        incoming.path.replace(name.with_suffix(".dcm"))
        name.with_suffix(".txt").write_text(reason + "\n", encoding="utf-8")

    def set_aside_archived(self, path: Path, inode: int, reason: str) -> None:
        """Keep a torn file of the archive beside its reason, unless it has been received anew meanwhile."""
        name = self.quarantine / f"{int(time.time())}-{path.stem[:16]}"
        moved = name.with_suffix(".dcm")
        path.replace(moved)
        if moved.stat().st_ino != inode:
            moved.replace(path)
            return
        name.with_suffix(".txt").write_text(reason + "\n", encoding="utf-8")

    def sweep(self, older_than_seconds: float = 3600) -> int:
        """Remove what broken connections left in the spool; how many files."""
        removed = 0
        for path in self.spool.glob("*.part"):
            try:
                if time.time() - path.stat().st_mtime >= older_than_seconds:
                    path.unlink()
                    removed += 1
            except FileNotFoundError:
                continue
        return removed

    def free_mb(self) -> float:
        """Space left on the disk, in 10⁶ bytes."""
        return shutil.disk_usage(self.data_folder).free / 1e6


class Incoming:
    """One object on its way in: a spool file that counts and digests what it is given."""

    __slots__ = ("_conveyor", "_descriptor", "_digest", "_head", "path", "size", "transfer_syntax_uid")

    def __init__(self, path: Path, header: bytes, transfer_syntax_uid: str) -> None:
        self.path = path
        self.transfer_syntax_uid = transfer_syntax_uid
        self._digest = hashlib.sha256()
        self._head = bytearray()
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._conveyor: Conveyor | None = None
        self.size = 0
        self._write(header)

    def write(self, part: memoryview | bytes) -> None:
        """Append a part of the data set.

        Raises
        ------
        OSError
            This part or an earlier one could not be written.
        """
        part = memoryview(part)
        if self._conveyor is None:
            now, part = part[: _LONG_FROM - self.size], part[_LONG_FROM - self.size :]
            if len(self._head) < HEAD_BYTES:
                self._head += now[: HEAD_BYTES - len(self._head)]
            self._digest.update(now)
            self._write(now)
            if self.size == _LONG_FROM:
                self._conveyor = Conveyor(self._descriptor, self.size, self._digest)
        while part:
            room = self.room()
            assert room is not None  # noqa: S101 - there was more than goes without
            count = min(len(room), len(part))
            room[:count] = part[:count]
            part = part[count:]
            self.took(count)

    def room(self) -> memoryview | None:
        """Memory for the next bytes of a long object, which spares copying them; ``None`` while it is short."""
        return None if self._conveyor is None else self._conveyor.room()

    def took(self, count: int) -> None:
        """So many bytes were put into :meth:`room`.

        Raises
        ------
        OSError
            What came earlier could not be written.
        """
        self.size += count
        if self._conveyor is not None:
            self._conveyor.took(count)

    def _write(self, part: memoryview | bytes) -> None:
        written = os.write(self._descriptor, part)
        while written < len(part):
            written += os.write(self._descriptor, memoryview(part)[written:])
        self.size += len(part)

    @property
    def head(self) -> bytes:
        """The start of the data set."""
        return bytes(self._head)

    @property
    def sha256(self) -> str:
        """Of the data set so far.

        Raises
        ------
        OSError
            It could not be written whole.
        """
        if self._conveyor is not None:
            self._conveyor.finish()
        return self._digest.hexdigest()

    def flush(self) -> None:
        """Bring the bytes to the disk and close; harmless twice."""
        if self._conveyor is not None:
            self._conveyor.finish()
        if self._descriptor >= 0:
            os.fsync(self._descriptor)
        self.close()

    def close(self) -> None:
        """Close; harmless twice."""
        if self._conveyor is not None:
            self._conveyor.end()
            self._conveyor = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def discard(self) -> None:
        """Close and remove; harmless when it is gone."""
        self.close()
        self.path.unlink(missing_ok=True)


def _named_anew(path: Path, final: Path) -> bool:
    """Give a file its final name if nothing has it yet, and the file system can do that in one step."""
    try:
        os.link(path, final)
    except OSError:  # it is there already, or links are not known here
        return False
    path.unlink()
    return True


def flush_folder(folder: Path) -> None:
    """Bring a folder's names to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
