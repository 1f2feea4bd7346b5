"""Pictures that the decoder itself makes smaller: means of the pixels, and the same twitches seen in them."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import simplejpeg
from pydicom.uid import JPEGBaseline8Bit

from plugins.contract import (
    Acquisition,
    ArrayFrames,
    Clip,
    Finding,
    NoReferences,
    ReducedFrames,
    Side,
    Spacing,
    TissueRegion,
    View,
)
from plugins.fasciculation import Fasciculation
from plugins.images import Box
from service.analyse.read_frames import DicomFrames
from service.analyse.read_layout import layout_of, read_header
from service.demo.simulator import Cine, Faults, Picture, TransverseMuscle, Twitch, frame_times_s, frames


def read(path: object) -> DicomFrames:
    dataset, position = read_header(str(path))
    return DicomFrames(str(path), layout_of(dataset, str(path), position))


def speckle(rows: int, columns: int) -> np.ndarray:
    noise = np.random.default_rng(4).standard_normal((rows, columns)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return np.clip(110 + 35 * smooth / smooth.std(), 30, 225).astype(np.uint8)


def jpeg(picture: np.ndarray, colours: str, sampling: str = "444") -> bytes:
    if colours == "GRAY":
        return simplejpeg.encode_jpeg(picture[..., np.newaxis], quality=85, colorspace="GRAY")
    coloured = np.repeat(picture[..., np.newaxis], 3, axis=2)
    coloured[5:15, 5:25] = (250, 220, 40)
    return simplejpeg.encode_jpeg(coloured, quality=85, colorspace="RGB", colorsubsampling=sampling)


@pytest.mark.parametrize("by", [2, 4])
@pytest.mark.parametrize(("rows", "columns"), [(96, 128), (93, 121)])
@pytest.mark.parametrize(("colours", "sampling"), [("GRAY", "444"), ("RGB", "444"), ("RGB", "422"), ("RGB", "420")])
def test_a_reduced_jpeg_is_the_mean_of_its_luminance(  # noqa: PLR0917
    make_dataset, save, by: int, rows: int, columns: int, colours: str, sampling: str
) -> None:
    data = jpeg(speckle(rows, columns), colours, sampling)
    samples = {"SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_FULL_422"} if colours == "RGB" else {}
    blank = np.zeros((2, rows, columns), np.uint8)
    coded = read(save(make_dataset(blank, JPEGBaseline8Bit, **samples), frames=[data, data]))
    assert isinstance(coded, ReducedFrames)
    for frame, small in zip(coded.stream(), coded.reduced(by), strict=True):
        assert small.shape == (-(-rows // by), -(-columns // by))
        whole = frame[: rows // by * by, : columns // by * by]
        means = whole.reshape(rows // by, by, columns // by, by).mean(axis=(1, 3))
        difference = small[: rows // by, : columns // by] - means
        assert np.abs(difference).max() <= 2
        assert abs(difference.mean()) < 0.2


def test_pictures_without_a_transform_are_averaged(make_dataset, save) -> None:
    pixels = np.stack([speckle(30, 41)] * 2)
    stored = read(save(make_dataset(pixels)))
    (small,) = stored.reduced(2, 1)
    expected = pixels[1, :, :40].reshape(15, 2, 20, 2).mean(axis=(1, 3))
    assert small.shape == (15, 21)
    assert np.abs(small[:, :20] - expected).max() <= 0.5
    with pytest.raises(ValueError, match="2 or 4"):
        next(stored.reduced(3))


def test_twitches_are_the_same_in_reduced_pictures_as_in_whole_ones(make_dataset, save) -> None:
    picture = Picture(rows=400, columns=400, box=Box(11, 13, 389, 391), spacing_mm=0.09)
    muscle = TransverseMuscle(centre_mm=(17.0, 14.0), size_mm=(28.0, 15.0), bone_mm=None)
    made = (Twitch(1.6, 0.25, (15.0, 14.0), 0.5, angle_rad=0.4), Twitch(3.6, 0.2, (21.0, 13.0), 0.7, angle_rad=2.0))
    cine = Cine(muscle, picture, made, duration_s=5.0, faults=Faults(noise=0.02), seed=5)
    data = [simplejpeg.encode_jpeg(each[..., np.newaxis], quality=80, colorspace="GRAY") for each in frames(cine)]
    blank = np.zeros((len(data), picture.rows, picture.columns), np.uint8)
    coded = read(save(make_dataset(blank, JPEGBaseline8Bit), frames=data))
    whole = ArrayFrames(np.stack(list(coded.stream())))
    region = TissueRegion(picture.box, Spacing(picture.spacing_mm, picture.spacing_mm))
    clip = Clip("1.2.3", "1.2", coded, (region,), frame_times_s(cine))
    reduced, full = (events_of(replace(clip, frames=each)) for each in (coded, whole))
    assert len(full) == len(made)
    assert [event.frame for event in reduced] == [event.frame for event in full]
    assert [event.centre for event in reduced] == [event.centre for event in full]
    for one, other in zip(reduced, full, strict=True):
        height = other.properties["peak_displacement_mm"]
        assert one.properties["peak_displacement_mm"] == pytest.approx(height, rel=0.03)


def events_of(clip: Clip) -> list:
    acquisition = Acquisition("biceps_brachii", Side.LEFT, None, View.TRANSVERSE, (clip,))
    (finding,) = Fasciculation(minimum_s=1.0).analyse(acquisition, NoReferences())
    assert isinstance(finding, Finding)
    return [event for event in finding.events if event.accepted]
