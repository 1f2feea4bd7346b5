"""Rejection notes: Key Object Selection documents that say that objects are not to be used (IHE IOCM, TID 2010)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import highdicom.ko
from highdicom import sr
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian

from reference_store.values import Code
from service.report import codes
from service.report.identity import derived_uid, digest
from service.report.source import NAME, VERSION, freeze, make_ours

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"
SERIES_NUMBER = 9009
REASONS = {
    "quality": Code("113001", "DCM", "Rejected for Quality Reasons"),
    "safety": Code("113037", "DCM", "Rejected for Patient Safety Reasons"),
    "worklist": Code("113038", "DCM", "Incorrect Modality Worklist Entry"),
    "retention": Code("113039", "DCM", "Data Retention Policy Expired"),
}
"""How a reason is called on the command line, to the title of the document (CID 7010)."""


@dataclass(frozen=True, slots=True)
class Note:
    """A rejection note that was written to a file."""

    sop_instance_uid: str
    series_instance_uid: str
    path: Path


def write_note(
    rejected: Sequence[Path], reason: str, folder: Path, moment: datetime, *, text: str = "", uid_root: str = ""
) -> Note:
    """Write the note that rejects these objects of one study, which must be our own.

    Parameters
    ----------
    reason:
        A key of ``REASONS``.
    text:
        Why, in words for a reader; no patient data.
    """
    objects = [dcmread(path, stop_before_pixels=True) for path in rejected]
    first = objects[0]
    study = str(first.StudyInstanceUID)
    uid = derived_uid(
        "ko", study, REASONS[reason].value, digest(sorted(str(one.SOPInstanceUID) for one in objects)), root=uid_root
    )
    document = highdicom.ko.KeyObjectSelectionDocument(
        evidence=objects,
        content=_content(objects, REASONS[reason], text),
        series_instance_uid=derived_uid("series", study, "ko", root=uid_root),
        series_number=SERIES_NUMBER,
        sop_instance_uid=uid,
        instance_number=1,
        manufacturer=NAME,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        specific_character_set="ISO_IR 192",
    )
    document.SeriesDescription = "nmus rejection note"
    make_ours(document, first, str(first.get("ContentQualification", "RESEARCH")))
    freeze(document, moment)
    path = folder / f"{uid}.dcm"
    document.save_as(path, enforce_file_format=True)
    return Note(uid, str(document.SeriesInstanceUID), path)


def _concept(code: Code) -> sr.CodedConcept:
    """As highdicom takes it."""
    return sr.CodedConcept(code.value, code.scheme, code.meaning)


def _content(objects: Sequence[Dataset], title: Code, text: str) -> highdicom.ko.KeyObjectSelection:
    device = sr.ObserverContext(
        observer_type=_concept(codes.DEVICE),
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=derived_uid("device", NAME, VERSION), name=NAME, manufacturer_name=NAME, model_name=NAME
        ),
    )
    return highdicom.ko.KeyObjectSelection(
        document_title=_concept(title),
        referenced_objects=objects,
        observer_device_context=device,
        description=text or None,
    )
