"""The attributes by the Basic Application Level Confidentiality Profile (PS3.15 table E.1-1), and stricter.

The table is that of edition 2026c as the package dicom-anonymizer keeps it. Beyond it every private attribute goes,
and every text that nobody promised to be a code or a device's own: a scanner's free text may hold a name anywhere.
Options: Clean Pixel Data, Retain Longitudinal Temporal Information with Modified Dates, Retain Patient
Characteristics (sex, age with 90 and above as one, height, weight), Clean Structured Content.
"""

from __future__ import annotations

from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
from pydicom import DataElement, Dataset
from pydicom.datadict import keyword_for_tag
from pydicom.sequence import Sequence

from service.export.pseudonyms import Pseudonyms

_METHODS = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113101", "Clean Pixel Data Option"),
    ("113104", "Clean Structured Content Option"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    ("113108", "Retain Patient Characteristics Option"),
)
_TEXT = frozenset({"LO", "LT", "SH", "ST", "UT", "UC", "UR", "AE", "UN", "OB", "OW", "PN"})
_KEPT_TEXT = frozenset(
    {
        "Manufacturer", "ManufacturerModelName", "SoftwareVersions", "CodeValue", "LongCodeValue", "CodeMeaning",
        "CodingSchemeDesignator", "CodingSchemeVersion", "ContextIdentifier", "MappingResource", "PixelData",
        "PatientID", "PatientName", "StudyID", "AccessionNumber", "AlgorithmName", "AlgorithmVersion",
        "TransducerData", "ProcessingFunction",
    }
)  # fmt: skip
"""Texts that may stay, or that stand there as pseudonym or empty."""
_KEPT_LISTED = frozenset(
    {"PatientSex", "PatientAge", "PatientSize", "PatientWeight", "ContentSequence", "GraphicAnnotationSequence"}
)
_REFERENCES = "SourceImageSequence ReferencedImageSequence ReferencedSOPSequence"
_REMOVED = frozenset(map(tuple, table.X_TAGS))
_UIDS = frozenset(map(tuple, table.U_TAGS))
_EMPTIED = frozenset(map(tuple, [*table.Z_TAGS, *table.X_Z_TAGS]))
_DUMMY = frozenset(map(tuple, [*table.D_TAGS, *table.Z_D_TAGS, *table.X_D_TAGS, *table.X_Z_D_TAGS]))


def clean(dataset: Dataset, names: Pseudonyms, *more: tuple[str, str]) -> None:
    """De-identify a data set in place; pixels and graphics are other modules', which say what they did by ``more``."""
    _walk(dataset, names)
    dataset.PatientID = dataset.PatientName = names.patient
    dataset.PatientBirthDate = ""
    if "PatientAge" in dataset:
        dataset.PatientAge = _age(str(dataset.PatientAge or ""))
    dataset.AccessionNumber = dataset.StudyID = dataset.ReferringPhysicianName = ""
    dataset.PatientIdentityRemoved = "YES"
    dataset.LongitudinalTemporalInformationModified = "MODIFIED"
    dataset.DeidentificationMethod = "nmus: PS3.15 annex E, basic profile with options"
    dataset.DeidentificationMethodCodeSequence = Sequence([_method(*one) for one in (*_METHODS, *more)])


def _walk(dataset: Dataset, names: Pseudonyms) -> None:
    for element in list(dataset):
        tag = element.tag
        if tag.is_private or 0x5000 <= tag.group <= 0x60FF or not _stays(element):
            del dataset[tag]
        elif element.VR == "SQ":
            for item in element.value:
                _walk(item, names)
        elif element.VR == "UI":
            element.value = _uids(element, names)
        elif element.VR in {"DA", "DT"}:
            element.value = names.date(str(element.value or ""))
        elif element.VR == "PN":
            element.value = names.patient if element.value else ""
        elif _of_table(element, _EMPTIED) and keyword_for_tag(tag) not in _KEPT_LISTED:
            element.value = None
    if dataset.get("ValueType") in {"TEXT", "PNAME"}:
        _clean_content(dataset, names)


def _stays(element: DataElement) -> bool:
    keyword = keyword_for_tag(element.tag)
    if keyword in _KEPT_LISTED or keyword in _REFERENCES.split():
        return True
    if element.VR == "PN" or keyword == "TextValue":
        return True  # replaced below
    if element.VR in _TEXT and keyword not in _KEPT_TEXT:
        return False
    if element.VR in {"DA", "DT", "TM", "UI"}:
        return True  # moved; replaced
    dummy = _of_table(element, _DUMMY) and keyword not in _KEPT_TEXT
    return not (_of_table(element, _REMOVED) or dummy)


def _of_table(element: DataElement, tags: frozenset[tuple[int, ...]]) -> bool:
    return (element.tag.group, element.tag.element) in tags


def _uids(element: DataElement, names: Pseudonyms) -> object:
    if element.VM > 1:
        return [names.uid(str(one)) for one in element.value]
    return names.uid(str(element.value or ""))


def _clean_content(item: Dataset, names: Pseudonyms) -> None:
    """Content items of a report: texts and persons go, measurements, codes and references stay."""
    if "TextValue" in item:
        item.TextValue = "removed"
    if "PersonName" in item:
        item.PersonName = names.patient


def _age(text: str) -> str:
    """Ages of 90 and above name few people; they become one."""
    digits = text[:-1]
    return "090Y" if text.endswith("Y") and digits.isdigit() and int(digits) >= 90 else text


def _method(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return code
