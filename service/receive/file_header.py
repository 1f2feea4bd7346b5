"""The header of a DICOM file (PS3.10 section 7.1), written and read without a data set in between."""

from __future__ import annotations

import struct

_IMPLEMENTATION_CLASS_UID = "2.25.140278067959985864833860542172224127662"
"""Identifies nmus as the writer of a file's header (PS3.10 section 7.1)."""


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


def header_values(elements: bytes) -> dict[int, str]:
    """File Meta Information (PS3.10 section 7.1): element number to text, for what is text."""
    values: dict[int, str] = {}
    offset = 0
    while offset + 8 <= len(elements):
        element = int.from_bytes(elements[offset + 2 : offset + 4], "little")
        long = elements[offset + 4 : offset + 6] in {b"OB", b"OW", b"UN", b"SQ", b"UT"}
        start = offset + (12 if long else 8)
        length = int.from_bytes(elements[offset + (8 if long else 6) : start], "little")
        values[element] = elements[start : start + length].decode("latin-1").rstrip("\0 ")
        offset = start + length
    return values
