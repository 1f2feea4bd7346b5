"""The measurement report of a study: DICOM SR, TID 1500, with one planar group for each finding.

What it holds and why is in docs/conformance.md. Identity, time stamps and encoding are fixed by what goes in, so the
same work gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian

from plugins.codes import PRIVATE_SCHEME
from plugins.contract import Finding, PriorReport, Result, Scope
from service.report import codes, tree
from service.report.basis import basis, by_study, evidence
from service.report.comparisons import comparisons, earlier_reports
from service.report.encoding import Elements, item, joined, sequence, taken, text, texts, write
from service.report.identity import derived_uid, digest
from service.report.measurement_groups import Subjects, distinct, group, pseudonym
from service.report.narrative import evaluations
from service.report.source import NAME, STUDY_ATTRIBUTES, VERSION
from service.report.tree import Item, Related
from service.report.values import SR_CLASSES, Content, Making, ReportObject

SERIES_NUMBER = 9001
_DEVICE_UID = derived_uid("device", NAME, VERSION)
_PROCEDURE_CODES = 0x00321064


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
    plan, study, sr_class = making.plan, content.study_instance_uid, key.split("|")[1]
    uid = derived_uid("sr", study, key, VERSION, evidence_digest, root=plan.uid_root)
    made = ReportObject(
        sop_instance_uid=uid,
        sop_class_uid=SR_CLASSES[sr_class],
        series_instance_uid=derived_uid("series", study, key, root=plan.uid_root),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        role="sr",
        key=key,
        instance_number=making.moment.generation,
        file=f"{uid}.dcm",
        sr_class=sr_class,
    )
    elements = _document(made, headers, making)
    if reports := earlier_reports(content):
        elements[0x0040A385] = _pertinent(elements, reports)
    elements[0x0040A730] = sequence(0x0040A730, _told(content, headers, making))
    write(making.folder / made.file, elements, made.transfer_syntax_uid)
    return made


def _document(made: ReportObject, headers: Mapping[str, Dataset], making: Making) -> Elements:
    """Everything but what is said (PS3.3 C.17.1 and C.17.2)."""
    images = [headers[uid] for uid in sorted(headers)]
    first, plan = images[0], making.plan
    research = " (research)" if plan.content_qualification == "RESEARCH" else ""
    template = text(0x00080105, "CS", "DCMR") + text(0x0040DB00, "CS", "1500")
    elements = taken(first, STUDY_ATTRIBUTES) | basis(made, first, making, modality="SR", series_number=SERIES_NUMBER)
    elements |= texts(
        {
            0x0008103E: ("LO", f"{NAME} measurements{research}"),
            0x0040A040: ("CS", "CONTAINER"),
            0x0040A050: ("CS", "CONTINUOUS"),
            0x0040A491: ("CS", "COMPLETE"),
            0x0040A493: ("CS", "UNVERIFIED"),
            0x0040A496: ("CS", "PRELIMINARY"),
        }
    )
    if plan.organisation:
        elements[0x00080080] = text(0x00080080, "LO", plan.organisation)
    lists = {
        0x00080110: [_scheme()],
        0x00081111: [],  # performed procedure steps: none is known
        0x0040A043: [tree.code_item(codes.IMAGING_MEASUREMENT_REPORT)],
        0x0040A372: [],
        0x0040A504: [item(template)],
    }
    elements |= {tag: sequence(tag, items) for tag, items in lists.items()}
    own = [one for one in images if one.StudyInstanceUID == first.StudyInstanceUID]
    other = [one for one in images if one.StudyInstanceUID != first.StudyInstanceUID]
    elements |= {tag: evidence(tag, named) for tag, named in ((0x0040A375, own), (0x0040A385, other)) if named}
    return elements | _predecessor(made, making) | _request(first)


def _pertinent(elements: Elements, reports: Sequence[PriorReport]) -> bytes:
    """Pertinent Other Evidence Sequence: other studies' images, as before, and the earlier reports."""
    studies: dict[str, dict[str, dict[str, str]]] = {}
    for one in sorted(reports, key=lambda one: (one.study_instance_uid, one.series_instance_uid)):
        series = studies.setdefault(one.study_instance_uid, {}).setdefault(one.series_instance_uid, {})
        series[one.sop_instance_uid] = one.sop_class_uid
    before = elements.get(0x0040A385, sequence(0x0040A385))[12:]
    return sequence(0x0040A385, [before, by_study(0x0040A385, studies)[12:]])


def _predecessor(made: ReportObject, making: Making) -> Elements:
    """The report that this one amends, with the purpose of the reference (PS3.16 CID 7008)."""
    before = next((one for one in making.previous if one.key == made.key), None)
    if before is None:
        return {}
    known = dcmread(before.path, stop_before_pixels=True)
    if known.SOPInstanceUID == made.sop_instance_uid:
        return {}
    one = {
        str(known.StudyInstanceUID): {str(known.SeriesInstanceUID): {str(known.SOPInstanceUID): str(known.SOPClassUID)}}
    }
    return {0x0040A360: by_study(0x0040A360, one, [tree.code_item(codes.REPLACED_REPORT)])}


def _request(source: Dataset) -> Elements:
    """Referenced Request Sequence (SR Document General, 1C) of what the scanner knew of the order."""
    accession = str(source.get("AccessionNumber", ""))
    if not accession:
        return {}
    known = next(iter(source.get("RequestAttributesSequence", []) or []), Dataset())
    asked = texts(
        {
            0x00080050: ("SH", accession),
            0x0020000D: ("UI", str(source.StudyInstanceUID)),
            0x00321060: ("LO", str(known.get("RequestedProcedureDescription", "") or "")),
            0x00401001: ("SH", str(known.get("RequestedProcedureID", "") or "")),
            0x00402016: ("LO", ""),  # placer's and filler's order numbers
            0x00402017: ("LO", ""),
        }
    )
    asked[0x00081110] = sequence(0x00081110)
    asked |= {_PROCEDURE_CODES: sequence(_PROCEDURE_CODES)} | taken(known, [_PROCEDURE_CODES])
    return {0x0040A370: sequence(0x0040A370, [item(joined(asked))])}


def _scheme() -> Item:
    """Whose the private codes are."""
    return item(
        joined(
            texts(
                {
                    0x00080102: ("SH", PRIVATE_SCHEME),
                    0x00080103: ("SH", "1"),
                    0x00080115: ("ST", "nmus private codes"),
                    0x00080116: ("ST", NAME),
                }
            )
        )
    )


def _told(content: Content, headers: Mapping[str, Dataset], making: Making) -> list[Item]:
    """The content tree under its root (TID 1500)."""
    context, modifies = Related.HAS_OBS_CONTEXT, Related.HAS_CONCEPT_MOD
    first = headers[min(headers)]
    subjects = Subjects(headers, dict(content.parameters), pseudonym(first, making.plan.tracking_secret))
    items = [
        tree.coded(modifies, codes.LANGUAGE, codes.ENGLISH),
        tree.coded(context, codes.OBSERVER_TYPE, codes.DEVICE),
        tree.uid(context, codes.OBSERVER_UID, _DEVICE_UID),
        tree.text(context, codes.OBSERVER_NAME, NAME),
        tree.text(context, codes.OBSERVER_MANUFACTURER, NAME),
        tree.text(context, codes.OBSERVER_MODEL, NAME),
        tree.text(context, codes.OBSERVER_SERIAL_NUMBER, VERSION),
        tree.coded(modifies, codes.PROCEDURE_REPORTED, codes.IMAGING_PROCEDURE),
    ]
    if library := [_library_entry(one) for one in headers.values() if "Rows" in one]:
        images = tree.container(Related.CONTAINS, codes.IMAGE_LIBRARY_GROUP, library)
        items.append(tree.container(Related.CONTAINS, codes.IMAGE_LIBRARY, [images]))
    # viewers insist on this container: without a finding it stays, empty
    items.append(tree.container(Related.CONTAINS, codes.IMAGING_MEASUREMENTS, _groups(content.results, subjects)))
    if told := [*evaluations(content, headers), *comparisons(content, headers)]:
        items.append(tree.container(Related.CONTAINS, codes.QUALITATIVE_EVALUATIONS, told))
    return items


def _library_entry(image: Dataset) -> Item:
    """An image with what it is (TID 1601 and 1602)."""
    related = Related.HAS_ACQ_CONTEXT
    told = [tree.coded(related, codes.MODALITY, codes.ULTRASOUND)]
    if image.get("FrameOfReferenceUID"):
        told.append(tree.uid(related, codes.FRAME_OF_REFERENCE, str(image.FrameOfReferenceUID)))
    told.append(tree.number(related, codes.PIXEL_ROWS, int(image.Rows), codes.PIXELS))
    told.append(tree.number(related, codes.PIXEL_COLUMNS, int(image.Columns), codes.PIXELS))
    names = str(image.SOPClassUID), str(image.SOPInstanceUID)
    return tree.image(Related.CONTAINS, codes.SOURCE, *names, children=told)


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
