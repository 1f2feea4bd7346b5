"""Fascicle angle and anisotropy: drawn truth, and three observers on published frames."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from plugins.contract import Spacing
from plugins.echogenicity.fibres import anisotropy_of, band_of, fibres_of, pennation_deg
from plugins.outlines import closed, mask_of

SPACING = Spacing(0.08, 0.08)


def streaked(angle_deg: float, contrast: float, seed: int = 0) -> np.ndarray:
    """Speckle wider than high over streaks that rise to the right by the angle."""
    rng = np.random.default_rng(seed)
    height, width = 200, 500
    row, column = np.mgrid[:height, :width] * 0.08
    across = column * np.sin(np.radians(angle_deg)) + row * np.cos(np.radians(angle_deg))
    level = np.full((height, width), 0.4)
    for at in np.cumsum(rng.uniform(0.8, 2.5, 60)) - 30:
        level += contrast * np.exp(-((across - at) ** 2) / (2 * 0.12**2))
    wave = (rng.normal(size=level.shape) + 1j * rng.normal(size=level.shape)) * level
    across_kernel, down_kernel = cv2.getGaussianKernel(41, 4.4), cv2.getGaussianKernel(21, 1.9)
    parts = [cv2.sepFilter2D(part, -1, across_kernel, down_kernel) for part in (wave.real, wave.imag)]
    size = np.hypot(*parts)
    return ((20 * np.log10(size / size.max() + 1e-6) + 60) / 60 * 255).clip(0, 255).astype(np.uint8)


def whole(grey: np.ndarray) -> np.ndarray:
    return np.ones(grey.shape, bool)


@pytest.mark.parametrize("angle", [-30, -12, -4, 3, 9, 17, 28])
@pytest.mark.parametrize("contrast", [0.7, 3.0])
def test_angle_of_drawn_streaks(angle, contrast):
    grey = streaked(angle, contrast)
    assert fibres_of(band_of(grey, whole(grey), SPACING)).angle_deg == pytest.approx(angle, abs=1.0)


def test_a_flipped_picture_has_the_opposite_angle():
    grey = streaked(13, 1.5)
    there, back = (fibres_of(band_of(g, whole(g), SPACING)).angle_deg for g in (grey, grey[:, ::-1].copy()))
    assert back == pytest.approx(-there, abs=0.3)


def test_speckle_much_wider_than_high_does_not_draw_the_angle_level():
    grey = cv2.GaussianBlur(streaked(15, 1.0), (0, 0), sigmaX=6, sigmaY=0.5)
    assert fibres_of(band_of(grey, whole(grey), SPACING)).angle_deg == pytest.approx(15, abs=2)


@pytest.mark.parametrize("seed", range(4))
def test_level_fascicles_cannot_be_told_from_speckle(seed):
    grey = streaked(0, 1.0, seed)
    assert fibres_of(band_of(grey, whole(grey), SPACING)) is None


def test_speckle_alone_has_no_direction():
    grey = streaked(0, 0.0)
    assert fibres_of(band_of(grey, whole(grey), SPACING)) is None


def test_anisotropy_orders_streaks_over_speckle():
    found = [
        anisotropy_of(band_of(g, whole(g), SPACING)) for g in (streaked(10, 0.0), streaked(10, 0.7), streaked(10, 3))
    ]
    assert found == sorted(found)
    assert 0 <= found[0] < found[-1] <= 1


def test_pennation_is_the_acute_angle_to_the_deep_aponeurosis():
    grey = streaked(15, 3.0)
    fibres = fibres_of(band_of(grey, whole(grey), SPACING))
    falling = ((0.0, 180.0), (500.0, 180.0 + 500 * np.tan(np.radians(5))))
    assert pennation_deg(fibres, falling, SPACING) == pytest.approx(20, abs=1)


def test_coarse_pixels_and_small_regions_give_no_direction():
    grey = streaked(10, 3.0)
    assert band_of(grey, whole(grey), Spacing(0.5, 0.5)) is None
    small = np.zeros(grey.shape, bool)
    small[10:20, 10:20] = True
    assert band_of(grey, small, SPACING) is None


TIMTRACK = Path(os.environ.get("NMUS_DATA", Path(__file__).parents[3] / "shared/data")) / "muscle_timtrack"
# Mean of three observers: angle between fascicles and superficial aponeurosis; the aponeurosis's own angle (one
# observer); our reading of the muscle's contour, in pixels of the whole frame.
FRAMES = {
    48: (16.2, -6.1, [(112, 160), (688, 190), (688, 378), (300, 378), (112, 355)]),
    56: (13.0, -4.7, [(110, 150), (685, 185), (685, 373), (355, 367), (110, 340)]),
    80: (16.2, -5.7, [(110, 160), (675, 200), (665, 395), (110, 370)]),
    92: (15.9, -6.1, [(112, 160), (688, 190), (688, 378), (300, 378), (112, 355)]),
}


@pytest.mark.data
@pytest.mark.skipif(not TIMTRACK.is_dir(), reason="the published frames are not here")
@pytest.mark.parametrize("frame", FRAMES)
def test_three_observers_on_the_gastrocnemius(frame):
    """Within 3° of the observers' mean, who differ by 1.5° (SD) among themselves."""
    seen, aponeurosis, points = FRAMES[frame]
    grey = cv2.imread(str(TIMTRACK / f"gastroc_jumping_{frame:03d}.png"), cv2.IMREAD_GRAYSCALE)
    band = band_of(grey, mask_of(closed(points), grey.shape), Spacing(10 / 115.25, 10 / 115.25))
    assert fibres_of(band).angle_deg - aponeurosis == pytest.approx(seen, abs=3)


@pytest.mark.data
@pytest.mark.skipif(not TIMTRACK.is_dir(), reason="the published frames are not here")
@pytest.mark.parametrize(
    ("frame", "points"),
    [
        ("064", [(110, 155), (685, 210), (685, 425), (355, 400), (110, 365)]),
        ("072", [(110, 155), (675, 200), (665, 430), (455, 425), (110, 365)]),
    ],
)
def test_a_contraction_whose_pieces_disagree_is_not_given_an_angle(frame, points):
    grey = cv2.imread(str(TIMTRACK / f"gastroc_jumping_{frame}.png"), cv2.IMREAD_GRAYSCALE)
    band = band_of(grey, mask_of(closed(points), grey.shape), Spacing(10 / 115.25, 10 / 115.25))
    assert fibres_of(band) is None
