"""What an object says of itself, read from the first bytes of its data set and no further.

Nothing is decoded but five attributes; a deflated data set is inflated to a bound, because a few hundred kilobytes can
swell to gigabytes.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from io import BytesIO

from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag, Tag

from service.config import UID_PATTERN
from service.errors import Refused
from service.receive.archive import HEAD_BYTES

CANNOT_UNDERSTAND = 0xC000
DOES_NOT_MATCH = 0xA900
"""Data Set does not match SOP Class (PS3.4 table B.2-1)."""
OUT_OF_RESOURCES = 0xA700

_IMPLICIT = "1.2.840.10008.1.2"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_CLASS, _INSTANCE, _MODALITY = Tag(0x00080016), Tag(0x00080018), Tag(0x00080060)
_STUDY, _SERIES = Tag(0x0020000D), Tag(0x0020000E)
_WANTED = [_CLASS, _INSTANCE, _MODALITY, _STUDY, _SERIES]


@dataclass(frozen=True, slots=True)
class Identity:
    """The UIDs that place an object."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    modality: str


def identity(head: bytes, transfer_syntax_uid: str) -> Identity:
    """Read the identity from the start of a data set.

    Raises
    ------
    Refused
        0xC000 when it is no data set of that transfer syntax; 0xA900 when a UID is missing or is none.
    """
    if transfer_syntax_uid == _DEFLATED:
        head = _inflated(head)
    values: dict[BaseTag, bytes] = {}
    try:
        elements = data_element_generator(
            BytesIO(head),
            transfer_syntax_uid == _IMPLICIT,
            transfer_syntax_uid != _BIG_ENDIAN,
            stop_when=lambda tag, _vr, _length: tag > _SERIES,
            specific_tags=_WANTED,
        )
        for element in elements:
            values[element.tag] = bytes(element.value or b"")
    except Exception as error:  # a foreign parser on hostile bytes: any type comes out of it
        if _SERIES not in values:
            text = f"no data set of transfer syntax {transfer_syntax_uid} ({type(error).__name__}); send it whole"
            raise Refused(text, CANNOT_UNDERSTAND) from error
    return Identity(
        _uid(values, _CLASS, "SOP Class UID"),
        _uid(values, _INSTANCE, "SOP Instance UID"),
        _uid(values, _STUDY, "Study Instance UID"),
        _uid(values, _SERIES, "Series Instance UID"),
        values.get(_MODALITY, b"").decode("ascii", "replace").strip(" \0")[:16],
    )


def checked_uid(raw: str, name: str) -> str:
    """A UID as the standard writes it, or a refusal that names the attribute and not the value."""
    if not UID_PATTERN.fullmatch(raw):
        raise Refused(f"{name} is missing or is no UID; the sender must give one", DOES_NOT_MATCH)
    return raw


def _uid(values: dict[BaseTag, bytes], tag: BaseTag, name: str) -> str:
    return checked_uid(values.get(tag, b"").decode("latin-1").rstrip("\0 "), name)


def _inflated(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(head, HEAD_BYTES)
    except zlib.error as error:
        raise Refused("deflated data set is broken; send it whole", CANNOT_UNDERSTAND) from error
