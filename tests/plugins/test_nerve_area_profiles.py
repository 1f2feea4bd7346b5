"""Along the nerve: diameters in a longitudinal image with known borders, areas in a sweep with known areas."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from plugins.contract import (
    Acquisition,
    ArrayFrames,
    Box,
    Clip,
    Finding,
    NoReferences,
    NotAssessable,
    ReasonCode,
    Region,
    RegionOrigin,
    RegionShape,
    Side,
    Spacing,
    TissueRegion,
    View,
)
from plugins.nerve_area import NerveArea

STEP = 0.07
ROWS, COLUMNS = 220, 400
TISSUE = TissueRegion(Box(0, 0, COLUMNS, ROWS), Spacing(STEP, STEP))


def speckled(echo: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    field = [ndimage.gaussian_filter(rng.normal(size=echo.shape) * echo, (0.8, 1.6)) for _ in range(2)]
    decibel = 20 * np.log10(np.hypot(*field) * np.sqrt(1.3) + 1e-4)
    return (255 * (decibel + 50) / 55).clip(13, 255).astype(np.uint8)


def lengthwise(half_px: np.ndarray, tilt: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A nerve from left to right with given half diameter per column; returns the picture and the middle line."""
    middle = 110 + tilt * (np.arange(COLUMNS) - COLUMNS / 2)
    distance = np.abs(np.arange(ROWS)[:, None] + 0.5 - middle[None]) - half_px[None]
    echo = np.where(distance < 0, 0.18, np.where(distance < 5, 1.8, 0.5))
    return speckled(echo, seed), middle


def analyse(clip: Clip, view: View, **parameters):
    acquisition = Acquisition("radial_nerve", Side.LEFT, "spiral_groove", view, (clip,))
    return NerveArea(**parameters).analyse(acquisition, NoReferences())


def caliper_clip(pixels: np.ndarray, middle: np.ndarray, half: float, column: int = 200) -> Clip:
    ends = ((column + 0.5, middle[column] - half), (column + 0.5, middle[column] + half))
    drawn = Region(RegionShape.CALIPER, ends, RegionOrigin.SCANNER)
    return Clip("1.2.3", "1.2", ArrayFrames(pixels), (TISSUE,), drawn=(drawn,))


def value(finding: Finding, name: str) -> float:
    return next(m.value for m in finding.measurements if m.name == name)


@pytest.mark.parametrize("tilt", [0.0, 0.15])
def test_an_even_nerve_has_its_diameter_and_no_constriction(tilt):
    pixels, middle = lengthwise(np.full(COLUMNS, 20.0), tilt)
    (finding,) = analyse(caliper_clip(pixels, middle, 20), View.LONGITUDINAL)
    # borders at right angles to the nerve: vertical distance times the cosine of the tilt
    truth = 40 * STEP / np.hypot(1, tilt)
    assert value(finding, "diameter_mean") == pytest.approx(truth, rel=0.05)
    assert value(finding, "profile_length") > 0.85 * COLUMNS * STEP
    assert finding.observations == ()


def test_an_hourglass_is_found_where_it_is():
    columns = np.arange(COLUMNS)
    half = 22 - 11 * np.exp(-(((columns - 260) / 22) ** 2))
    pixels, middle = lengthwise(half)
    (finding,) = analyse(caliper_clip(pixels, middle, 22, 120), View.LONGITUDINAL)
    assert value(finding, "diameter_minimum") == pytest.approx(22 * STEP, rel=0.15)
    assert value(finding, "calibre_ratio") == pytest.approx(0.5, abs=0.1)
    (mark,) = finding.lines
    assert mark.points[0][0] == pytest.approx(260, abs=8)
    assert "constriction" in finding.observations[0].text
    assert "nerve_diameter.csv" in finding.tables


def test_a_longitudinal_image_without_caliper_says_what_is_needed():
    pixels, _ = lengthwise(np.full(COLUMNS, 20.0))
    (outcome,) = analyse(Clip("1.2.3", "1.2", ArrayFrames(pixels), (TISSUE,)), View.LONGITUDINAL)
    assert isinstance(outcome, NotAssessable)
    assert outcome.code is ReasonCode.WRONG_VIEW
    assert "caliper" in outcome.remedy


def test_no_profile_without_borders():
    pixels = speckled(np.full((ROWS, COLUMNS), 0.5), 3)
    (outcome,) = analyse(caliper_clip(pixels, np.full(COLUMNS, 110.0), 20), View.LONGITUDINAL)
    assert isinstance(outcome, NotAssessable)


def cross_section(half: tuple[float, float], centre: tuple[float, float], seed: int) -> np.ndarray:
    rows, columns = np.mgrid[:ROWS, :COLUMNS] + 0.5
    radius = np.hypot((columns - centre[0]) / half[0], (rows - centre[1]) / half[1])
    rim = np.hypot((columns - centre[0]) / (half[0] + 5), (rows - centre[1]) / (half[1] + 5))
    echo = np.where(radius < 1, 0.8, np.where(rim < 1, 1.6, 0.35))
    for u, v in ((0, 0), (0.5, 0.1), (-0.5, 0.1), (0.25, 0.5), (-0.25, 0.5), (0.25, -0.5), (-0.25, -0.5)):
        spot = np.hypot(columns - centre[0] - u * half[0], rows - centre[1] - v * half[1])
        echo = np.where(spot < 0.3 * half[1], 0.12, echo)
    return speckled(echo, seed)


def sweep() -> tuple[np.ndarray, np.ndarray]:
    """A nerve that drifts to the right and swells around frame 12; returns frames and true areas."""
    scale = 1 + 0.35 * np.exp(-(((np.arange(20) - 12) / 3.0) ** 2))
    frames = [cross_section((30 * s, 20 * s), (150 + 4 * k, 100), k) for k, s in enumerate(scale)]
    return np.stack(frames), np.pi * 600 * scale**2 * STEP**2


def test_a_sweep_finds_the_frame_of_the_largest_area():
    frames, areas = sweep()
    ends = ((122.0, 100.0), (182.0, 100.0), (152.0, 80.0), (152.0, 120.0))
    drawn = Region(RegionShape.ELLIPSE, ends, RegionOrigin.SCANNER, frame=0)
    clip = Clip("1.2.3", "1.2", ArrayFrames(frames), (TISSUE,), drawn=(drawn,))
    _, swept, total = analyse(clip, View.TRANSVERSE)
    assert value(swept, "frames_tracked") == 20
    assert abs(swept.image.frame - 12) <= 2
    assert value(swept, "area_variability") == pytest.approx(areas.max() / areas.min(), rel=0.2)
    assert swept.overlay_clip is not None
    assert len(swept.overlay_clip.marks) == 20
    largest, _ = swept.pages[0].panels
    ends, found = largest.text
    assert ends == "followed from frame 0 to 19 of 0 to 19"
    share = float(found.removeprefix("found in the marked frame: ").split()[0])
    assert share == pytest.approx(100, abs=25)
    assert value(total, "area") == pytest.approx(areas[0], rel=0.05)


def test_a_sweep_stops_where_the_nerve_is_lost():
    frames, _ = sweep()
    frames[10:] = speckled(np.full((ROWS, COLUMNS), 0.35), 99)
    ends = ((122.0, 100.0), (182.0, 100.0), (152.0, 80.0), (152.0, 120.0))
    drawn = Region(RegionShape.ELLIPSE, ends, RegionOrigin.SCANNER, frame=0)
    clip = Clip("1.2.3", "1.2", ArrayFrames(frames), (TISSUE,), drawn=(drawn,))
    _, swept, _ = analyse(clip, View.TRANSVERSE)
    assert 6 <= value(swept, "frames_tracked") <= 11
