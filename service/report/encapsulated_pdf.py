"""The written report as Encapsulated PDF (PS3.3 A.45.1), for archives and records that show documents."""

from __future__ import annotations

from collections.abc import Mapping

from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian

from service.report import codes
from service.report.document import document
from service.report.identity import derived_uid, digest
from service.report.pictures import pictures
from service.report.previous import take_over
from service.report.source import NAME, VERSION, freeze, make_ours
from service.report.values import Content, Making, ReportObject

SERIES_NUMBER = 9005
ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
_COPIED = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge", "PatientSize",
    "PatientWeight", "StudyInstanceUID", "StudyID", "StudyDate", "StudyTime", "AccessionNumber",
    "IssuerOfAccessionNumberSequence", "ReferringPhysicianName", "StudyDescription",
)  # fmt: skip
"""Patient and study as the source has them (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2)."""


def encapsulated_pdf(content: Content, headers: Mapping[str, Dataset], making: Making) -> ReportObject:
    """Write the document of a study into ``making.folder``; what it says decides its UID.

    Parameters
    ----------
    headers:
        Prepared headers (:func:`service.report.source.header`) of all images of the study, by SOP Instance UID.
    """
    study, root = content.study_instance_uid, making.plan.uid_root
    asked = [making.plan.organisation, making.plan.content_qualification]
    uid = derived_uid("pdf", study, VERSION, digest([sorted(headers), content.fingerprint, *asked]), root=root)
    made = ReportObject(
        sop_instance_uid=uid,
        sop_class_uid=ENCAPSULATED_PDF,
        series_instance_uid=derived_uid("series", study, "pdf", root=root),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        role="pdf",
        key="pdf|study",
        instance_number=making.moment.generation,
        file=f"{uid}.dcm",
        title="Neuromuscular ultrasound report",
    )
    if (kept := take_over(made, making)) is not None:
        return kept
    first = headers[sorted(headers)[0]]
    shown = (one for one in pictures(content, making) if one.image.sop_instance_uid in headers)
    pdf = document(content, first, shown, making)
    dataset = _dataset(made, first, headers, making, pdf)
    dataset.save_as(making.folder / made.file, enforce_file_format=True)
    return made


def _dataset(
    made: ReportObject, first: Dataset, headers: Mapping[str, Dataset], making: Making, pdf: bytes
) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = made.sop_class_uid, made.sop_instance_uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(made.file, {}, file_meta=meta, preamble=b"\0" * 128)
    for keyword in _COPIED:
        if keyword in first:
            dataset[keyword] = first[keyword]
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = made.sop_class_uid, made.sop_instance_uid
    dataset.SeriesInstanceUID, dataset.SeriesNumber = made.series_instance_uid, SERIES_NUMBER
    dataset.Modality, dataset.ConversionType = "DOC", "SYN"
    research = " (research)" if making.plan.content_qualification == "RESEARCH" else ""
    dataset.SeriesDescription = f"{NAME} document{research}"
    dataset.InstanceNumber = made.instance_number
    for keyword in ("InstanceCreationDate", "ContentDate", "SeriesDate"):
        setattr(dataset, keyword, "19700101")  # the job's, see freeze
    for keyword in ("InstanceCreationTime", "ContentTime", "SeriesTime"):
        setattr(dataset, keyword, "000000")
    dataset.AcquisitionDateTime = f"{first.StudyDate}{first.StudyTime}" if first.StudyDate else ""
    dataset.BurnedInAnnotation, dataset.RecognizableVisualFeatures = "YES", "NO"
    dataset.SourceInstanceSequence = DicomSequence(_reference(headers[uid]) for uid in sorted(headers))
    dataset.DocumentTitle = made.title
    dataset.ConceptNameCodeSequence = DicomSequence([_title()])
    dataset.VerificationFlag = "UNVERIFIED"
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocumentLength = len(pdf)
    dataset.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    make_ours(dataset, first, making.plan.content_qualification)
    freeze(dataset, making.moment.time)
    return dataset


def _reference(source: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    return item


def _title() -> Dataset:
    item = Dataset()
    code = codes.IMAGING_MEASUREMENT_REPORT
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme, code.meaning
    return item
