"""Ten real ultrasound files of eight makers, each with exactly what must become of it, from reading to a valid report.

Files that the pydicom wheel carries run everywhere; the others where the published image sets lie.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import subprocess
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from plugins.codes import ECHOGENICITY, MEAN
from plugins.contract import Box, Finding, FrameRef, Measurement, ReasonCode, Result, Side
from service.analyse.exam import read_exam
from service.analyse.read import Image, Unread, read_file
from service.report.assemble import reports
from service.report.values import Content, Making, Moment, Plan

DATA = Path(os.environ.get("NMUS_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "dicom"
CARRIED = {"examples_jpeg2k.dcm", "examples_palette.dcm", "examples_rgb_color.dcm", "examples_ybr_color.dcm"}


@dataclass(frozen=True)
class Expected:
    """What reading a file must give: shape, calibrated regions as (box, mm per pixel), grey mean of the first frame."""

    shape: tuple[int, int]
    regions: tuple[tuple[Box, float | None], ...]
    mean: float
    coloured: float
    lossy: bool | None
    frames: int = 1
    frame_s: float | None = None
    remark: str = ""
    side: Side = Side.UNKNOWN


CROPPED = "resampled or cropped"
EXPECTED = {
    # the first region is no picture: format 0, type 0, pixel size 1.0
    "acuson_thyroid_rle.dcm": Expected((480, 640), ((Box(84, 48, 484, 416), 0.095368),), 37.4638, 0.00097, False),
    # two pictures side by side and a bar; stored values are palette indices of 16 bits
    "aloka_dual_region.dcm": Expected(
        (480, 640),
        ((Box(32, 24, 336, 416), 0.382653), (Box(336, 24, 640, 416), 0.382653)),
        29.438,
        0.11175,
        None,
        side=Side.RIGHT,
    ),
    # uncompressed YBR 4:2:2 that was compressed with loss before
    "esaote6100_msk_ybr422.dcm": Expected((555, 800), ((Box(184, 75, 800, 555), 0.0616),), 15.6318, 0.00341, True),
    "examples_jpeg2k.dcm": Expected((480, 640), (), 35.5989, 0.05163, False, remark="no calibration"),
    # its calibration is of a picture of 600 rows, of which 350 were kept
    "examples_palette.dcm": Expected(
        (350, 800), ((Box(120, 60, 800, 350), None),), 19.4428, 0.16502, False, remark=CROPPED
    ),
    "examples_rgb_color.dcm": Expected((240, 320), (), 35.3283, 0.06665, None, remark="no calibration"),
    # its calibration is of 640 × 480, the picture was halved: lengths would be wrong by a factor of two
    "examples_ybr_color.dcm": Expected(
        (240, 320), ((Box(84, 31, 320, 240), None),), 9.4816, 0.02342, True, frames=30, frame_s=0.033333, remark=CROPPED
    ),
    "philips_epiq_jpegll.dcm": Expected((768, 1024), ((Box(14, 38, 1011, 759), 0.254767),), 17.2578, 0, False),
    # no SOP Instance UID but in the file's header; RGB by the header, YBR by the JPEG; borders equal to the width
    "sonoque_anechoic-3mm-3mm.dcm": Expected((1455, 2083), ((Box(0, 0, 2083, 1455), 0.0291),), 32.729, 0.00003, True),
    "sonoque_axial-lateral-resolution-2020.dcm": Expected(
        (1455, 2083), ((Box(0, 0, 2083, 1455), 0.0291),), 34.9245, 0.00003, True
    ),
}


def path_of(name: str) -> Path:
    if name in CARRIED:
        return Path(get_testdata_file(name, download=False))
    if not (DATA / name).exists():
        pytest.skip("the published image sets are not here")
    return DATA / name


def quietly(path: Path) -> Image | Unread:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # these files hold values that pydicom warns of
        read = read_file(path)
    assert isinstance(read, Image | Unread)
    return read


real_files = pytest.mark.parametrize(
    "name", [name if name in CARRIED else pytest.param(name, marks=pytest.mark.data) for name in EXPECTED]
)


@real_files
def test_what_is_read_is_what_the_file_holds(name: str) -> None:
    read, expected = quietly(path_of(name)), EXPECTED[name]
    assert isinstance(read, Image)
    clip = pickle.loads(pickle.dumps(read.clip))  # noqa: S301 - our own value
    assert (clip.frames.shape, clip.frames.count) == (expected.shape, expected.frames)
    assert [region.box for region in clip.regions] == [box for box, _ in expected.regions]
    for region, (_, spacing) in zip(clip.regions, expected.regions, strict=True):
        if spacing is None:
            assert region.spacing is None
        else:
            assert (region.spacing.row_mm, region.spacing.column_mm) == pytest.approx((spacing, spacing), abs=1e-6)
    assert clip.device.lossy is expected.lossy
    assert (clip.frame_times_s or (0, None))[1] == (pytest.approx(expected.frame_s) if expected.frame_s else None)
    assert any(expected.remark in remark for remark in read.remarks) if expected.remark else read.remarks == ()
    assert clip.frames.grey(0).mean() == pytest.approx(expected.mean, abs=0.005)
    assert clip.frames.coloured(0).mean() == pytest.approx(expected.coloured, abs=0.0005)


@real_files
@pytest.mark.filterwarnings("ignore")
def test_nothing_is_taken_for_a_muscle_or_nerve(name: str) -> None:
    """None of these files says what nmus would measure: the structure is unknown, and that is a value."""
    exam = read_exam([str(path_of(name))], [])
    assert [(one.structure, one.side) for one in exam.acquisitions] == [(None, EXPECTED[name].side)]


KNOWN = (
    "<99NMUS>",  # a legal private scheme
    "needed to build DICOMDIR", "Value is zero", "Value dubious for this VR", "SIEMENS_RIS",  # the scanner's own values
    "not present in standard DICOM IOD", "Standard Extended SOP Class",  # its Requesting Service, copied by highdicom
    "only permitted to be empty when actually unknown",  # Laterality, which is unknown
)  # fmt: skip


@pytest.mark.acceptance
@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed")
@real_files
@pytest.mark.filterwarnings("ignore")
def test_a_valid_report_and_overlay_can_be_made_of_each(name: str, tmp_path: Path) -> None:
    """Whatever a header lacks or gets wrong: one odd file must not cost a study its report."""
    path = path_of(name)
    exam = read_exam([str(path)], [])
    clip = exam.acquisitions[0].clips[0]
    rows, columns = clip.frames.shape
    outline = tuple((x * columns, y * rows) for x, y in ((0.3, 0.3), (0.6, 0.3), (0.6, 0.6), (0.3, 0.6), (0.3, 0.3)))
    finding = Finding(
        FrameRef(clip.sop_instance_uid), outline, (Measurement("grey", ECHOGENICITY, 50, "[arb'U]", MEAN),)
    )
    content = Content("1.2.3", (Result("echogenicity", "0", exam.acquisitions[0], (finding,)),))
    making = Making(Plan(), Moment(datetime(2026, 1, 5, tzinfo=UTC), 1), tmp_path)
    made = reports(content, {clip.sop_instance_uid: path}, making)
    assert [one.role for one in made] == ["sr", "sc"]
    for one in made:
        assert dcmread(tmp_path / one.file).StudyInstanceUID == dcmread(path, stop_before_pixels=True).StudyInstanceUID
        said = subprocess.run(
            ["dciodvfy", str(tmp_path / one.file)], capture_output=True, text=True, check=False
        ).stderr
        lines = [line for line in said.splitlines() if line.startswith(("Error", "Warning"))]
        assert [line for line in lines if not any(known in line for known in KNOWN)] == []


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("CT_small.dcm", ReasonCode.NOT_ULTRASOUND, "CT"),
        ("JPEG2000.dcm", ReasonCode.NOT_ULTRASOUND, "NM"),
        ("rtplan.dcm", ReasonCode.NOT_ULTRASOUND, "RTPLAN"),
        ("waveform_ecg.dcm", ReasonCode.NOT_ULTRASOUND, "ECG"),
        ("image_dfl.dcm", ReasonCode.NOT_ULTRASOUND, "OT"),
        ("MR_truncated.dcm", ReasonCode.NOT_ULTRASOUND, "MR"),
        ("dicomdirtests/DICOMDIR", ReasonCode.NOT_ULTRASOUND, "Media Storage Directory"),
    ],
)
def test_other_objects_end_in_a_stated_reason(name: str, code: ReasonCode, words: str) -> None:
    found = get_testdata_file(name, download=False) or str(
        Path(get_testdata_file("CT_small.dcm", download=False)).parent / name
    )
    read = quietly(Path(found))
    assert isinstance(read, Unread)
    assert read.code is code
    assert words in read.text
    assert read.remedy
    assert not read.is_image


def test_reading_never_writes(tmp_path: Path) -> None:
    path = path_of("examples_ybr_color.dcm")
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    read = quietly(path)
    assert isinstance(read, Image)
    frames = list(read.clip.frames.stream())
    assert len(frames) == 30
    assert len({frame.tobytes() for frame in frames}) > 20
    assert all(frame.dtype == np.uint8 for frame in frames)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
