"""What a file is, read once: its size, its digests, and that of the data set in it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1 << 20
_PREAMBLE = 144
"""Preamble, prefix and the first element of a DICOM file, whose value is the length of the header behind it."""


@dataclass(frozen=True, slots=True)
class Digests:
    """Of one file."""

    size: int
    sha256: str
    """Of all its bytes."""
    md5: str
    """The same in Base64, as the header ``Content-MD5`` wants it: the one checksum that every S3 knows."""
    data: str
    """SHA-256 of the data set, by which the archive names received objects; empty if the file is no DICOM file."""


def digests(path: Path) -> Digests:
    """Read a file."""
    whole, md5, data = hashlib.sha256(), hashlib.md5(usedforsecurity=False), hashlib.sha256()
    size, skip = 0, -1
    with path.open("rb") as file:
        start = file.read(_PREAMBLE)
        if start[128:132] == b"DICM" and len(start) == _PREAMBLE:
            skip = int.from_bytes(start[140:144], "little")
        part = start
        while part:
            size += len(part)
            whole.update(part)
            md5.update(part)
            if skip >= 0 and part is not start:
                data.update(memoryview(part)[min(skip, len(part)) :])
                skip -= min(skip, len(part))
            part = file.read(_CHUNK)
    coded = base64.b64encode(md5.digest()).decode()
    return Digests(size, whole.hexdigest(), coded, data.hexdigest() if skip >= 0 else "")
