"""Pictures that are no DICOM: exact grey levels, the caller's spacing, a UID from the bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from plugins.contract import Box, Spacing, TissueRegion
from service.analyse.read_layout import Limits
from service.analyse.read_picture import read_picture
from service.errors import Unanalysable


@pytest.fixture
def pixels():
    return np.random.default_rng(3).integers(0, 256, (30, 40), dtype=np.uint8)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_grey_levels_are_exact(tmp_path: Path, pixels, suffix: str) -> None:
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(pixels).save(path)
    clip = read_picture(path, Spacing(0.2, 0.1))
    assert np.array_equal(clip.frames.grey(0), pixels)
    assert clip.regions == (TissueRegion(Box(0, 0, 40, 30), Spacing(0.2, 0.1)),)
    assert clip.device.lossy is None
    assert clip.name == path.name


def test_a_palette_picture_is_read_by_its_colours(tmp_path: Path, pixels) -> None:
    picture = Image.fromarray(pixels).convert("P")
    picture.putpalette([255 - level for level in range(256) for _ in range(3)])
    picture.save(tmp_path / "image.png")
    assert np.array_equal(read_picture(tmp_path / "image.png").frames.grey(0), 255 - pixels)


def test_coloured_marks_are_masked(tmp_path: Path, pixels) -> None:
    rgb = np.repeat(pixels[..., None], 3, axis=2)
    rgb[4:6, 4:6] = (255, 230, 0)
    Image.fromarray(rgb).save(tmp_path / "image.png")
    mask = read_picture(tmp_path / "image.png").frames.coloured(0)
    assert mask.sum() == 4
    assert mask[4:6, 4:6].all()


def test_without_spacing_there_is_no_calibration(tmp_path: Path, pixels) -> None:
    Image.fromarray(pixels).save(tmp_path / "image.jpg")
    clip = read_picture(tmp_path / "image.jpg")
    assert clip.regions == ()
    assert clip.device.lossy is True


def test_the_uid_follows_the_bytes(tmp_path: Path, pixels) -> None:
    for name, content in (("a.png", pixels), ("b.png", pixels), ("c.png", 255 - pixels)):
        Image.fromarray(content).save(tmp_path / name)
    a, b, c = (read_picture(tmp_path / name).sop_instance_uid for name in ("a.png", "b.png", "c.png"))
    assert a == b != c
    assert a.startswith("2.25.")
    assert len(a) <= 64


@pytest.mark.parametrize("mode", ["I;16", "F"])
def test_pictures_of_more_than_eight_bits_are_refused(tmp_path: Path, mode: str) -> None:
    kinds = {"I;16": np.uint16, "F": np.float32}
    Image.fromarray(np.zeros((5, 5), kinds[mode])).save(tmp_path / "image.tif")
    with pytest.raises(Unanalysable, match="no grey levels"):
        read_picture(tmp_path / "image.tif")


def test_what_is_no_picture_or_too_large_is_refused(tmp_path: Path, pixels) -> None:
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(Unanalysable, match="cannot be decoded"):
        read_picture(tmp_path / "x.png")
    Image.fromarray(pixels).save(tmp_path / "y.png")
    with pytest.raises(Unanalysable, match="beyond what is taken"):
        read_picture(tmp_path / "y.png", limits=Limits(frame_pixels=100))
    Image.fromarray(pixels).save(tmp_path / "z.gif")
    with pytest.raises(Unanalysable, match="cannot be decoded"):
        read_picture(tmp_path / "z.gif")
