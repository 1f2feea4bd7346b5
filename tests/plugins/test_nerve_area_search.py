"""The search from a seed: paths with known answers, and what must not change a nerve's area."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from plugins.contract import Spacing
from plugins.nerve_area import suggestion, tracing
from plugins.nerve_area.crops import SIDE, Frame
from plugins.nerve_area.geometry import Ellipse, from_axis_ends, of_mask
from plugins.nerve_area.path import closed_path, inside_gain, refined
from plugins.outlines import mask_of

STEP = 0.07
SPACING = Spacing(STEP, STEP)
SHAPE = (240, 260)
NERVE = Ellipse(128 * STEP, 110 * STEP, 30 * STEP, 19 * STEP, 0.0)


def picture(nerve: Ellipse = NERVE, seed: int = 0) -> np.ndarray:
    """Speckle with a nerve of dark fascicles in bright septa, in a rim that begins outside its border."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    dx, dy = columns * STEP - nerve.x_mm, rows * STEP - nerve.y_mm
    c, s = np.cos(nerve.angle), np.sin(nerve.angle)
    u, v = c * dx + s * dy, -s * dx + c * dy
    echo = np.full(SHAPE, 0.35)
    echo[np.hypot(u / (nerve.major_mm + 0.35), v / (nerve.minor_mm + 0.35)) < 1] = 1.6
    echo[np.hypot(u / nerve.major_mm, v / nerve.minor_mm) < 1] = 0.8
    for a, b in ((0, 0), (0.5, 0.1), (-0.5, 0.1), (0.25, 0.5), (-0.25, 0.5), (0.25, -0.5), (-0.25, -0.5)):
        echo[np.hypot(u - a * nerve.major_mm, v - b * nerve.minor_mm) < 0.28 * nerve.minor_mm] = 0.12
    field = [ndimage.gaussian_filter(rng.normal(size=SHAPE) * echo, (0.9, 1.8)) for _ in range(2)]
    decibel = 20 * np.log10(np.hypot(*field) * np.sqrt(1.6) + 1e-4)
    return (255 * (decibel + 50) / 55).clip(13, 255).astype(np.uint8)


def area(pixels: np.ndarray, seed: Ellipse, spacing: Spacing = SPACING) -> float:
    trace = tracing.from_ellipse(pixels, spacing, seed)
    assert trace is not None
    return float(mask_of(trace.outline, pixels.shape).sum()) * spacing.area_mm2


def turned(nerve: Ellipse, degrees: float) -> Ellipse:
    return Ellipse(nerve.x_mm, nerve.y_mm, nerve.major_mm, nerve.minor_mm, nerve.angle + np.deg2rad(degrees))


@given(st.integers(4, 26), st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_a_clean_disc_gives_its_own_radius(radius, seed):
    noise = np.random.default_rng(seed).normal(size=(72, 40)) * 0.2
    radii = np.arange(40) + 0.5
    log_odds = np.where(radii[None] < radius, 3.0, -3.0) + noise
    path = closed_path(inside_gain(log_odds, radii), 2)
    assert (path == radius - 1).all()
    assert refined(log_odds, path) == pytest.approx(radius - 0.5, abs=0.1)


def test_the_path_closes_and_keeps_its_bound():
    gain = np.random.default_rng(1).normal(size=(72, 30))
    path = closed_path(gain, 2)
    assert (np.abs(np.diff(np.append(path, path[0]))) <= 2).all()


def test_the_path_gains_as_much_as_any_closed_circle():
    gain = np.random.default_rng(2).normal(size=(72, 30))
    path = closed_path(gain, 2)
    assert gain[np.arange(72), path].sum() >= gain.sum(axis=0).max()


@given(st.floats(1.0, 4), st.floats(0.4, 1), st.floats(-1.5, 1.5))
@settings(max_examples=30, deadline=None)
def test_an_ellipse_survives_its_own_mask(major, share, angle):
    """Moments and area of an ellipse's pixels give it back to within half a pixel."""
    ellipse = Ellipse(9.0, 8.0, major, major * share, angle)
    mask = mask_of(ellipse.ring(Spacing(0.05, 0.05), 360), (320, 360))
    back = of_mask(mask, Spacing(0.05, 0.05))
    assert (back.x_mm, back.y_mm) == (pytest.approx(9.0, abs=0.02), pytest.approx(8.0, abs=0.02))
    assert back.area_mm2 == pytest.approx(ellipse.area_mm2, rel=0.05)
    assert back.major_mm == pytest.approx(ellipse.major_mm, abs=0.05)


def test_axis_ends_on_unequal_spacing():
    """Columns of 0.1 mm and rows of 0.2 mm: 20 columns by 10 rows is a circle."""
    circle = from_axis_ends(((40, 50), (60, 50), (50, 45), (50, 55)), Spacing(0.2, 0.1))
    assert (circle.major_mm, circle.minor_mm) == (pytest.approx(1.0), pytest.approx(1.0))


def test_a_crop_shows_the_picture_where_it_lies():
    """A single bright pixel at the frame's centre stays in the middle of the crop, mirrored and turned or not."""
    grey = np.zeros((101, 101), np.uint8)
    grey[50, 50] = 255
    for mirrored in (False, True):
        crop = Frame(50.5 * STEP, 50.5 * STEP, 1.0, 1.0, 0.3, mirrored).crop(grey, SPACING)
        row, column = ndimage.center_of_mass(crop)
        assert (row, column) == (pytest.approx(SIDE / 2 - 0.5, abs=0.3), pytest.approx(SIDE / 2 - 0.5, abs=0.3))


def test_a_crop_and_its_places_agree():
    """What the crop shows at an index lies where ``indices`` says."""
    frame = Frame(8.0, 7.0, 3.0, 2.0, 0.4, True)
    column, row = frame.indices(np.array([9.1]), np.array([6.2]))
    back = frame.matrix(SPACING) @ np.array([column[0], row[0], 1.0])
    assert back == pytest.approx([9.1 / STEP - 0.5, 6.2 / STEP - 0.5], abs=1e-3)


def test_the_search_corrects_a_seed_that_is_too_small_or_too_large():
    """Over speckle, the outline's area error is less than two thirds of that of its seed."""
    seeds, outlines = [], []
    for seed in range(6):
        scale = 0.9 if seed % 2 else 1.1
        drawn = Ellipse(NERVE.x_mm, NERVE.y_mm, NERVE.major_mm * scale, NERVE.minor_mm * scale, 0.05)
        seeds.append(abs(scale**2 - 1))
        outlines.append(abs(area(picture(seed=seed), drawn) / NERVE.area_mm2 - 1))
    assert np.mean(outlines) < 2 / 3 * np.mean(seeds)


@pytest.mark.parametrize("degrees", [-10, 10])
def test_a_seed_turned_by_ten_degrees_moves_the_area_by_under_three_per_cent(degrees):
    changes = []
    for seed in range(3):
        pixels = picture(seed=seed)
        changes.append(abs(area(pixels, turned(NERVE, degrees)) / area(pixels, NERVE) - 1))
    assert np.median(changes) < 0.03


def test_a_mirrored_picture_has_the_same_area():
    pixels = picture()
    mirrored = np.ascontiguousarray(pixels[:, ::-1])
    seed = Ellipse(SHAPE[1] * STEP - NERVE.x_mm, NERVE.y_mm, NERVE.major_mm, NERVE.minor_mm, 0.0)
    assert area(mirrored, seed) == pytest.approx(area(pixels, NERVE), rel=0.02)


def test_gain_and_offset_change_nothing():
    pixels = picture() // 2 + 20
    brighter = (pixels.astype(int) * 3 // 2 + 10).astype(np.uint8)
    assert area(brighter, NERVE) == pytest.approx(area(pixels, NERVE), rel=0.01)


def test_a_shifted_picture_shifts_the_outline():
    pixels = picture()
    moved = np.roll(pixels, (6, 9), (0, 1))
    there = Ellipse(NERVE.x_mm + 9 * STEP, NERVE.y_mm + 6 * STEP, NERVE.major_mm, NERVE.minor_mm, 0.0)
    first, second = tracing.from_ellipse(pixels, SPACING, NERVE), tracing.from_ellipse(moved, SPACING, there)
    assert first is not None
    assert second is not None
    assert np.asarray(second.outline) - np.asarray(first.outline) == pytest.approx(
        np.broadcast_to([9.0, 6.0], (len(first.outline), 2)), abs=0.1
    )


def test_twice_the_samples_is_the_same_area():
    """The same picture at half the spacing: the network sees the same crop."""
    pixels = picture()
    fine = cv2.resize(pixels, (2 * SHAPE[1], 2 * SHAPE[0]), interpolation=cv2.INTER_LINEAR)
    assert area(fine, NERVE, Spacing(STEP / 2, STEP / 2)) == pytest.approx(area(pixels, NERVE), rel=0.02)


def test_a_nerve_is_found_from_a_point():
    trace = tracing.from_point(picture(), SPACING, (NERVE.x_mm + 0.3, NERVE.y_mm), tracing.POINT_HALF_MM)
    assert trace is not None
    truth = mask_of(NERVE.ring(SPACING, 180), SHAPE)
    found = mask_of(trace.outline, SHAPE)
    assert 2 * (truth & found).sum() / (truth.sum() + found.sum()) > 0.8


def test_crops_cover_the_whole_picture():
    """Every place of a picture of 38 by 42 mm lies in a crop, and two millimetres beyond it."""
    for length in (6.0, 17.0, 38.0, 42.0):
        centres = suggestion._centres(length)
        assert centres.min() - suggestion.HALF_MM <= 0
        assert centres.max() + suggestion.HALF_MM >= length
        assert np.diff(centres).max(initial=0) <= suggestion.STEP_MM + 1e-9
