"""Data elements of results, encoded at once in Explicit VR Little Endian (PS3.5 chapter 7), and files made of them.

As objects of a library a result's elements take ten times as long to set, check and write, and a child process pays
that for each file. Text is UTF-8 throughout: every result says so in its Specific Character Set.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydicom import DataElement, Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element

Elements = dict[int, bytes]
"""Tag to encoded element."""

CHARACTER_SET = "ISO_IR 192"
_LONG = frozenset({"SQ", "UT", "UC", "UR", "UN", "OB"})
"""Value Representations here whose length has four bytes (PS3.5 7.1.2)."""
_TEXT = frozenset(
    ["AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"]
)
MOST_SHORT = 0xFFFF
"""Bytes of an element whose length has two bytes."""
_ITEM = b"\xfe\xff\x00\xe0"
_IMPLEMENTATION_CLASS_UID, _IMPLEMENTATION_NAME = "2.25.140278067959985864833860542172224127662", "NMUS"
"""nmus as the writer of a file (PS3.10 section 7.1); the archive writes the same."""


def element(tag: int, vr: str, value: bytes) -> bytes:
    """One element; a value that its length cannot tell is of unknown kind (PS3.5 6.2.2)."""
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if vr not in _LONG and len(value) > MOST_SHORT:
        vr = "UN"
    if vr in _LONG:
        return head + vr.encode() + struct.pack("<HL", 0, len(value)) + value
    return head + vr.encode() + struct.pack("<H", len(value)) + value


def text(tag: int, vr: str, value: str) -> bytes:
    """Text, padded to an even length."""
    encoded = value.encode("utf-8", "replace")
    if len(encoded) % 2:
        encoded += b"\0" if vr == "UI" else b" "
    return element(tag, vr, encoded)


def unsigned(tag: int, value: int) -> bytes:
    """An unsigned short."""
    return element(tag, "US", struct.pack("<H", value))


def item(elements: bytes) -> bytes:
    """An item of a sequence."""
    return _ITEM + struct.pack("<L", len(elements)) + elements


def sequence(tag: int, items: Iterable[bytes] = ()) -> bytes:
    """A sequence of items."""
    return element(tag, "SQ", b"".join(items))


def joined(elements: Elements) -> bytes:
    """All elements in the order of their tags, as a data set must have them."""
    return b"".join(elements[tag] for tag in sorted(elements))


def texts(vrs_and_values: dict[int, tuple[str, str]]) -> Elements:
    """Several text elements: tag to Value Representation and text."""
    return {tag: text(tag, vr, value) for tag, (vr, value) in vrs_and_values.items()}


def taken(source: Dataset, tags: Iterable[int]) -> Elements:
    """Elements of a source, as far as it has them; its text must have been decoded."""
    return {tag: _of(source[tag]) for tag in tags if tag in source}


def tags_of(*keywords: str) -> tuple[int, ...]:
    """The tags of attributes."""
    return tuple(tag for one in keywords if (tag := tag_for_keyword(one)) is not None)


def _of(given: DataElement) -> bytes:
    if given.VR not in _TEXT:
        buffer = DicomBytesIO()
        buffer.is_little_endian, buffer.is_implicit_VR = True, False
        write_data_element(buffer, given, ["utf8"])
        return bytes(buffer.getvalue())
    value = given.value
    several = value is not None and given.VM > 1
    words = "\\".join(str(one) for one in value) if several else "" if value is None else str(value)
    return text(int(given.tag), given.VR, words)


def fragments(frames: Sequence[bytes]) -> list[bytes]:
    """Encapsulated Pixel Data, one fragment for each frame, with its offset table (PS3.5 A.4)."""
    padded = [frame + b"\0" * (len(frame) % 2) for frame in frames]
    offsets, at = [], 0
    for frame in padded:
        offsets.append(at)
        at += 8 + len(frame)
    parts = [b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff", item(struct.pack(f"<{len(offsets)}L", *offsets))]
    for frame in padded:
        parts += [_ITEM + struct.pack("<L", len(frame)), frame]
    return [*parts, b"\xfe\xff\xdd\xe0\0\0\0\0"]


def write(path: Path, elements: Elements, transfer_syntax_uid: str, pixels: Iterable[bytes] = ()) -> None:
    """Write a file (PS3.10 section 7.1); ``pixels`` are the encoded Pixel Data, which come last."""
    meta = element(0x00020001, "OB", b"\0\1")
    meta += _named_as(elements, 0x00080016, 0x00020002) + _named_as(elements, 0x00080018, 0x00020003)
    meta += text(0x00020010, "UI", transfer_syntax_uid)
    meta += text(0x00020012, "UI", _IMPLEMENTATION_CLASS_UID) + text(0x00020013, "SH", _IMPLEMENTATION_NAME)
    length = element(0x00020000, "UL", struct.pack("<L", len(meta)))
    with path.open("wb") as file:
        file.writelines([b"\0" * 128, b"DICM", length, meta, joined(elements), *pixels])


def _named_as(elements: Elements, tag: int, meta_tag: int) -> bytes:
    """An element of the data set under its tag in the file's header."""
    return struct.pack("<HH", meta_tag >> 16, meta_tag & 0xFFFF) + elements[tag][4:]
