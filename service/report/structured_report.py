"""The measurement report of a study: DICOM SR, TID 1500, with one planar group for each finding.

What it holds and why is in docs/conformance.md. Identity, time stamps and encoding are fixed by what goes in, so the
same work gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from highdicom import ContributingEquipment, sr
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom import Dataset, dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_sequence_item
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian

from plugins.codes import PRIVATE_SCHEME
from plugins.contract import Finding, Result, Scope
from reference_store.values import Code
from service.report import codes
from service.report.codes import concept
from service.report.comparisons import add_comparisons
from service.report.identity import derived_uid, digest
from service.report.measurement_groups import Subjects, distinct, group, pseudonym
from service.report.narrative import evaluations
from service.report.source import NAME, VERSION, freeze, make_ours
from service.report.tree import Item, content_sequence
from service.report.values import SR_CLASSES, Content, Making, Plan, ReportObject

SERIES_NUMBER = 9001
_CLASSES = {"comprehensive-3d": sr.Comprehensive3DSR, "comprehensive": sr.ComprehensiveSR}
_CONTAINS = sr.RelationshipTypeValues.CONTAINS
_SCHEME_UID = "2.25.208379423384107229553163218353253811041"
_DEVICE_UID = derived_uid("device", NAME, VERSION)


def structured_reports(content: Content, headers: Mapping[str, Dataset], making: Making) -> list[ReportObject]:
    """One report, or one for each source series, in every SR class that a destination asks for.

    Parameters
    ----------
    headers:
        Prepared headers (:func:`service.report.source.header`) of all images of the study, by SOP Instance UID.
    """
    made: list[ReportObject] = []
    for key, part, images in _parts(content, headers, making.plan.per):
        evidence = digest([sorted(images), content.fingerprint])
        made += [_write(part, images, f"sr|{one}|{key}", making, evidence) for one in making.plan.sr_classes]
    return made


def _parts(
    content: Content, headers: Mapping[str, Dataset], per: str
) -> list[tuple[str, Content, Mapping[str, Dataset]]]:
    """The study whole, or cut by source series."""
    if per == "study":
        return [("study", content, headers)]
    parts: list[tuple[str, Content, Mapping[str, Dataset]]] = []
    for series in sorted({str(one.SeriesInstanceUID) for one in headers.values()}):
        images = {uid: one for uid, one in headers.items() if one.SeriesInstanceUID == series}
        results = tuple(cut for cut in (_cut(result, images) for result in content.results) if cut is not None)
        unread = tuple(one for one in content.unread if one.series_instance_uid == series)
        conclusions = tuple(
            one for one in content.conclusions if any(image.sop_instance_uid in images for image in one.evidence)
        )
        if results or unread:
            parts.append(
                (
                    f"series|{series}",
                    replace(content, results=results, conclusions=conclusions, unread=unread),
                    images,
                )
            )
    return parts


def _cut(result: Result, images: Mapping[str, Dataset]) -> Result | None:
    """What a result says of these images; statements without an image go with the acquisition's first one."""
    first = result.acquisition.clips[0].sop_instance_uid
    outcomes = tuple(one for one in result.outcomes if (one.image.sop_instance_uid if one.image else first) in images)
    return Result(result.plugin, result.version, result.acquisition, outcomes) if outcomes else None


def _write(
    content: Content, headers: Mapping[str, Dataset], key: str, making: Making, evidence_digest: str
) -> ReportObject:
    plan, moment, study = making.plan, making.moment, content.study_instance_uid
    sr_class = key.split("|")[1]
    evidence = [headers[uid] for uid in sorted(headers)]
    series = derived_uid("series", study, key, root=plan.uid_root)
    uid = derived_uid("sr", study, key, VERSION, evidence_digest, root=plan.uid_root)
    before = [dcmread(one.path, stop_before_pixels=True) for one in making.previous if one.key == key]
    document = _CLASSES[sr_class](
        evidence=evidence,
        content=_frame(headers)[0],
        series_instance_uid=series,
        series_number=SERIES_NUMBER,
        sop_instance_uid=uid,
        instance_number=moment.generation,
        manufacturer=NAME,
        is_complete=True,
        is_final=False,
        institution_name=plan.organisation or None,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        specific_character_set="ISO_IR 192",
        previous_versions=[one for one in before[:1] if uid != one.SOPInstanceUID] or None,
        contributing_equipment=[_processing_equipment()],
        coding_schemes=[
            CodingSchemeIdentificationItem(
                PRIVATE_SCHEME, uid=_SCHEME_UID, name="nmus private codes", version="1", responsible_organization=NAME
            )
        ],
    )
    document.SeriesDescription = f"nmus measurements{' (research)' if plan.content_qualification == 'RESEARCH' else ''}"
    for item in document.get("PredecessorDocumentsSequence", []):
        _name_the_purpose(item)
    make_ours(document, evidence[0], plan.content_qualification)
    freeze(document, moment.time)
    add_comparisons(document, content, headers)
    _fill(document, content, headers, plan)
    name = f"{uid}.dcm"
    document.save_as(making.folder / name, enforce_file_format=True)
    return ReportObject(
        uid, SR_CLASSES[sr_class], series, str(ExplicitVRLittleEndian), "sr", key, moment.generation, name, sr_class
    )


def _frame(headers: Mapping[str, Dataset]) -> sr.MeasurementReport:
    """The report without what was found: who observed, which procedure, which images."""
    observer = sr.ObserverContext(
        observer_type=concept(codes.DEVICE),
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=_DEVICE_UID, name=NAME, manufacturer_name=NAME, model_name=NAME, serial_number=VERSION
        ),
    )
    return sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=concept(codes.IMAGING_PROCEDURE),
        imaging_measurements=[_placeholder()],
        title=concept(codes.IMAGING_MEASUREMENT_REPORT),
        referenced_images=[one for one in headers.values() if "Rows" in one],
    )


def _fill(document: Dataset, content: Content, headers: Mapping[str, Dataset], plan: Plan) -> None:
    """Put what was found into its places, encoded; from here on the document is only written."""
    first = headers[min(headers)]
    subjects = Subjects(headers, dict(content.parameters), pseudonym(first, plan.tracking_secret))
    measurements = _container(document, codes.IMAGING_MEASUREMENTS)
    if groups := _groups(content.results, subjects):
        _put(measurements, groups)
    else:  # highdicom insists on a group, viewers on the container: it stays, empty
        del measurements.ContentSequence
    if told := evaluations(content, headers):
        container = _container(document, codes.QUALITATIVE_EVALUATIONS)
        _put(container, [*told, *(_encoded(item) for item in container.get("ContentSequence", ()))])
    _as_encoded(document)


def _container(document: Dataset, name: Code) -> Dataset:
    """The heading of that name, made where there is none."""
    for item in document.ContentSequence:
        if item.name == concept(name):
            return cast(Dataset, item)
    made = sr.ContainerContentItem(concept(name), relationship_type=_CONTAINS)
    document.ContentSequence.append(made)
    return made


def _put(container: Dataset, items: Sequence[Item]) -> None:
    content = content_sequence(items)
    container[content.tag] = content
    _as_encoded(container)


def _encoded(item: Dataset) -> Item:
    """What highdicom made, as the tree's own items are."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_sequence_item(buffer, item, ["utf8"])
    return bytes(buffer.getvalue())


def _as_encoded(dataset: Dataset) -> None:
    """Tell pydicom that encoded elements are in the document's own encoding, so that it writes them as they are."""
    dataset.set_original_encoding(False, True, dataset._character_set)


def _groups(results: Sequence[Result], subjects: Subjects) -> list[Item]:
    """Acquisitions first, for they hold the values to report; then their images one by one."""
    groups = []
    for result in results:
        numbers = {clip.sop_instance_uid: number for number, clip in enumerate(result.acquisition.clips, 1)}
        for finding in sorted(_findings(result), key=lambda one: one.scope is not Scope.ACQUISITION):
            number = 0 if finding.scope is Scope.ACQUISITION else numbers[finding.image.sop_instance_uid]
            parts = distinct(finding)
            groups += [group(result, one, number, subjects, part) for part, one in enumerate(parts, 1)]
    return groups


def _findings(result: Result) -> list[Finding]:
    return [one for one in result.outcomes if isinstance(one, Finding)]


def _placeholder() -> sr.MeasurementsAndQualitativeEvaluations:
    return sr.MeasurementsAndQualitativeEvaluations(sr.TrackingIdentifier(_DEVICE_UID, "none"))


def _processing_equipment() -> ContributingEquipment:
    return ContributingEquipment(
        manufacturer=NAME,
        purpose_of_reference=concept(codes.PROCESSING_EQUIPMENT),
        manufacturer_model_name=NAME,
        software_versions=VERSION,
    )


def _name_the_purpose(item: Dataset) -> None:
    """Say of each predecessor that this report replaces it (PS3.16 CID 7008)."""
    for series in item.ReferencedSeriesSequence:
        for reference in series.ReferencedSOPSequence:
            code = Dataset()
            code.CodeValue = codes.REPLACED_REPORT.value
            code.CodingSchemeDesignator = codes.REPLACED_REPORT.scheme
            code.CodeMeaning = codes.REPLACED_REPORT.meaning
            reference.PurposeOfReferenceCodeSequence = DicomSequence([code])
