"""A measurement report back into values: nmus's own, and TID 1500 reports of others as far as their codes are known.

Every group of measurements (TID 1410, 1411, 1501) with a finding site of the catalogue gives its numbers. Lengths and
areas come back in mm and mm². Nothing is taken from free text but the device settings that nmus itself writes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from pydicom import Dataset

from plugins.contract import Device, Earlier, PriorReport, Side, View
from reference_store import anatomy
from reference_store.values import Code

REPORTS = frozenset(f"1.2.840.10008.5.1.4.1.1.88.{number}" for number in (22, 33, 34))
_GROUP, _TRACKING = ("DCM", "125007"), ("DCM", "112039")
_ALGORITHM, _VERSION = ("DCM", "111001"), ("DCM", "111003")
_FINDING_SITE = frozenset({("SCT", "363698007"), ("SRT", "G-C0E3")})
_LATERALITY = frozenset({("SCT", "272741003"), ("SRT", "G-C171")})
_TOPOGRAPHY = frozenset({("SCT", "106233006"), ("SRT", "G-A1F8")})
_DERIVATION = ("DCM", "121401")
_SETTINGS = ("99NMUS", "NM-5110")
_SIDES = {"7771000": Side.LEFT, "24028007": Side.RIGHT, "G-A101": Side.LEFT, "G-A100": Side.RIGHT}
_OLD = {("SRT", "G-D7FE"): Code("42798000", "SCT", "Area"), ("SRT", "G-A166"): Code("42798000", "SCT", "Area")}
"""SRT codes that vendors still write, as SCT."""
_UNITS = {"cm": ("mm", 10.0), "cm2": ("mm2", 100.0), "m": ("mm", 1000.0)}
_DEPTH = 24
_Item = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Group:
    """What one measurement group says of itself."""

    structure: str
    side: Side
    site: str | None
    plugin: str
    version: str
    whole: bool
    """Whether it speaks of all images of the structure."""
    image: str


def earlier(report: Dataset, today: date) -> tuple[Earlier, ...]:
    """The values of a report, those of whole structures where it has any of the structure.

    Parameters
    ----------
    today:
        Day of the exam that they are to be held against.
    """
    then = _day(report)
    if then is None or str(report.get("SOPClassUID", "")) not in REPORTS:
        return ()
    found = list(_values(report, (today - then).days, _devices(report)))
    whole = {(one.structure, one.side, one.site, one.plugin) for one, is_whole in found if is_whole}
    return tuple(
        one for one, is_whole in found if is_whole or (one.structure, one.side, one.site, one.plugin) not in whole
    )


def _day(report: Dataset) -> date | None:
    raw = str(report.get("StudyDate", "") or report.get("ContentDate", ""))
    try:
        return date(int(raw[:4]), int(raw[4:6]), int(raw[6:8]))
    except ValueError:
        return None


def _values(report: Dataset, days: int, devices: Mapping[str, Device]) -> Iterator[tuple[Earlier, bool]]:
    maker = str(report.get("Manufacturer", "") or "")
    where = PriorReport(
        str(report.SOPClassUID),
        str(report.get("SOPInstanceUID", "")),
        str(report.get("SeriesInstanceUID", "")),
        str(report.get("StudyInstanceUID", "")),
    )
    for item in _groups(report, 0):
        group = _group(item)
        if group is None:
            continue
        device = devices.get(group.image, Device(manufacturer=_scanner(report)))
        for number in item.get("ContentSequence") or ():
            read = _number(number)
            if read is None:
                continue
            code, derivation, value, unit = read
            yield (
                Earlier(
                    structure=group.structure,
                    side=group.side,
                    site=group.site,
                    measurement=code.meaning,
                    value=value,
                    unit=unit,
                    days_ago=float(days),
                    device=device,
                    report_uid=where.sop_instance_uid,
                    plugin_version=group.version,
                    plugin=group.plugin,
                    maker=maker,
                    view=View.UNKNOWN,
                    code=code,
                    derivation=derivation,
                    report=where,
                ),
                group.whole,
            )


def _groups(item: Dataset, depth: int) -> Iterator[Dataset]:
    for child in item.get("ContentSequence") or ():
        if _concept(child) == _GROUP:
            yield child
        elif depth < _DEPTH:
            yield from _groups(child, depth + 1)


def _group(item: Dataset) -> _Group | None:
    """``None`` for a group about nothing that the catalogue knows."""
    found: _Group | None = None
    texts: dict[_Item, str] = {}
    image = ""
    for child in item.get("ContentSequence") or ():
        concept = _concept(child)
        if child.get("ValueType") == "TEXT" and concept in (_TRACKING, _ALGORITHM, _VERSION):
            texts.setdefault(concept, str(child.get("TextValue", "")))
        elif concept in _FINDING_SITE and found is None:
            found = _site(child)
        elif child.get("ValueType") in ("SCOORD", "IMAGE"):
            image = image or _image_of(child)
    if found is None:
        return None
    tracking = texts.get(_TRACKING, "")
    return replace(
        found,
        plugin=texts.get(_ALGORITHM, ""),
        version=texts.get(_VERSION, ""),
        whole="/ all images" in tracking,
        image=image,
    )


def _site(item: Dataset) -> _Group | None:
    coded = _code(item, "ConceptCodeSequence")
    known = anatomy.by_code(coded) if coded else None
    if known is None:
        return None
    structure, side = known
    site: str | None = None
    for child in item.get("ContentSequence") or ():
        modifier = _code(child, "ConceptCodeSequence")
        if modifier is None:
            continue
        if _concept(child) in _LATERALITY and side is Side.UNKNOWN:
            side = _SIDES.get(modifier.value, Side.UNKNOWN)
        elif _concept(child) in _TOPOGRAPHY:
            at = anatomy.site_by_code(modifier)
            site = at.key if at else None
    return _Group(structure.key, side, site, "", "", whole=False, image="")


def _image_of(item: Dataset) -> str:
    """SOP Instance UID of the image that an item refers to, itself or below it."""
    for reference in item.get("ReferencedSOPSequence") or ():
        return str(reference.get("ReferencedSOPInstanceUID", ""))
    for child in item.get("ContentSequence") or ():
        if found := _image_of(child):
            return found
    return ""


def _number(item: Dataset) -> tuple[Code, Code | None, float, str] | None:
    """Concept, derivation, value and unit of a NUM that has a finite value."""
    code = _code(item, "ConceptNameCodeSequence") if item.get("ValueType") == "NUM" else None
    measured = next(iter(item.get("MeasuredValueSequence") or ()), None)
    if code is None or measured is None:
        return None
    unit = _code(measured, "MeasurementUnitsCodeSequence")
    try:
        value = float(measured.NumericValue)
    except (AttributeError, TypeError, ValueError):
        return None
    if unit is None or not math.isfinite(value):
        return None
    name, factor = _UNITS.get(unit.value, (unit.value, 1.0))
    modifiers = [one for one in item.get("ContentSequence") or () if _concept(one) == _DERIVATION]
    derivation = _code(modifiers[0], "ConceptCodeSequence") if modifiers else None
    return _OLD.get((code.scheme, code.value), code), derivation, value * factor, name


def _devices(report: Dataset) -> dict[str, Device]:
    """Image to device and settings, where the report tells them."""
    found: dict[str, Device] = {}
    for item in _texts(report, 0):
        if _concept(item) == _SETTINGS:
            device = device_of(str(item.get("TextValue", "")))
            for child in item.get("ContentSequence") or ():
                found[_image_of(child)] = device
    return found


def _texts(item: Dataset, depth: int) -> Iterator[Dataset]:
    for child in item.get("ContentSequence") or ():
        if child.get("ValueType") == "TEXT":
            yield child
        elif child.get("ValueType") == "CONTAINER" and depth < _DEPTH:
            yield from _texts(child, depth + 1)


def device_of(text: str) -> Device:
    """Read what :func:`service.report.comparisons.settings_text` wrote."""
    pairs = dict(part.partition(": ")[::2] for part in text.split("; ") if ": " in part)
    depth = pairs.get("depth", "").removesuffix(" mm")
    return Device(
        manufacturer=pairs.get("manufacturer"),
        model=pairs.get("model"),
        serial_number=pairs.get("serial number"),
        transducer=pairs.get("transducer"),
        preset=pairs.get("preset"),
        depth_mm=float(depth) if depth.replace(".", "", 1).isdigit() else None,
        lossy={"yes": True, "no": False}.get(pairs.get("lossy compression", "")),
    )


def _scanner(report: Dataset) -> str | None:
    for item in report.get("ContributingEquipmentSequence") or ():
        purpose = _code(item, "PurposeOfReferenceCodeSequence")
        if purpose is not None and purpose.value == "109101":
            return str(item.get("Manufacturer", "")) or None
    return None


def _concept(item: Dataset) -> _Item:
    code = _code(item, "ConceptNameCodeSequence")
    return (code.scheme, code.value) if code else ("", "")


def _code(item: Dataset, keyword: str) -> Code | None:
    sequence: Sequence[Dataset] = item.get(keyword) or ()
    for one in sequence:
        value, scheme = str(one.get("CodeValue", "")), str(one.get("CodingSchemeDesignator", ""))
        meaning = str(one.get("CodeMeaning", "")) or value
        if 0 < len(value) <= 16 and 0 < len(scheme) <= 16:
            return Code(value, scheme, meaning[:64])
    return None
