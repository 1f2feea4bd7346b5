"""The simulated exam: DICOM files that say what is in them, and a truth that fits the pixels."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest

from service.demo.exam import Truth, exam_shots, write_exam
from service.demo.exam_files import shot_dataset


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    folder = tmp_path_factory.mktemp("exam")
    return folder, write_exam(folder, seed=3)


def test_exam_is_whole(exam: tuple[Path, Truth]) -> None:
    folder, truth = exam
    images = {known.file for known in truth.files}
    assert {path.name for path in folder.glob("*.dcm")} == images | {
        "marks_median_nerve_left.dcm",
        "marks_biceps_brachii_left.dcm",
        "marks_biceps_brachii_right.dcm",
    }
    assert json.loads((folder / "truth.json").read_text())["study_instance_uid"] == truth.study_instance_uid


def test_every_file_is_calibrated_and_says_whose_it_is(exam: tuple[Path, Truth]) -> None:
    folder, truth = exam
    for known in truth.files:
        dataset = pydicom.dcmread(folder / known.file, stop_before_pixels=True)
        assert dataset.SOPInstanceUID == known.sop_instance_uid
        assert dataset.PatientName == "NMUS^DEMO"
        (region,) = dataset.SequenceOfUltrasoundRegions
        assert region.PhysicalDeltaX * 10 == pytest.approx(known.spacing_mm)
        points = np.array(known.outline)
        assert points[:, 0].min() >= region.RegionLocationMinX0
        assert points[:, 0].max() <= region.RegionLocationMaxX1 + 1
        told_by_code = "PrimaryAnatomicStructureSequence" in dataset
        assert told_by_code or known.structure.replace("_", " ") in dataset.SeriesDescription.lower()


def test_right_biceps_is_brighter_inside_its_outline_by_what_was_put_in(exam: tuple[Path, Truth]) -> None:
    """4 dB more echo on a 60 dB scale of 255 grey levels is 17 levels."""
    folder, truth = exam
    means = {}
    for side in ("left", "right"):
        known = next(known for known in truth.files if known.file == f"biceps_{side}_1.dcm")
        pixels = pydicom.dcmread(folder / known.file).pixel_array
        inside = np.zeros(pixels.shape, np.uint8)
        cv2.fillPoly(inside, [np.array(known.outline, np.int32)], 1)
        inside = cv2.erode(inside, np.ones((15, 15), np.uint8))
        means[side] = pixels[inside > 0].mean()
    assert means["right"] - means["left"] == pytest.approx(17, abs=3)


def test_cine_has_a_time_base_and_moves_where_it_twitches(exam: tuple[Path, Truth]) -> None:
    folder, truth = exam
    known = next(known for known in truth.files if known.twitches)
    dataset = pydicom.dcmread(folder / known.file)
    assert float(dataset.FrameTime) * dataset.NumberOfFrames == pytest.approx(1000 * float(dataset.EffectiveDuration))
    frames = dataset.pixel_array.astype(float)
    twitch = known.twitches[0]
    step = float(dataset.FrameTime) / 1000
    before, during = round((twitch.start_s - 0.04) / step), round(twitch.peak_s / step)
    change = cv2.blur(np.abs(frames[during] - frames[before]), (31, 31))
    column, row = (round(value) for value in twitch.centre)
    assert change[row, column] > 1.5 * np.median(change[60:420, 140:500])


def test_same_seed_gives_the_same_bytes_and_another_does_not(exam: tuple[Path, Truth], tmp_path: Path) -> None:
    folder, truth = exam
    shots = [shot for shot in exam_shots(3) if shot.cine is None]
    for number, shot in enumerate(shots[:2], start=1):
        shot_dataset(shot, 3, number, truth.study_instance_uid).save_as(tmp_path / "again", enforce_file_format=True)
        assert (folder / shot.file).read_bytes() == (tmp_path / "again").read_bytes(), shot.file
    other = shot_dataset(shots[0], 4, 1, truth.study_instance_uid)
    assert other.PixelData != pydicom.dcmread(folder / shots[0].file).PixelData


def test_the_sonographers_ellipse_lies_near_the_nerve(exam: tuple[Path, Truth]) -> None:
    folder, truth = exam
    known = next(known for known in truth.files if known.structure == "median_nerve")
    marks = pydicom.dcmread(folder / "marks_median_nerve_left.dcm")
    (graphic,) = marks.GraphicAnnotationSequence[0].GraphicObjectSequence
    ends = np.array(graphic.GraphicData).reshape(4, 2)
    points = np.array(known.outline)
    assert graphic.GraphicType == "ELLIPSE"
    assert ends.mean(axis=0) == pytest.approx((points.max(axis=0) + points.min(axis=0)) / 2, abs=4)
    assert np.ptp(ends, axis=0) == pytest.approx(np.ptp(points, axis=0), rel=0.2)


def test_the_trace_stays_inside_the_muscle(exam: tuple[Path, Truth]) -> None:
    folder, truth = exam
    marks = pydicom.dcmread(folder / "marks_biceps_brachii_right.dcm")
    assert len(marks.GraphicAnnotationSequence) == 3
    for annotation in marks.GraphicAnnotationSequence:
        uid = annotation.ReferencedImageSequence[0].ReferencedSOPInstanceUID
        outline = np.array(next(known for known in truth.files if known.sop_instance_uid == uid).outline, np.float32)
        points = np.array(annotation.GraphicObjectSequence[0].GraphicData, np.float32).reshape(-1, 2)
        assert (points[0] == points[-1]).all()
        assert all(cv2.pointPolygonTest(outline, (float(x), float(y)), False) > 0 for x, y in points)
