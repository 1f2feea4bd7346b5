"""Content items of a structured report (PS3.3 C.17.3), encoded at once in Explicit VR Little Endian.

A muscle's report holds hundreds of items, each of several nested data sets. As objects of a library they take a second
to build, copy, check and write; as bytes, ten milliseconds. The tests hold each kind of item against what highdicom
makes of the same content.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from enum import Enum
from functools import lru_cache

from pydicom.valuerep import format_number_as_ds

from reference_store.values import Code
from service.report.encoding import element as _element
from service.report.encoding import item as _item
from service.report.encoding import sequence as _sequence
from service.report.encoding import text as _text_element

Item = bytes
"""One encoded item of a Content Sequence."""

MOST_POINTS = 0xFFFF // 8
"""Of an outline: an element of 32-bit floats has 64 kB at most (PS3.5 7.1.2)."""
_DECIMAL_LENGTH = 16

_VALUE_TYPE, _RELATIONSHIP = 0x0040A040, 0x0040A010
_NAME, _CONCEPT = 0x0040A043, 0x0040A168
_CONTENT_SEQUENCE = 0x0040A730
_REFERENCED_SOP_SEQUENCE = 0x00081199


class Related(Enum):
    """How an item relates to the one that holds it."""

    CONTAINS = "CONTAINS"
    HAS_PROPERTIES = "HAS PROPERTIES"
    HAS_ACQ_CONTEXT = "HAS ACQ CONTEXT"
    HAS_OBS_CONTEXT = "HAS OBS CONTEXT"
    HAS_CONCEPT_MOD = "HAS CONCEPT MOD"
    INFERRED_FROM = "INFERRED FROM"
    SELECTED_FROM = "SELECTED FROM"


def container(related: Related, name: Code, children: Sequence[Item], template: str = "") -> Item:
    """A heading with all that stands under it; ``template`` is the number of its DCMR template."""
    elements = [_text_element(0x0040A050, "CS", "CONTINUOUS")]
    if template:
        named = _text_element(0x00080105, "CS", "DCMR") + _text_element(0x0040DB00, "CS", template)
        elements.append(_sequence(0x0040A504, [_item(named)]))
    return _content_item(related, "CONTAINER", name, elements, children)


def text(related: Related, name: Code, value: str, children: Sequence[Item] = ()) -> Item:
    """A text of any length."""
    return _content_item(related, "TEXT", name, [_text_element(0x0040A160, "UT", value)], children)


def coded(related: Related, name: Code, value: Code, children: Sequence[Item] = ()) -> Item:
    """A coded value."""
    return _content_item(related, "CODE", name, [_sequence(_CONCEPT, [code_item(value)])], children)


def uid(related: Related, name: Code, value: str) -> Item:
    """A reference to anything by its UID."""
    return _content_item(related, "UIDREF", name, [_text_element(0x0040A124, "UI", value)], ())


def number(related: Related, name: Code, value: float, unit: Code, children: Sequence[Item] = ()) -> Item:
    """A number with its unit; an ``int`` is written without a decimal point.

    A Decimal String has sixteen characters: a number that needs more is rounded there, and stands whole beside it as
    Floating Point Value.

    Raises
    ------
    ValueError
        Not a finite number.
    """
    if not -float("inf") < value < float("inf"):
        raise ValueError(f"{value} is no Decimal String of DICOM")
    written = repr(value)
    if len(written) > _DECIMAL_LENGTH:
        written = format_number_as_ds(float(value))
    measured = _sequence(0x004008EA, [code_item(unit)])
    if isinstance(value, float):
        measured += _element(0x0040A161, "FD", struct.pack("<d", value))
    measured += _text_element(0x0040A30A, "DS", written)
    return _content_item(related, "NUM", name, [_sequence(0x0040A300, [_item(measured)])], children)


def image(
    related: Related,
    name: Code,
    sop_class_uid: str,
    sop_instance_uid: str,
    frames: Iterable[int] = (),
    *,
    children: Sequence[Item] = (),
) -> Item:
    """A reference to an image, or to frames of it counted from 1."""
    referenced = _text_element(0x00081150, "UI", sop_class_uid) + _text_element(0x00081155, "UI", sop_instance_uid)
    numbers = "\\".join(str(frame) for frame in frames)
    if numbers:
        referenced += _text_element(0x00081160, "IS", numbers)
    before = _sequence(_REFERENCED_SOP_SEQUENCE, [_item(referenced)])
    return _content_item(related, "IMAGE", name, [], children, before=before)


def polyline(related: Related, name: Code, points: Sequence[tuple[float, float]], source: Item) -> Item:
    """A polygon of (column, row) in pixels of the image ``source``, :data:`MOST_POINTS` at most."""
    flat = [coordinate for point in points for coordinate in point]
    after = _element(0x00700022, "FL", struct.pack(f"<{len(flat)}f", *flat))
    after += _text_element(0x00700023, "CS", "POLYLINE")
    return _content_item(related, "SCOORD", name, [], (source,), after=after)


def composite(related: Related, name: Code, sop_class_uid: str, sop_instance_uid: str) -> Item:
    """A reference to an object that is no image."""
    referenced = _text_element(0x00081150, "UI", sop_class_uid) + _text_element(0x00081155, "UI", sop_instance_uid)
    before = _sequence(_REFERENCED_SOP_SEQUENCE, [_item(referenced)])
    return _content_item(related, "COMPOSITE", name, [], (), before=before)


def code_item(code: Code) -> Item:
    """An item of a code sequence."""
    return _written_code(code.value, code.scheme, code.meaning)


def _content_item(
    related: Related,
    value_type: str,
    name: Code,
    elements: Sequence[bytes],
    children: Sequence[Item],
    *,
    before: bytes = b"",
    after: bytes = b"",
) -> Item:
    """Elements in the order of their tags, as every data set must have them."""
    parts = [before, _head(related, value_type, code_item(name)), *elements]
    if children:
        parts.append(_sequence(_CONTENT_SEQUENCE, children))
    return _item(b"".join((*parts, after)))


@lru_cache(maxsize=4096)
def _head(related: Related, value_type: str, name: Item) -> bytes:
    head = _text_element(_RELATIONSHIP, "CS", related.value) + _text_element(_VALUE_TYPE, "CS", value_type)
    return head + _sequence(_NAME, [name])


@lru_cache(maxsize=4096)
def _written_code(value: str, scheme: str, meaning: str) -> Item:
    """By all three: two codes are equal whatever they mean in words, and the words are written."""
    return _item(
        _text_element(0x00080100, "SH", value)
        + _text_element(0x00080102, "SH", scheme)
        + _text_element(0x00080104, "LO", meaning)
    )
