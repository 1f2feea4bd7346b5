"""MPEG-2, H.264 and HEVC, in DICOM and bare: grey levels come back, and a stream that is not what it claims is refused.

``streams/`` holds six frames of 48 × 64 each: frame i is a ramp from 40 + 30 i, rising by one each column, up to 255.
"""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from pydicom.encaps import encapsulate

from plugins.contract import Spacing
from service.analyse.read import Image, read_file
from service.analyse.read_picture import read_picture
from service.analyse.read_video import video_file
from service.errors import Unanalysable

STREAMS = Path(__file__).parent / "streams"
SYNTAXES = {
    "h264.mp4": "1.2.840.10008.1.2.4.102",
    "h264.264": "1.2.840.10008.1.2.4.102",
    "hevc.mp4": "1.2.840.10008.1.2.4.107",
    "mpeg2.mpg": "1.2.840.10008.1.2.4.100",
}


def truth(index: int) -> np.ndarray:
    return np.minimum(40 + 30 * index + np.arange(64), 255)


def in_dicom(make_dataset, save, name: str, frames: int = 6, content: bytes | None = None) -> Path:
    dataset = make_dataset(np.zeros((frames, 48, 64, 3), np.uint8), SYNTAXES[name], FrameTime="40",
                           PhotometricInterpretation="YBR_PARTIAL_420")  # fmt: skip
    stream = content if content is not None else (STREAMS / name).read_bytes()
    dataset.PixelData = encapsulate([stream], has_bot=False)
    dataset["PixelData"].is_undefined_length = True
    return save(dataset)


@pytest.mark.parametrize("name", SYNTAXES)
def test_a_video_in_dicom_gives_its_grey_levels(make_dataset, save, name: str) -> None:
    read = read_file(in_dicom(make_dataset, save, name))
    assert isinstance(read, Image)
    frames = pickle.loads(pickle.dumps(read.clip.frames))  # noqa: S301 - our own value
    assert (frames.count, frames.shape) == (6, (48, 64))
    for index, grey in enumerate(frames.stream()):
        assert grey.dtype == np.uint8
        assert np.abs(grey.mean(axis=0) - truth(index)).max() < 6
        assert grey.mean() == pytest.approx(truth(index).mean(), abs=1.0)
    assert np.array_equal(frames.grey(4), list(frames.stream())[4])
    assert not frames.coloured(2).any()
    assert read.clip.device.lossy is True
    assert read.clip.frame_times_s[1] == pytest.approx(0.04)


def test_a_part_of_a_video_is_streamed_alone(make_dataset, save) -> None:
    read = read_file(in_dicom(make_dataset, save, "h264.mp4"))
    part = list(read.clip.frames.stream(2, 5))
    assert [round(float(grey.mean())) for grey in part] == [131, 161, 191]


@pytest.mark.parametrize(
    ("frames", "content", "words"),
    [
        (9, None, "ends after 6 of 9"),
        (6, b"#EXTM3U\nhttp://127.0.0.1:9/x.ts\n" * 20, "no container"),
        (6, b"ffconcat version 1.0\nfile '/etc/hostname'\n" * 20, "no container"),
        (6, b"\0\0\0\x01" + b"\0" * 300, "cannot be decoded|ends after"),
    ],
)
def test_a_stream_that_is_not_what_it_claims_is_refused(make_dataset, save, frames, content, words) -> None:
    """FFmpeg would follow a play list to other files and addresses: it is never shown one."""
    read = read_file(in_dicom(make_dataset, save, "h264.mp4", frames, content))
    with pytest.raises(Unanalysable, match=words):
        list(read.clip.frames.stream())


def test_a_video_of_another_size_than_declared_is_refused(make_dataset, save) -> None:
    path = in_dicom(make_dataset, save, "h264.mp4")
    dataset = make_dataset(np.zeros((6, 50, 64, 3), np.uint8), SYNTAXES["h264.mp4"])
    dataset.PixelData = encapsulate([(STREAMS / "h264.mp4").read_bytes()], has_bot=False)
    dataset["PixelData"].is_undefined_length = True
    read = read_file(save(dataset, path.name))
    with pytest.raises(Unanalysable, match="another size"):
        read.clip.frames.grey(0)


@pytest.mark.parametrize("name", ["h264.mp4", "hevc.mp4", "mpeg2.mpg"])
def test_a_bare_video_is_a_clip_with_its_own_rate(name: str) -> None:
    clip = read_picture(STREAMS / name, Spacing(0.1, 0.1))
    assert clip.frames.count == 6
    assert clip.frame_times_s == pytest.approx([index / 25 for index in range(6)])
    assert clip.regions[0].spacing == Spacing(0.1, 0.1)
    assert clip.frames.grey(3).mean() == pytest.approx(truth(3).mean(), abs=0.6)


def test_a_text_with_the_name_of_a_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    path.write_text("#EXTM3U\n" * 50)
    with pytest.raises(Unanalysable, match="no container"):
        video_file(path)


def test_nothing_is_left_in_the_temporary_folder(make_dataset, save, tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    frames = read_file(in_dicom(make_dataset, save, "h264.mp4")).clip.frames
    frames.grey(0)
    stream = frames.stream()
    next(stream)
    stream.close()
    assert list(folder.iterdir()) == []
    shutil.rmtree(folder)
