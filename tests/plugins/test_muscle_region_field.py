"""The field of view is where the speckle is, whatever surrounds it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.echogenicity.region import field_mask, field_of_view
from plugins.echogenicity.region.field import TEXTURE_WINDOW
from plugins.images import Box

PLAIN = np.zeros((480, 640), bool)


def picture(box: Box, *, surround: int = 0, seed: int = 0) -> np.ndarray:
    """Speckle in a box, flat around it."""
    random = np.random.default_rng(seed)
    grey = np.full((480, 640), surround, np.uint8)
    shape = (box.row1 - box.row0, box.column1 - box.column0)
    grey[box.row0 : box.row1, box.column0 : box.column1] = random.rayleigh(40, shape).clip(1, 255)
    return grey


def apart(one: Box, other: Box) -> int:
    """The largest distance of two boxes' edges."""
    sides = ("column0", "row0", "column1", "row1")
    return max(abs(getattr(one, side) - getattr(other, side)) for side in sides)


@settings(max_examples=25, deadline=None)
@given(
    column=st.integers(0, 200),
    row=st.integers(0, 150),
    width=st.integers(150, 400),
    height=st.integers(150, 320),
    surround=st.sampled_from([0, 60, 128]),
)
def test_the_box_is_where_the_speckle_is(column: int, row: int, width: int, height: int, surround: int) -> None:
    truth = Box(column, row, column + width, row + height)
    assert apart(field_of_view(picture(truth, surround=surround), PLAIN, None), truth) <= 2


def test_letters_rulers_and_wedges_are_not_the_field() -> None:
    truth = Box(150, 60, 500, 420)
    grey = picture(truth)
    grey[10:30, 200:400:4] = 200  # a line of letters
    grey[60:420:20, 520:535] = 255  # a ruler
    grey[100:300, 590:610] = np.linspace(255, 0, 200).astype(np.uint8)[:, np.newaxis]  # a grey wedge
    assert apart(field_of_view(grey, PLAIN, None), truth) <= 2


@pytest.mark.parametrize("seed", range(3))
def test_a_banner_noisy_from_compression_and_the_makers_name_are_not_the_field(seed: int) -> None:
    truth = Box(150, 80, 500, 420)
    grey = picture(truth, seed=seed)
    random = np.random.default_rng(seed)
    grey[4:42] = random.integers(0, 3, (38, 640))  # what a codec leaves between letters
    grey[12:34, 4:632:9] = 220
    grey[100:122, 108:150] = random.integers(0, 255, (22, 42))
    assert apart(field_of_view(grey, PLAIN, None), truth) <= 8


def test_skin_over_black_fat_is_no_banner() -> None:
    truth = Box(150, 60, 500, 420)
    grey = picture(truth)
    grey[86:110, 150:500] = 0
    assert apart(field_of_view(grey, PLAIN, None), truth) <= 2


def test_dark_muscle_inside_the_field_stays_inside() -> None:
    truth = Box(100, 50, 500, 430)
    grey = picture(truth)
    dark = np.random.default_rng(1).random((120, 400)) < 0.12  # streaks in black
    grey[80:200, 100:500] = np.where(dark, 90, 0)
    assert apart(field_of_view(grey, PLAIN, None), truth) <= 2


def test_nothing_outside_the_calibrated_region_is_considered() -> None:
    grey = picture(Box(20, 20, 300, 400))
    grey[:, 320:] = picture(Box(320, 20, 620, 420), seed=2)[:, 320:]
    found = field_of_view(grey, PLAIN, Box(0, 0, 310, 480))
    assert apart(found, Box(20, 20, 300, 400)) <= 2


def test_a_region_larger_than_the_picture_is_clipped() -> None:
    found = field_of_view(picture(Box(50, 50, 400, 400)), PLAIN, Box(-5, -5, 641, 500))
    assert apart(found, Box(50, 50, 400, 400)) <= 2


def test_colour_is_not_texture() -> None:
    coloured = PLAIN.copy()
    coloured[:, 420:] = True
    grey = np.random.default_rng(0).integers(1, 255, (480, 640)).astype(np.uint8)
    assert field_of_view(grey, coloured, None).column1 <= 422


@pytest.mark.parametrize("value", [0, 97, 255])
def test_a_flat_picture_has_no_field_of_its_own(value: int) -> None:
    assert field_of_view(np.full((480, 640), value, np.uint8), PLAIN, None) == Box(0, 0, 640, 480)


def test_the_mask_leaves_out_the_corners_of_a_slanted_field() -> None:
    grey = picture(Box(100, 50, 500, 430))
    row, column = np.mgrid[:480, :640]
    outside = column < 100 + 0.25 * (row - 50)
    grey[outside] = 0
    box = field_of_view(grey, PLAIN, None)
    mask = field_mask(grey, PLAIN, box)
    truth = ~outside[box.row0 : box.row1, box.column0 : box.column1]
    assert (mask == truth).mean() > 0.97


@pytest.mark.parametrize(("nearest", "half_angle"), [(150, 0.5), (60, 0.7), (320, 0.3)])
def test_a_curved_fan_is_found_with_its_corners_left_out(nearest: int, half_angle: float) -> None:
    """A convex probe: an arc below an arc. The hull adds the sliver between the upper arc and its chord, no more."""
    rows, columns = np.mgrid[0:600, 0:800].astype(float)
    deep, across = rows - 40 + nearest, columns - 400
    radius, angle = np.hypot(deep, across), np.arctan2(across, deep)
    fan = (radius > nearest) & (radius < nearest + 420) & (np.abs(angle) < half_angle)
    picture = np.where(fan, np.random.default_rng(3).integers(20, 120, fan.shape), 0).astype(np.uint8)
    unmarked = np.zeros(fan.shape, bool)
    box = field_of_view(picture, unmarked, None)
    found = np.zeros(fan.shape, bool)
    found[box.row0 : box.row1, box.column0 : box.column1] = field_mask(picture, unmarked, box)
    assert (found & fan).sum() > 0.97 * fan.sum()
    # texture is told within a window, so the mask's edge lies up to half of one outside the fan
    reached = cv2.dilate(fan.astype(np.uint8), np.ones((TEXTURE_WINDOW + 2,) * 2, np.uint8)) > 0
    above_chord = (deep > nearest * np.cos(half_angle)) & (radius <= nearest)
    assert (found & ~reached & ~above_chord).sum() < 0.005 * fan.sum()


def test_the_mask_of_a_plain_field_is_all_of_it() -> None:
    grey = picture(Box(100, 50, 500, 430))
    assert field_mask(grey, PLAIN, field_of_view(grey, PLAIN, None)).mean() > 0.99
