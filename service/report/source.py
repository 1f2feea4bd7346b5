"""The headers that results are made from, made whole; and the time stamps of results, made the job's own.

A scanner's file may lack what its IOD requires, or hold values that are not valid. The original is never touched: a
copy of its header gets empty values where the standard demands an attribute to be present.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from pydicom import Dataset, dcmread

from service import __version__
from service.report.encoding import CHARACTER_SET, tags_of

NAME, VERSION = "nmus", __version__
"""How results call their maker."""

_TYPE_2 = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
_MULTI_FRAME = frozenset({"1.2.840.10008.5.1.4.1.1.3", "1.2.840.10008.5.1.4.1.1.3.1"})
"""Ultrasound multi-frame image storage, and the retired one."""
_SEXES = {"M", "F", "O", ""}
_NOW_DATES = {"InstanceCreationDate", "ContentDate", "DateOfSecondaryCapture", "SeriesDate", "PresentationCreationDate"}
_NOW_TIMES = {"InstanceCreationTime", "ContentTime", "TimeOfSecondaryCapture", "SeriesTime", "PresentationCreationTime"}
_NOW_DATETIMES = {"ContributionDateTime", "ObservationDateTime"}
STUDY_ATTRIBUTES = tags_of(
    "ReferencedPatientSequence", "PatientName", "PatientID", "IssuerOfPatientID", "TypeOfPatientID",
    "IssuerOfPatientIDQualifiersSequence", "SourcePatientGroupIdentificationSequence",
    "GroupOfPatientsIdentificationSequence", "PatientBirthDate", "PatientBirthTime",
    "PatientBirthDateInAlternativeCalendar", "PatientDeathDateInAlternativeCalendar", "PatientAlternativeCalendar",
    "PatientSex", "QualityControlSubject", "StrainDescription", "StrainNomenclature", "StrainStockSequence",
    "StrainAdditionalInformation", "StrainCodeSequence", "GeneticModificationsSequence", "OtherPatientNames",
    "OtherPatientIDsSequence", "ReferencedPatientPhotoSequence", "EthnicGroupCodeSequence",
    "PatientSpeciesDescription", "PatientSpeciesCodeSequence", "PatientBreedDescription", "PatientBreedCodeSequence",
    "BreedRegistrationSequence", "ResponsiblePerson", "ResponsiblePersonRole", "ResponsibleOrganization",
    "PatientComments", "PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence",
    "ClinicalTrialSponsorName", "ClinicalTrialProtocolID", "ClinicalTrialProtocolName",
    "IssuerOfClinicalTrialProtocolID", "OtherClinicalTrialProtocolIDsSequence", "ClinicalTrialSiteID",
    "ClinicalTrialSiteName", "IssuerOfClinicalTrialSiteID", "ClinicalTrialSubjectID",
    "IssuerOfClinicalTrialSubjectID", "ClinicalTrialSubjectReadingID", "IssuerOfClinicalTrialSubjectReadingID",
    "ClinicalTrialProtocolEthicsCommitteeName", "ClinicalTrialProtocolEthicsCommitteeApprovalNumber", "StudyDate",
    "StudyTime", "AccessionNumber", "IssuerOfAccessionNumberSequence", "ReferringPhysicianName",
    "ReferringPhysicianIdentificationSequence", "ConsultingPhysicianName",
    "ConsultingPhysicianIdentificationSequence", "StudyDescription", "ProcedureCodeSequence", "PhysiciansOfRecord",
    "PhysiciansOfRecordIdentificationSequence", "NameOfPhysiciansReadingStudy",
    "PhysiciansReadingStudyIdentificationSequence", "ReferencedStudySequence", "StudyInstanceUID", "StudyID",
    "RequestingService", "RequestingServiceCodeSequence", "ReasonForPerformedProcedureCodeSequence",
    "AdmittingDiagnosesDescription", "AdmittingDiagnosesCodeSequence", "PatientAge", "PatientSize",
    "PatientSizeCodeSequence", "PatientBodyMassIndex", "MeasuredAPDimension", "MeasuredLateralDimension",
    "PatientWeight", "MedicalAlerts", "Allergies", "Occupation", "SmokingStatus", "AdditionalPatientHistory",
    "PregnancyStatus", "LastMenstrualDate", "PatientSexNeutered", "ReasonForVisit", "ReasonForVisitCodeSequence",
    "AdmissionID", "IssuerOfAdmissionIDSequence", "ServiceEpisodeID", "ServiceEpisodeDescription",
    "IssuerOfServiceEpisodeIDSequence", "PatientState", "ClinicalTrialTimePointID",
    "ClinicalTrialTimePointDescription", "LongitudinalTemporalOffsetFromEvent", "LongitudinalTemporalEventType",
    "ClinicalTrialTimePointTypeCodeSequence", "IssuerOfClinicalTrialTimePointID",
    "ConsentForClinicalTrialUseSequence",
)  # fmt: skip
"""What a report carries over from its images: modules of patient, clinical trial and study (PS3.3 C.7.1, C.7.2)."""
_PIXELS = {"PixelData", "FloatPixelData", "DoubleFloatPixelData"}


def header(path: Path) -> Dataset:
    """An image's header as results may build on it: without pixels, with every Type 2 attribute, in UTF-8."""
    dataset = dcmread(path, stop_before_pixels=True, force=True)
    _name_itself(dataset)
    for keyword in _TYPE_2:
        if keyword not in dataset or dataset[keyword].value is None:
            setattr(dataset, keyword, "")
    if str(dataset.PatientSex) not in _SEXES:
        dataset.PatientSex = ""
    for keyword in ("PatientBirthDate", "StudyDate"):
        if not _is_date(str(dataset[keyword].value)):
            setattr(dataset, keyword, "")
    if not re.fullmatch(r"(\d{2}){0,3}(\.\d{1,6})?", str(dataset.StudyTime)):
        dataset.StudyTime = ""
    dataset.decode()  # with its own character set, before it is said to be in ours
    dataset.SpecificCharacterSet = CHARACTER_SET
    return dataset


def _name_itself(dataset: Dataset) -> None:
    """Some devices name the object in the file's header alone; its modality goes without saying."""
    for keyword in ("SOPClassUID", "SOPInstanceUID"):
        if not dataset.get(keyword) and dataset.file_meta.get(f"MediaStorage{keyword}"):
            setattr(dataset, keyword, dataset.file_meta[f"MediaStorage{keyword}"].value)
    if not dataset.get("Modality"):
        dataset.Modality = "US"


def frame_numbers(source: Dataset, frame: int) -> list[int] | None:
    """How a reference names a frame, counted from 1; ``None`` for an image that has but one by its nature.

    Some scanners write clips as single-frame objects, and many write a Number of Frames of 1 into real ones.
    """
    if source.SOPClassUID in _MULTI_FRAME or int(source.get("NumberOfFrames") or 1) > 1:
        return [frame + 1]
    return None


def _is_date(text: str) -> bool:
    if not text:
        return True
    try:
        datetime.strptime(text, "%Y%m%d")  # noqa: DTZ007 - a birth date has no time zone
    except ValueError:
        return False
    return True


def freeze(dataset: Dataset, moment: datetime) -> None:
    """Put the job's time wherever a library wrote the present: the same work must give the same bytes."""
    day, clock = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                freeze(item, moment)
        elif element.keyword in _NOW_DATES:
            element.value = day
        elif element.keyword in _NOW_TIMES:
            element.value = clock
        elif element.keyword in _NOW_DATETIMES:
            element.value = day + clock


def make_ours(dataset: Dataset, source: Dataset, plan_qualification: str) -> None:
    """Say who made a result and for what, and carry over what belongs to the study."""
    dataset.Manufacturer = NAME
    dataset.ManufacturerModelName = NAME
    dataset.SoftwareVersions = VERSION
    dataset.DeviceSerialNumber = VERSION
    dataset.ContentQualification = plan_qualification
    for keyword in ("StudyDescription", "PatientAge", "IssuerOfPatientID", "ReferencedStudySequence"):
        if keyword in source and keyword not in dataset:
            dataset[keyword] = source[keyword]
