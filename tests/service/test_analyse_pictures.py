"""Pictures and videos get reports too: a DICOM copy stands for each, and the report refers to it."""

from __future__ import annotations

import json
import shutil
import subprocess

import cv2
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from plugins.contract import ArrayFrames, Clip, Subject
from service.analyse.read_picture import read_picture
from service.commands import main
from service.report.picture_copy import picture_copy, study_of
from service.report.values import Moment

SUBJECT = Subject(age_years=44, sex="F", height_cm=170.4, weight_kg=66)


@pytest.fixture
def picture(tmp_path):
    pixels = np.random.default_rng(5).integers(40, 90, (201, 241), np.uint8)  # an odd number of pixels: padded
    path = tmp_path / "muscle.png"
    Image.fromarray(pixels).save(path)
    return path, pixels


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "muscle.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 20, (320, 240), isColor=True)
    for index in range(12):
        writer.write(np.full((240, 320, 3), 40 + index, np.uint8))
    writer.release()
    return path


@pytest.fixture
def moment():
    from datetime import UTC, datetime

    return Moment(datetime(2026, 1, 5, 9, tzinfo=UTC), 1)


def whole(tmp_path, path, *more):
    regions = tmp_path / "regions.json"
    box = {"box": [20, 20, 200, 150], "structure": "biceps_brachii"}
    regions.write_text(json.dumps([box]))
    where = ["--structure", "biceps_brachii", "--side", "left", "--view", "transverse", "--regions", str(regions)]
    return main(["analyse", str(path), "--spacing-mm", "0.1", "0.2", *where, "--out", str(tmp_path / "out"), *more])


def test_a_picture_gets_report_overlays_and_a_copy_that_they_refer_to(tmp_path, picture):
    path, pixels = picture
    assert whole(tmp_path, path, "--subject", "age=44,sex=F,height_cm=170.4,weight_kg=66") == 0
    made = [dcmread(one) for one in sorted((tmp_path / "out").glob("*.dcm"))]
    (image,) = [one for one in made if one.Modality == "US" and one.SOPClassUID.name == "Ultrasound Image Storage"]
    (report,) = [one for one in made if one.Modality == "SR"]
    assert np.array_equal(image.pixel_array, pixels)
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert evidence.ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert {one.StudyInstanceUID for one in made} == {image.StudyInstanceUID}
    region = image.SequenceOfUltrasoundRegions[0]
    assert (region.PhysicalDeltaY, region.PhysicalDeltaX) == pytest.approx((0.01, 0.02))
    assert (image.PatientAge, image.PatientSex, str(image.PatientName)) == ("044Y", "F", "")
    assert image.PatientSize == pytest.approx(1.704)
    assert image.LossyImageCompression == "00"
    assert list((tmp_path / "out").glob("*.png"))


def test_the_copy_measures_what_the_picture_measures(tmp_path, picture, capsys):
    path, _ = picture
    whole(tmp_path, path, "--json")
    first = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (copy,) = (tmp_path / "out").glob("image-*.dcm")
    whole(tmp_path, copy, "--json")
    again = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    figures = [[one["measurements"] for one in lines if one.get("scope") == "image"] for lines in (first, again)]
    assert figures[0]
    assert figures[0] == figures[1]


def test_a_video_is_copied_frame_by_frame_with_its_time_base(tmp_path, video, moment):
    clip = read_picture(video)
    copy = dcmread(picture_copy(clip, study_of([clip]), SUBJECT, moment, tmp_path))
    assert copy.NumberOfFrames == 12
    assert copy.FrameTime == 50
    assert copy.LossyImageCompression == "01"
    frames = copy.pixel_array
    for index in (0, 11):
        assert np.abs(frames[index].astype(int) - clip.frames.grey(index)).max() <= 2


def test_a_clip_without_a_time_base_is_refused(tmp_path, moment):
    clip = Clip("1.2.3", "1.2", ArrayFrames(np.zeros((3, 8, 8), np.uint8)))
    with pytest.raises(ValueError, match="frames a second"):
        picture_copy(clip, "1.2.4", SUBJECT, moment, tmp_path)


def test_the_same_pictures_are_always_the_same_study_and_bytes(tmp_path, picture, moment):
    clip = read_picture(picture[0])
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(picture_copy(clip, study_of([clip]), SUBJECT, moment, tmp_path / name).read_bytes())
    assert made[0] == made[1]


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
def test_dciodvfy_finds_no_error_in_a_copy(tmp_path, picture, video, moment):
    for path in (picture[0], video):
        clip = read_picture(path)
        copy = picture_copy(clip, study_of([clip]), SUBJECT, moment, tmp_path)
        said = subprocess.run(["dciodvfy", str(copy)], capture_output=True, text=True, check=False).stderr
        assert [line for line in said.splitlines() if line.startswith("Error")] == []
