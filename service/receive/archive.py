"""Bytes as they came, made durable: spool, rename, flush the file, flush the folder; the ledger's row comes after.

A file's name is the SHA-256 of its data set: the same object twice is one file, and nothing that a peer wrote ever
becomes part of a path. What lies in ``spool`` is unfinished by definition and is swept. What lies in ``archive``
counts once the ledger has its row, which is written after both flushes; renaming first lets the file's own flush
carry its new name to the disk, so that the folder's costs nearly nothing (measured: a third of the time).
"""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
import shutil
import threading
import time
from pathlib import Path

from service import crash
from service.receive.file_header import file_header

HEAD_BYTES = 1 << 17
"""How much of a data set is looked at: identifiers stand in groups 0008 and 0020, before any picture."""
_FLUSH_EVERY = 32 << 20
_FOLLOW_FROM = 4 << 20
"""From this length on the digest has a thread of its own; a still is digested sooner than a thread starts."""
_CHUNK = 1 << 20
"""What the digest's thread takes at a time: each hand-over costs two changes of thread."""
_NUMBER = itertools.count()
_OURS = secrets.token_hex(6)
"""In the names of this process's spool files: numbers of processes are no names where machines share a folder."""


class Archive:
    """The spool and the archive in one data folder, on one file system so that a rename is atomic."""

    def __init__(self, data_folder: Path) -> None:
        self.data_folder = data_folder
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
        """
        digest = incoming.sha256
        folder = self.folder / digest[:2]
        final = folder / f"{digest}.dcm"
        try:
            incoming.path.replace(final)
            crash.point("after_rename")
            incoming.flush()
        except OSError:
            incoming.discard()
            raise
        flush_folder(folder)
        crash.point("before_row")
        return str(final.relative_to(self.data_folder))

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

    __slots__ = (
        "_descriptor",
        "_digest",
        "_flushed",
        "_follower",
        "_head",
        "_start",
        "path",
        "size",
        "transfer_syntax_uid",
    )

    def __init__(self, path: Path, header: bytes, transfer_syntax_uid: str) -> None:
        self.path = path
        self.transfer_syntax_uid = transfer_syntax_uid
        self._digest = hashlib.sha256()
        self._head = bytearray()
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._follower: _Follower | None = None
        self._flushed = 0
        self.size = 0
        self._write(header)
        self._start = self.size

    def write(self, part: memoryview | bytes) -> None:
        """Append a part of the data set."""
        if len(self._head) < HEAD_BYTES:
            self._head += part[: HEAD_BYTES - len(self._head)]
        self._write(part)
        if self._follower is not None:
            self._follower.may_read(self.size)
        elif self.size < _FOLLOW_FROM:
            self._digest.update(part)
        else:
            self._digest.update(part)
            self._follower = _Follower(self.path, self.size, self._digest)
        if self.size - self._flushed >= _FLUSH_EVERY:
            _begin_flush(self._descriptor, self._flushed, self.size - self._flushed)
            self._flushed = self.size

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
        """Of the data set so far."""
        if self._follower is not None:
            self._follower.catch_up(self.size)
        return self._digest.hexdigest()

    def flush(self) -> None:
        """Bring the bytes to the disk and close."""
        os.fsync(self._descriptor)
        self.close()

    def close(self) -> None:
        """Close; harmless twice."""
        if self._follower is not None:
            self._follower.end()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def discard(self) -> None:
        """Close and remove; harmless when it is gone."""
        self.close()
        self.path.unlink(missing_ok=True)


class _Follower:
    """Digests a long file in a thread of its own, reading behind the writer what lies in the system's cache anyhow.

    A digest takes as long as receiving does (1 ms a megabyte); on a second core it costs no time.
    """

    def __init__(self, path: Path, offset: int, digest: hashlib._Hash) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._digest = digest
        self._done = self._written = offset
        self._ended = False
        self._error: OSError | None = None
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="digest", daemon=True)
        self._thread.start()

    def may_read(self, size: int) -> None:
        """So much has been written by now."""
        if size - self._written >= _CHUNK:
            with self._change:
                self._written = size
                self._change.notify_all()

    def catch_up(self, size: int) -> None:
        """Wait until all is digested."""
        with self._change:
            self._written = size
            self._change.notify_all()
            while self._done < size and not self._ended:
                self._change.wait()
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        """Stop; harmless twice."""
        with self._change:
            self._ended = True
            self._change.notify_all()
        self._thread.join()

    def _run(self) -> None:
        buffer = memoryview(bytearray(_CHUNK))
        try:
            while self._await_more():
                count = os.preadv(self._descriptor, [buffer[: self._written - self._done]], self._done)
                self._digest.update(buffer[:count])
                with self._change:
                    self._done += count
                    self._change.notify_all()
        except OSError as error:
            with self._change:
                self._error, self._ended = error, True
                self._change.notify_all()
        finally:
            os.close(self._descriptor)

    def _await_more(self) -> bool:
        with self._change:
            while self._done >= self._written and not self._ended:
                self._change.wait()
            return not self._ended


def flush_folder(folder: Path) -> None:
    """Bring a folder's names to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _begin_flush(descriptor: int, offset: int, length: int) -> None:
    """Let the disk begin while a long cine is still coming, so that the last flush is short."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, offset, length, os.POSIX_FADV_DONTNEED)
