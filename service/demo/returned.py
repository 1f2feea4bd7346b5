"""What came back to the PACS: the values and reasons of measurement reports, as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread

SHOWN = {
    "110849": "echo intensity",
    "59089-3": "thickness",
    "42798000": "area",
    "NM-2001": "fasciculations",
}
"""Codes of the values that the table shows; the report holds many more."""
_GROUP, _TRACKING, _SITE, _ORIGIN = "125007", "112039", "363698007", "NM-5104"
_NOT_ASSESSED, _CONCLUSION, _REFUSED = "NM-5101", "NM-5108", "NM-5103"
_DERIVATION, _MEAN = "121401", "373098007"
_HIGH, _LOW, _Z = "371933006", "385524004", "121416"


@dataclass(frozen=True, slots=True)
class Value:
    """One value of one structure."""

    structure: str
    """Coded meaning of the finding site, side included."""
    measure: str
    value: float
    unit: str
    comparison: str
    """Against what, or why not."""
    tracking: str


@dataclass(frozen=True, slots=True)
class Returned:
    """One report."""

    file: Path
    study_instance_uid: str
    values: tuple[Value, ...]
    reasons: tuple[str, ...]
    conclusions: tuple[str, ...]


def returned(files: Sequence[Path]) -> list[Returned]:
    """The measurement reports among the files, latest of each study."""
    latest: dict[str, Dataset] = {}
    paths: dict[str, Path] = {}
    for path in files:
        document = dcmread(path)
        if document.get("Modality") != "SR":
            continue
        study = str(document.StudyInstanceUID)
        if study not in latest or document.InstanceNumber > latest[study].InstanceNumber:
            latest[study], paths[study] = document, path
    return [_report(paths[study], document) for study, document in latest.items()]


def _report(path: Path, document: Dataset) -> Returned:
    items = list(_walk(document))
    texts = [(_name(item), str(item.TextValue)) for item in items if item.get("ValueType") == "TEXT"]
    return Returned(
        path,
        str(document.StudyInstanceUID),
        tuple(value for item in items if _name(item) == _GROUP for value in _values(item)),
        tuple(dict.fromkeys(text for code, text in texts if code == _NOT_ASSESSED)),
        tuple(text for code, text in texts if code == _CONCLUSION),
    )


def _values(group: Dataset) -> Iterator[Value]:
    tracking = next((str(one.TextValue) for one in group.ContentSequence if _name(one) == _TRACKING), "")
    site = next((_meaning(one) for one in group.ContentSequence if _name(one) == _SITE), "structure not named")
    refusals = [str(one.TextValue) for one in group.ContentSequence if _name(one) == _REFUSED]
    for item in group.ContentSequence:
        if item.ValueType != "NUM" or _name(item) not in SHOWN or not _is_mean(item):
            continue
        measured = item.MeasuredValueSequence[0]
        unit = str(measured.MeasurementUnitsCodeSequence[0].CodeValue)
        yield Value(site, SHOWN[_name(item)], float(measured.NumericValue), unit, _comparison(item, refusals), tracking)


def _comparison(item: Dataset, refusals: Sequence[str]) -> str:
    known = {
        _name(one): float(one.MeasuredValueSequence[0].NumericValue)
        for one in item.get("ContentSequence", [])
        if one.ValueType == "NUM"
    }
    parts = [f"z {known[_Z]:+.1f}"] if _Z in known else []
    if _LOW in known and _HIGH in known:
        parts.append(f"limits {known[_LOW]:g} to {known[_HIGH]:g}")
    elif _HIGH in known:
        parts.append(f"limit {known[_HIGH]:g}")
    if parts:
        return ", ".join(parts)
    about = SHOWN[_name(item)].replace(" ", "_")
    mine = [one for one in refusals if one.startswith(about)]
    return f"not compared: {mine[0].partition(': ')[2].partition(' Remedy')[0]}" if mine else "–"


def _is_mean(item: Dataset) -> bool:
    """Of several figures under one concept the mean is the value to report; others say what else they are."""
    derivations = [one for one in item.get("ContentSequence", []) if _name(one) == _DERIVATION]
    return all(str(one.ConceptCodeSequence[0].CodeValue) == _MEAN for one in derivations)


def _walk(item: Dataset) -> Iterator[Dataset]:
    yield item
    for child in item.get("ContentSequence", []):
        yield from _walk(child)


def _name(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence")
    return str(names[0].CodeValue) if names else ""


def _meaning(item: Dataset) -> str:
    return str(item.ConceptCodeSequence[0].CodeMeaning)
