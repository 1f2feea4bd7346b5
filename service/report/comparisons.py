"""What the report says besides its findings: the device settings, and each value beside that of an earlier exam.

The settings are written so that a later exam can tell whether it may be compared with this one. A comparison is a NUM
(the change) inferred from the earlier value, the image of today and the earlier report, which the report's Pertinent
Other Evidence names too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from highdicom import sr
from pydicom import Dataset
from pydicom.sequence import Sequence as DicomSequence

from plugins.contract import Change, Device, FrameRef, PriorReport, Side
from reference_store import anatomy
from reference_store.values import Code
from service.report import codes
from service.report.codes import concept
from service.report.measurement_groups import rounded
from service.report.source import frame_numbers
from service.report.units import unit
from service.report.values import Content

_CONTAINS = sr.RelationshipTypeValues.CONTAINS
_INFERRED = sr.RelationshipTypeValues.INFERRED_FROM
_MODIFIES = sr.RelationshipTypeValues.HAS_CONCEPT_MOD
_PROPERTY = sr.RelationshipTypeValues.HAS_PROPERTIES


def settings_text(device: Device) -> str:
    """Device and settings as ``name: value`` parts; what the image does not say is left out."""
    parts = {
        "manufacturer": device.manufacturer,
        "model": device.model,
        "serial number": device.serial_number,
        "transducer": device.transducer,
        "preset": device.preset,
        "depth": None if device.depth_mm is None else f"{device.depth_mm:g} mm",
        "lossy compression": None if device.lossy is None else ("yes" if device.lossy else "no"),
    }
    return "; ".join(f"{name}: {value.replace(';', ',')}" for name, value in parts.items() if value)


def add_comparisons(document: Dataset, content: Content, headers: Mapping[str, Dataset]) -> None:
    """Write settings and comparisons into the qualitative evaluations, and name earlier reports as evidence."""
    items = [*_settings(content, headers)]
    changes = [change for one in content.conclusions for change in one.changes]
    items += [_comparison(change, headers) for change in changes if change.image.sop_instance_uid in headers]
    if items:
        _container(document).ContentSequence.extend(items)
    _name_as_evidence(document, [one.report for one in changes if one.report is not None])


def _container(document: Dataset) -> Dataset:
    name = concept(codes.QUALITATIVE_EVALUATIONS)
    for item in document.ContentSequence:
        if item.ConceptNameCodeSequence[0].CodeValue == name.value:
            found: Dataset = item
            return found
    made = sr.ContainerContentItem(name, relationship_type=_CONTAINS)
    made.ContentSequence = sr.ContentSequence()
    document.ContentSequence.append(made)
    return made


def _settings(content: Content, headers: Mapping[str, Dataset]) -> list[sr.TextContentItem]:
    """One text for each combination of settings, inferred from the images that have it."""
    images: dict[str, dict[str, None]] = {}
    for result in content.results:
        for clip in result.acquisition.clips:
            if clip.sop_instance_uid in headers and (text := settings_text(clip.device)):
                images.setdefault(text, {})[clip.sop_instance_uid] = None
    made = []
    for text, uids in sorted(images.items()):
        item = sr.TextContentItem(concept(codes.DEVICE_SETTINGS), text, relationship_type=_CONTAINS)
        item.ContentSequence = sr.ContentSequence([_image(FrameRef(uid), headers[uid]) for uid in sorted(uids)])
        made.append(item)
    return made


def _comparison(change: Change, headers: Mapping[str, Dataset]) -> sr.NumContentItem:
    item = _num(codes.CHANGE, change.difference, change.unit, _CONTAINS)
    before = _num(change.code, change.before, change.unit, _INFERRED)
    days = sr.NumContentItem(
        concept(codes.TIME_SINCE),
        rounded(change.days),
        sr.CodedConcept("d", "UCUM", "day"),
        relationship_type=_PROPERTY,
    )
    before.ContentSequence = sr.ContentSequence([days])
    children: list[Dataset] = [
        sr.CodeContentItem(concept(codes.MEASUREMENT_COMPARED), concept(change.code), relationship_type=_MODIFIES),
        _site(change),
        before,
        _image(change.image, headers[change.image.sop_instance_uid]),
    ]
    if change.detectable is not None:
        detectable = _num(codes.SMALLEST_DETECTABLE, change.detectable, change.unit, _PROPERTY)
        children.append(detectable)
        source = sr.TextContentItem(concept(codes.REFERENCE_SOURCE), change.source, relationship_type=_PROPERTY)
        children.append(source)
    if change.report is not None:
        children.append(
            sr.CompositeContentItem(
                concept(codes.PRIOR_REPORT),
                change.report.sop_class_uid,
                change.report.sop_instance_uid,
                relationship_type=_INFERRED,
            )
        )
    item.ContentSequence = sr.ContentSequence(children)
    return item


def _site(change: Change) -> sr.CodeContentItem:
    coded = anatomy.coded(change.structure, change.side)
    site = sr.CodeContentItem(concept(codes.FINDING_SITE), concept(coded), relationship_type=_MODIFIES)
    more: list[Dataset] = []
    laterality = {Side.LEFT: codes.LEFT, Side.RIGHT: codes.RIGHT}.get(change.side)
    if laterality is not None and coded == anatomy.structure(change.structure).code:
        more.append(sr.CodeContentItem(concept(codes.LATERALITY), concept(laterality), relationship_type=_MODIFIES))
    if change.site:
        place = concept(anatomy.site(change.site).code)
        more.append(sr.CodeContentItem(concept(codes.TOPOGRAPHICAL_MODIFIER), place, relationship_type=_MODIFIES))
    if more:
        site.ContentSequence = sr.ContentSequence(more)
    return site


def _num(code: Code, value: float, ucum: str, relationship: sr.RelationshipTypeValues) -> sr.NumContentItem:
    in_unit = sr.CodedConcept(ucum, "UCUM", unit(ucum).meaning)
    return sr.NumContentItem(concept(code), rounded(value), in_unit, relationship_type=relationship)


def _image(image: FrameRef, source: Dataset) -> sr.ImageContentItem:
    return sr.ImageContentItem(
        concept(codes.SOURCE_IMAGE),
        source.SOPClassUID,
        source.SOPInstanceUID,
        referenced_frame_numbers=frame_numbers(source, image.frame),
        relationship_type=_INFERRED,
    )


def _name_as_evidence(document: Dataset, reports: Sequence[PriorReport]) -> None:
    """Pertinent Other Evidence Sequence (PS3.3 C.17.2): study, series, object."""
    studies: dict[str, dict[str, dict[str, str]]] = {}
    for one in reports:
        series = studies.setdefault(one.study_instance_uid, {}).setdefault(one.series_instance_uid, {})
        series[one.sop_instance_uid] = one.sop_class_uid
    if not studies:
        return
    named = list(document.get("PertinentOtherEvidenceSequence", []))
    for study, by_series in sorted(studies.items()):
        item = Dataset()
        item.StudyInstanceUID = study
        item.ReferencedSeriesSequence = DicomSequence(_series(uid, ones) for uid, ones in sorted(by_series.items()))
        named.append(item)
    document.PertinentOtherEvidenceSequence = DicomSequence(named)


def _series(uid: str, objects: Mapping[str, str]) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = uid
    references = []
    for instance, sop_class in sorted(objects.items()):
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = sop_class, instance
        references.append(reference)
    item.ReferencedSOPSequence = DicomSequence(references)
    return item
