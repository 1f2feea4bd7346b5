"""What reports and captures say around their content is what highdicom says of the same study."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import highdicom
import numpy as np
import pytest
from highdicom import sr
from highdicom._standard_utils import get_iod_module_map, get_module_attribute_map
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.datadict import keyword_for_tag
from pydicom.uid import JPEGBaseline8Bit

from plugins.contract import Acquisition, ArrayFrames, Clip, Finding, FrameRef, Result, Side, View
from service.report.assemble import reports
from service.report.encoding import MOST_SHORT, element, text
from service.report.source import STUDY_ATTRIBUTES, header
from service.report.values import Content, Making, Moment, Plan

CINE = Path(get_testdata_file("examples_ybr_color.dcm"))
NOW = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
LATER = {"InstanceCreationDate", "InstanceCreationTime", "ContentDate", "ContentTime", "ContributionDateTime"}
LATER |= {"DateOfSecondaryCapture", "TimeOfSecondaryCapture"}

pytestmark = pytest.mark.filterwarnings("ignore:The string:UserWarning")


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A scanner's image with as much about patient and order as one may hold."""
    dataset = dcmread(CINE)
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.PatientName, dataset.PatientID, dataset.PatientSex = "Müller^Änne", "4711", "F"
    dataset.PatientBirthDate, dataset.PatientSize, dataset.PatientWeight = "19610402", "1.68", "66.5"
    dataset.OtherPatientNames, dataset.PregnancyStatus = ["A^B", "C^D"], 4
    dataset.PatientComments, dataset.AccessionNumber, dataset.StudyID = "a comment of odd length", "ACC1", "7"
    dataset.FrameOfReferenceUID, dataset.StudyDescription = "1.2.3.4", "Arm"
    issuer = Dataset()
    issuer.LocalNamespaceEntityID = "Höfe"
    dataset.IssuerOfAccessionNumberSequence = [issuer]
    path = tmp_path_factory.mktemp("source") / "source.dcm"
    dataset.save_as(path)
    return path


def made(source: Path, folder: Path, plan: Plan) -> dict[str, Dataset]:
    """Report and capture by modality."""
    known = header(source)
    clip = Clip(known.SOPInstanceUID, known.SeriesInstanceUID, ArrayFrames(np.full((5, 240, 320), 80, np.uint8)))
    acquisition = Acquisition("biceps_brachii", Side.LEFT, None, View.TRANSVERSE, (clip,))
    finding = Finding(FrameRef(known.SOPInstanceUID, 4), ((9, 9), (90, 9), (90, 80), (9, 9)), ())
    content = Content(known.StudyInstanceUID, (Result("zoo", "1", acquisition, (finding,)),))
    objects = reports(content, {known.SOPInstanceUID: source}, Making(plan, Moment(NOW, 1), folder))
    return {dataset.Modality: dataset for dataset in (dcmread(folder / one.file) for one in objects)}


def differences(ours: Dataset, theirs: Dataset) -> set[str]:
    """Attributes in which two data sets differ, however deep; times of making apart."""
    found: set[str] = set()
    for tag in set(ours.keys()) | set(theirs.keys()):
        mine, other = ours.get(tag), theirs.get(tag)
        keyword = keyword_for_tag(tag)
        if keyword in LATER or mine == other:
            continue
        if mine is not None and other is not None and mine.VR == "SQ" and len(mine.value) == len(other.value):
            for one, two in zip(mine.value, other.value, strict=True):
                found |= {f"{keyword}.{name}" for name in differences(one, two)}
        else:
            found.add(keyword)
    return found


def test_a_report_s_frame_is_the_same(source, tmp_path) -> None:
    document = made(source, tmp_path, Plan(organisation="Höfe", secondary_capture=False))["SR"]
    known = header(source)
    observer = sr.ObserverContext(
        sr.CodedConcept("121007", "DCM", "Device"),
        sr.DeviceObserverIdentifyingAttributes(
            document.ContentSequence[2].UID, "nmus", "nmus", "nmus", document.SoftwareVersions
        ),
    )
    root = sr.MeasurementReport(
        sr.ObservationContext(observer_device_context=observer),
        sr.CodedConcept("363679005", "SCT", "Imaging procedure"),
        [sr.MeasurementsAndQualitativeEvaluations(sr.TrackingIdentifier("1.2", "none"))],
        sr.CodedConcept("126000", "DCM", "Imaging Measurement Report"),
        referenced_images=[known],
    )
    theirs = sr.Comprehensive3DSR(
        [known], root[0], document.SeriesInstanceUID, 9001, document.SOPInstanceUID, 1, "nmus",
        is_complete=True, institution_name="Höfe", specific_character_set="ISO_IR 192",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
    )  # fmt: skip
    expected = {
        "CodingSchemeIdentificationSequence", "ContentQualification", "DeviceSerialNumber", "ManufacturerModelName",
        "ReferencedRequestSequence", "SeriesDescription", "SoftwareVersions",
    }  # fmt: skip
    """What is ours to say, and what highdicom is not told here."""
    apart = ("ContributingEquipmentSequence", "ContentSequence")  # nmus made it, not highdicom; and it says something
    assert {one for one in differences(document, theirs) if not one.startswith(apart)} == expected
    assert [one.get("Manufacturer") for one in document.ContributingEquipmentSequence] == ["SonoSite, Inc.", "nmus"]
    # the content tree up to the findings
    for ours, other in zip(document.ContentSequence[:9], theirs.ContentSequence[:9], strict=True):
        assert differences(ours, other) == set()
    assert document.PatientName == "Müller^Änne"
    assert document.IssuerOfAccessionNumberSequence[0].LocalNamespaceEntityID == "Höfe"


@pytest.mark.parametrize("lossless", [False, True])
def test_a_capture_s_frame_is_the_same(source, tmp_path, lossless) -> None:
    capture = made(source, tmp_path, replace(Plan(), lossless_captures=lossless))["OT"]
    theirs = highdicom.sc.SCImage.from_ref_dataset(
        ref_dataset=header(source), pixel_array=np.zeros((capture.Rows, capture.Columns, 3), np.uint8),
        photometric_interpretation="RGB" if lossless else "YBR_FULL_422", bits_allocated=8,
        coordinate_system="PATIENT", series_instance_uid=capture.SeriesInstanceUID, series_number=9002,
        sop_instance_uid=capture.SOPInstanceUID, instance_number=capture.InstanceNumber, manufacturer="nmus",
        patient_orientation=("L", "F"), specific_character_set="ISO_IR 192",
        transfer_syntax_uid=capture.file_meta.TransferSyntaxUID,
    )  # fmt: skip
    expected = {
        "BurnedInAnnotation", "ContentQualification", "ConversionType", "DerivationDescription", "DeviceSerialNumber",
        "ImageComments", "ImageLaterality", "ImageType", "LossyImageCompression", "LossyImageCompressionMethod",
        "LossyImageCompressionRatio", "ManufacturerModelName", "PatientOrientation", "PixelData",
        "RecognizableVisualFeatures", "SeriesDescription", "SoftwareVersions", "SourceImageSequence",
        "StudyDescription", "PatientAge", "IssuerOfPatientID",
    }  # fmt: skip
    theirs.save_as(tmp_path / "theirs")  # times are objects until they are read back
    found = differences(capture, dcmread(tmp_path / "theirs"))
    assert {one for one in found if not one.startswith("ContributingEquipmentSequence")} <= expected
    assert capture.PatientName == "Müller^Änne"


def test_what_is_carried_over_is_what_the_standard_s_modules_hold() -> None:
    modules = [one["key"] for one in get_iod_module_map()["ultrasound-image"] if one["ie"] in ("Patient", "Study")]
    listed = get_module_attribute_map()
    expected = {one["keyword"] for module in modules for one in listed[module] if not one["path"]}
    assert {keyword_for_tag(tag) for tag in STUDY_ATTRIBUTES} == expected


def test_a_lossy_source_s_loss_stands_before_our_own(source, tmp_path) -> None:
    lossy = dcmread(source)
    lossy.LossyImageCompression, lossy.LossyImageCompressionRatio = "01", "8.5"
    lossy.LossyImageCompressionMethod = "ISO_15444_1"
    path = tmp_path / "lossy.dcm"
    lossy.save_as(path)
    capture = made(path, tmp_path, Plan())["OT"]
    assert capture.file_meta.TransferSyntaxUID == JPEGBaseline8Bit
    assert capture.LossyImageCompression == "01"
    assert list(capture.LossyImageCompressionMethod) == ["ISO_15444_1", "ISO_10918_1"]
    before, own = map(float, capture.LossyImageCompressionRatio)
    assert before == 8.5
    assert own == pytest.approx(capture.Rows * capture.Columns * 3 / len(capture.PixelData), rel=0.01)


def test_a_still_in_jpeg_is_the_drawn_picture_but_for_a_grey_level(source, tmp_path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    exact = made(source, tmp_path / "a", replace(Plan(), lossless_captures=True))["OT"]
    coded = made(source, tmp_path / "b", Plan())["OT"]
    assert exact.SOPInstanceUID != coded.SOPInstanceUID
    shown = highdicom.imread(tmp_path / "b" / f"{coded.SOPInstanceUID}.dcm").get_frame(1, dtype=np.uint8)
    difference = np.abs(exact.pixel_array.astype(int) - shown)
    assert difference.mean() < 1
    assert len(coded.PixelData) * 8 < len(exact.PixelData)


def test_a_text_too_long_for_its_kind_is_told_to_be_of_unknown_kind() -> None:
    written = text(0x00104000, "LT", "x" * (MOST_SHORT + 2))
    assert written[4:6] == b"UN"
    assert len(written) == 12 + MOST_SHORT + 3
    assert element(0x00104000, "LT", b"x" * 4)[4:6] == b"LT"
