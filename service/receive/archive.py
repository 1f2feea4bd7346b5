"""Bytes as they came, made durable: spool, flush, rename, flush the folder.

A file's name is the SHA-256 of its data set: the same object twice is one file, and nothing that a peer wrote ever
becomes part of a path. What lies in ``spool`` is unfinished by definition and is swept; what lies in ``archive`` is
whole.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import struct
import time
from pathlib import Path

from service import crash
from service.receive.identity import HEAD_BYTES

_IMPLEMENTATION_CLASS_UID = "2.25.140278067959985864833860542172224127662"
"""Identifies nmus as the writer of a file's header (PS3.10 section 7.1)."""
_FLUSH_EVERY = 32 << 20
_NUMBER = itertools.count()


class Archive:
    """The spool and the archive in one data folder, on one file system so that a rename is atomic."""

    def __init__(self, data_folder: Path) -> None:
        self.data_folder = data_folder
        self.spool = data_folder / "spool"
        self.folder = data_folder / "archive"
        self.quarantine = data_folder / "quarantine"
        for folder in (self.spool, self.folder, self.quarantine):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def incoming(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source: str) -> Incoming:
        """Begin a file in the spool, with its header (PS3.10) written."""
        path = self.spool / f"{os.getpid()}-{next(_NUMBER)}.part"
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
            incoming.flush()
            if not folder.is_dir():
                folder.mkdir(exist_ok=True, mode=0o700)
                _flush_folder(self.folder)
            incoming.path.replace(final)
        except OSError:
            incoming.discard()
            raise
        crash.point("after_rename")
        _flush_folder(folder)
        crash.point("before_row")
        return str(final.relative_to(self.data_folder))

    def set_aside(self, incoming: Incoming, reason: str) -> None:
        """Keep a file that could not be understood, beside its reason, for somebody to look at."""
        name = self.quarantine / f"{int(time.time())}-{incoming.sha256[:16]}"
        incoming.close()
        incoming.path.replace(name.with_suffix(".dcm"))
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

    __slots__ = ("_descriptor", "_digest", "_flushed", "_head", "path", "size", "transfer_syntax_uid")

    def __init__(self, path: Path, header: bytes, transfer_syntax_uid: str) -> None:
        self.path = path
        self.transfer_syntax_uid = transfer_syntax_uid
        self._digest = hashlib.sha256()
        self._head = bytearray()
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.size = 0
        self._flushed = 0
        self._write(header)

    def write(self, part: memoryview | bytes) -> None:
        """Append a part of the data set."""
        self._digest.update(part)
        if len(self._head) < HEAD_BYTES:
            self._head += part[: HEAD_BYTES - len(self._head)]
        self._write(part)
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
        return self._digest.hexdigest()

    def flush(self) -> None:
        """Bring the bytes to the disk and close."""
        os.fsync(self._descriptor)
        self.close()

    def close(self) -> None:
        """Close; harmless twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def discard(self) -> None:
        """Close and remove; harmless when it is gone."""
        self.close()
        self.path.unlink(missing_ok=True)


def file_header(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source: str) -> bytes:
    """Preamble, prefix and File Meta Information (PS3.10 section 7.1), written without any peer's bytes but UIDs."""
    elements = b"".join(
        (
            struct.pack("<HH2sHI", 2, 1, b"OB", 0, 2) + b"\0\1",
            _text(0x0002, b"UI", sop_class_uid),
            _text(0x0003, b"UI", sop_instance_uid),
            _text(0x0010, b"UI", transfer_syntax_uid),
            _text(0x0012, b"UI", _IMPLEMENTATION_CLASS_UID),
            _text(0x0013, b"SH", "NMUS"),
            _text(0x0016, b"AE", source[:16]) if source else b"",
        )
    )
    return b"\0" * 128 + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(elements)) + elements


def _text(element: int, vr: bytes, value: str) -> bytes:
    raw = value.encode("ascii", "replace")
    if len(raw) % 2:
        raw += b"\0" if vr == b"UI" else b" "
    return struct.pack("<HH2sH", 2, element, vr, len(raw)) + raw


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _begin_flush(descriptor: int, offset: int, length: int) -> None:
    """Let the disk begin while a long cine is still coming, so that the last flush is short."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, offset, length, os.POSIX_FADV_DONTNEED)
