"""Presentation states and the PDF: what they hold, that validators take them, that the same work is the same bytes."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from plugins.codes import AREA, ECHOGENICITY, MEAN
from plugins.contract import (
    Acquisition,
    Action,
    ArrayFrames,
    Clip,
    Comparison,
    Conclusion,
    Finding,
    Flag,
    FrameRef,
    Line,
    LineRole,
    Measurement,
    NotAssessable,
    ReasonCode,
    Refusal,
    RefusalCode,
    Result,
    Side,
    View,
)
from service.analyse.read_drawn import drawings
from service.report import encapsulated_pdf, presentation_states
from service.report.assemble import reports
from service.report.values import Content, Making, Moment, Plan, Previous, ReportObject

NOW = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
STUDY, SERIES = "1.2.826.0.1.9", "1.2.826.0.1.9.1"
OUTLINE = ((20.25, 30.5), (120.0, 30.5), (120.0, 90.0), (20.25, 90.0), (20.25, 30.5))
STILL, CINE = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.3.1"


def source(folder: Path, number: int, *, frames: int = 1, colour: bool = False) -> Path:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = CINE if frames > 1 else STILL
    dataset.SOPInstanceUID = f"{SERIES}.{number}"
    dataset.file_meta.MediaStorageSOPClassUID, dataset.file_meta.MediaStorageSOPInstanceUID = (
        dataset.SOPClassUID,
        dataset.SOPInstanceUID,
    )
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.Modality = STUDY, SERIES, "US"
    dataset.PatientName, dataset.PatientID, dataset.PatientSex = "Müller^Änne <b>", "P&1", "F"
    dataset.PatientBirthDate, dataset.StudyDate, dataset.StudyTime = "19600401", "20260105", "0900"
    dataset.AccessionNumber, dataset.SeriesNumber, dataset.InstanceNumber = "A77", 1, number
    dataset.SpecificCharacterSet, dataset.ImageType = "ISO_IR 100", ["ORIGINAL", "PRIMARY"]
    dataset.Rows, dataset.Columns = 120, 160
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    if frames > 1:
        dataset.NumberOfFrames, dataset.FrameTime = frames, "40"
    dataset.PixelData = bytes(120 * 160 * frames * (3 if colour else 1))
    path = folder / f"source-{number}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def result(number: int, *, frame: int = 0, frames: int = 1, refused: bool = False, value: float = 79.2) -> Result:
    uid = f"{SERIES}.{number}"
    clip = Clip(uid, SERIES, ArrayFrames(np.full((frames, 120, 160), 90, np.uint8)))
    acquisition = Acquisition("biceps_brachii", Side.LEFT, None, View.TRANSVERSE, (clip,))
    if refused:
        line = Line(OUTLINE, LineRole.ALTERNATIVE)
        outcome: Finding | NotAssessable = NotAssessable(
            ReasonCode.NEEDS_REGION, "nothing is marked", "mark the muscle", FrameRef(uid, frame), (line,)
        )
    else:
        against = Comparison("biceps", "1.0.0", "abc", "synthetic-test", "Invented 2020, n=120", z=2.4, expected=60.0,
                             sd=8.0, upper_limit=76.0, limits="mean + 2 SD", outside="above")  # fmt: skip
        refusal = Refusal(RefusalCode.NO_REFERENCE, "no reference for area", "collect one")
        outcome = Finding(
            FrameRef(uid, frame),
            OUTLINE,
            (
                Measurement("echo_intensity_mean", ECHOGENICITY, value, "[arb'U]", MEAN, comparison=against),
                Measurement("area", AREA, 9.6, "mm2", comparison=refusal),
            ),
            flags=(Flag("few-images", Action.WARN, "Fewer than three images were averaged."),),
        )
    return Result("echogenicity", "0.1.0", acquisition, (outcome,))


def make(
    folder: Path, files: dict[str, Path], results: tuple[Result, ...], *, generation: int = 1, fingerprint: str = "f",
    previous: tuple[Previous, ...] = (), plan: Plan | None = None,
) -> dict[str, list[ReportObject]]:  # fmt: skip
    folder.mkdir(exist_ok=True)
    said = Conclusion("sides", "Left and right", "left 79, right not examined", source="Nobody 2020")
    content = Content(STUDY, results, (said,), (), (), fingerprint)
    plan = plan or Plan(secondary_capture=False, presentation_states=True, pdf=True, organisation="City Hospital")
    made: dict[str, list[ReportObject]] = {}
    for one in reports(content, files, Making(plan, Moment(NOW, generation), folder, previous)):
        made.setdefault(one.role, []).append(one)
    return made


@pytest.fixture
def exam(tmp_path: Path) -> tuple[dict[str, Path], tuple[Result, ...]]:
    paths = (source(tmp_path, 1), source(tmp_path, 2, colour=True), source(tmp_path, 3, frames=5))
    files = {f"{SERIES}.{number}": path for number, path in enumerate(paths, 1)}
    return files, (result(1), result(2), result(3, frame=3, frames=5))


def valid(path: Path) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.skip("dicom3tools is not installed")
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, timeout=30, check=False)
    assert [line for line in done.stderr.splitlines() if line.startswith("Error")] == []


def words(path: Path, folder: Path) -> str:
    tool = shutil.which("pdftotext")
    if tool is None:
        pytest.skip("poppler-utils is not installed")
    (folder / "read.pdf").write_bytes(dcmread(path).EncapsulatedDocument)
    done = subprocess.run([tool, "-layout", str(folder / "read.pdf"), "-"], capture_output=True, check=True, timeout=30)
    return done.stdout.decode()


def test_outlines_come_back_on_their_image_and_frame(exam, tmp_path) -> None:
    files, results = exam
    made = make(tmp_path / "out", files, results)["gsps"]
    classes = [one.sop_class_uid for one in made]
    assert classes == [presentation_states.GREY, presentation_states.COLOUR, presentation_states.GREY]
    for number, one in enumerate(made, 1):
        path = tmp_path / "out" / one.file
        dataset = dcmread(path)
        (drawn,) = [found for found in drawings(dataset, path) if len(found.region.points) > 2]
        assert drawn.sop_instance_uid == f"{SERIES}.{number}"
        assert np.allclose(drawn.region.points, OUTLINE)
        assert drawn.region.frame == (3 if number == 3 else 0)
        assert dataset.ReferencedSeriesSequence[0].ReferencedImageSequence[0].ReferencedSOPClassUID == (
            CINE if number == 3 else STILL
        )
        (text,) = dataset.GraphicAnnotationSequence[0].TextObjectSequence
        assert "biceps" in text.UnformattedTextValue.lower()
        assert "79.2" in text.UnformattedTextValue
        valid(path)


def test_candidates_have_a_layer_of_their_own(tmp_path) -> None:
    files = {f"{SERIES}.1": source(tmp_path, 1)}
    (one,) = make(tmp_path / "out", files, (result(1, refused=True),))["gsps"]
    dataset = dcmread(tmp_path / "out" / one.file)
    assert [item.GraphicLayer for item in dataset.GraphicLayerSequence] == ["NMUS CANDIDATES"]
    assert "not assessed" in dataset.GraphicAnnotationSequence[0].TextObjectSequence[0].UnformattedTextValue


def test_the_document_says_who_what_against_what_and_what_is_missing(exam, tmp_path) -> None:
    files, results = exam
    (one,) = make(tmp_path / "out", files, (*results[:2], result(3, refused=True, frames=5)))["pdf"]
    path = tmp_path / "out" / one.file
    dataset = dcmread(path)
    assert dataset.SOPClassUID == encapsulated_pdf.ENCAPSULATED_PDF
    assert dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength].startswith(b"%PDF")
    assert (dataset.PatientID, dataset.AccessionNumber, dataset.VerificationFlag) == ("P&1", "A77", "UNVERIFIED")
    valid(path)
    text = " ".join(words(path, tmp_path).split())
    for said in (
        "Müller, Änne <b>", "P&1", "1960-04-01 · female", "2026-01-05", "A77", "City Hospital", "79.2", "60 ± 8",
        "z +2.4", "above mean", "Invented 2020, n=120", "not compared", "no reference for area", "Left and right",
        "Nobody 2020", "Fewer than three images", "nothing is marked", "mark the muscle", "not verified by a person",
        "For research use", "no diagnosis", "page 1 of",
    ):  # fmt: skip
        assert said in text, said


def test_the_same_work_gives_the_same_bytes(exam, tmp_path) -> None:
    files, results = exam
    first, again = (make(tmp_path / name, files, results) for name in ("one", "two"))
    assert first == again
    for one in (*first["gsps"], *first["pdf"]):
        assert (tmp_path / "one" / one.file).read_bytes() == (tmp_path / "two" / one.file).read_bytes()


def test_what_changed_is_a_new_object_and_what_did_not_keeps_its_bytes(exam, tmp_path) -> None:
    files, results = exam
    first = make(tmp_path / "one", files, results)
    before = tuple(Previous(one.key, tmp_path / "one" / one.file) for one in (*first["gsps"], *first["pdf"]))
    changed = (result(1, value=80.0), *results[1:])
    later = make(tmp_path / "two", files, changed, generation=2, fingerprint="g", previous=before)
    assert later["gsps"][0].sop_instance_uid != first["gsps"][0].sop_instance_uid
    assert later["gsps"][0].series_instance_uid == first["gsps"][0].series_instance_uid
    assert later["gsps"][1:] == first["gsps"][1:]
    assert later["pdf"][0].sop_instance_uid != first["pdf"][0].sop_instance_uid
    assert later["pdf"][0].instance_number == 2
    for one, kept in zip(later["gsps"][1:], first["gsps"][1:], strict=True):
        assert (tmp_path / "two" / one.file).read_bytes() == (tmp_path / "one" / kept.file).read_bytes()


def test_what_nobody_asks_for_is_not_made(exam, tmp_path) -> None:
    files, results = exam
    assert set(make(tmp_path / "out", files, results, plan=replace(Plan(), secondary_capture=False))) == {"sr"}


def test_pictures_are_printed_two_to_a_page(exam, tmp_path) -> None:
    files, results = exam
    (one,) = make(tmp_path / "out", files, results)["pdf"]
    assert words(tmp_path / "out" / one.file, tmp_path).count("page ") == 3
