"""What every result has in common: patient and study as the images name them, who made it, when, and what it is.

highdicom makes the same (tests hold this against it) and takes fifty milliseconds for it, because it looks each
attribute up in the standard's tables; here it takes one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydicom import Dataset

from service.report import codes, tree
from service.report.encoding import CHARACTER_SET, Elements, item, joined, sequence, tags_of, taken, text, texts
from service.report.source import NAME, VERSION
from service.report.values import Making, ReportObject

_IDENTITY = tags_of(
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge",
    "StudyInstanceUID", "StudyID", "StudyDate", "StudyTime", "StudyDescription", "AccessionNumber",
    "ReferringPhysicianName", "ReferencedStudySequence",
)  # fmt: skip
"""Of patient and study: those of Type 1 and 2, which the source's header was completed with, and what helps to file."""
_EQUIPMENT = tags_of(
    "Manufacturer", "ManufacturerModelName", "InstitutionName", "InstitutionalDepartmentName", "InstitutionAddress",
    "StationName", "DeviceSerialNumber", "SoftwareVersions",
)  # fmt: skip
_STUDY, _SERIES = 0x0020000D, 0x0020000E


def basis(made: ReportObject, source: Dataset, making: Making, *, modality: str, series_number: int) -> Elements:
    """All elements that do not depend on what is shown or said.

    Parameters
    ----------
    source:
        Header of an image of the study, prepared by :func:`service.report.source.header`.
    """
    day, clock = making.moment.time.strftime("%Y%m%d"), making.moment.time.strftime("%H%M%S")
    ours = texts(
        {
            0x00080005: ("CS", CHARACTER_SET),
            0x00080012: ("DA", day),
            0x00080013: ("TM", clock),
            0x00080016: ("UI", made.sop_class_uid),
            0x00080018: ("UI", made.sop_instance_uid),
            0x00080023: ("DA", day),
            0x00080033: ("TM", clock),
            0x00080060: ("CS", modality),
            0x00080070: ("LO", NAME),
            0x00081090: ("LO", NAME),
            0x00181000: ("LO", VERSION),
            0x00181020: ("LO", VERSION),
            0x00189004: ("CS", making.plan.content_qualification),
            _SERIES: ("UI", made.series_instance_uid),
            0x00200011: ("IS", str(series_number)),
            0x00200013: ("IS", str(made.instance_number)),
        }
    )
    return {**taken(source, _IDENTITY), **ours, 0x0018A001: sequence(0x0018A001, [*_scanner(source), _ourselves()])}


def evidence(tag: int, images: Iterable[Dataset]) -> bytes:
    """A sequence of references to objects, by study and series, each object once."""
    studies: dict[str, dict[str, dict[str, str]]] = {}
    for one in images:
        series = studies.setdefault(str(one.StudyInstanceUID), {}).setdefault(str(one.SeriesInstanceUID), {})
        series[str(one.SOPInstanceUID)] = str(one.SOPClassUID)
    return by_study(tag, studies)


def by_study(tag: int, studies: dict[str, dict[str, dict[str, str]]], purpose: Sequence[tree.Item] = ()) -> bytes:
    """A sequence of references: study to series to SOP Instance UID to SOP Class UID."""
    return sequence(tag, [_study(uid, by_series, purpose) for uid, by_series in studies.items()])


def _study(uid: str, by_series: dict[str, dict[str, str]], purpose: Sequence[tree.Item]) -> bytes:
    series = [
        item(sequence(0x00081199, [reference(*one, purpose) for one in objects.items()]) + text(_SERIES, "UI", name))
        for name, objects in by_series.items()
    ]
    return item(sequence(0x00081115, series) + text(_STUDY, "UI", uid))


def reference(
    instance: str, sop_class: str, purpose: Sequence[tree.Item] = (), frames: Sequence[int] | None = None
) -> bytes:
    """An item that refers to an object or frames of it, with its purpose where that is to be told."""
    numbers = "\\".join(str(frame) for frame in frames or ())
    return item(
        text(0x00081150, "UI", sop_class)
        + text(0x00081155, "UI", instance)
        + (text(0x00081160, "IS", numbers) if numbers else b"")
        + (sequence(0x0040A170, purpose) if purpose else b"")
    )


def _scanner(source: Dataset) -> list[bytes]:
    """The scanner as contributing equipment, if it says who made it."""
    if not source.get("Manufacturer"):
        return []
    told = taken(source, (tag for tag in _EQUIPMENT if tag in source and source[tag].value))
    told[0x0018A003] = text(0x0018A003, "ST", "Acquisition equipment of the source image(s)")
    told[0x0040A170] = sequence(0x0040A170, [tree.code_item(codes.ACQUISITION_EQUIPMENT)])
    return [item(joined(told))]


def _ourselves() -> bytes:
    told = texts({0x00080070: ("LO", NAME), 0x00081090: ("LO", NAME), 0x00181020: ("LO", VERSION)})
    told[0x0040A170] = sequence(0x0040A170, [tree.code_item(codes.PROCESSING_EQUIPMENT)])
    return item(joined(told))
