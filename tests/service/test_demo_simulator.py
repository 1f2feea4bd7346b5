"""The ultrasound simulator: speckle statistics, levels, motion and faults are what they are said to be."""

from __future__ import annotations

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.images import Box
from service.demo.simulator import (
    Breathing,
    Cine,
    Compression,
    Contraction,
    Drift,
    Faults,
    Jerk,
    LongitudinalMuscle,
    NerveScene,
    PassiveMovement,
    Picture,
    Probe,
    Pulse,
    TransverseMuscle,
    Tremor,
    Twitch,
    envelope,
    frame_times_s,
    frames,
    grey,
    scattered,
    still,
    twitches,
)
from service.demo.simulator.scenes import ASSESSABLE, MOVING, scene
from service.demo.simulator.warped import WarpedCine, warped_frames

SMALL = Picture(rows=260, columns=260, box=Box(10, 10, 250, 250), spacing_mm=0.1)
PLAIN = TransverseMuscle(centre_mm=(12.0, 12.0), size_mm=(22.0, 14.0), fat_mm=2.5, bone_mm=None)
NO_NOISE = Faults(noise=0.0)


def plain_envelope(seed: int, pitch_mm: float = 0.2, level: float = 1.0, picture: Picture = SMALL) -> np.ndarray:
    points = scattered(lambda x, _: np.full_like(x, level), picture, np.random.default_rng(seed), pitch_mm)
    return envelope(points.x_mm, points.z_mm, points.amplitude, picture, Probe())


@pytest.mark.parametrize("spacing_mm", [0.06, 0.1, 0.125])
@pytest.mark.parametrize("pitch_mm", [0.2, 0.22])
def test_speckle_is_fully_developed(spacing_mm: float, pitch_mm: float) -> None:
    """Rayleigh envelope, exponential intensity (Goodman 1975), from the nulls to the brightest grains.

    Mean over SD of the envelope is sqrt(pi / (4 - pi)) = 1.913, the SD of its logarithm 5.57 dB, and a share
    1 - exp(-k) of the pixels has less than k times the mean intensity.
    """
    picture = replace(SMALL, spacing_mm=spacing_mm)
    size = np.stack([plain_envelope(seed, pitch_mm, picture=picture) for seed in range(8)])
    intensity = size**2 / (size**2).mean()
    assert size.mean() / size.std() == pytest.approx(1.913, rel=0.03)
    assert (20 * np.log10(size)).std() == pytest.approx(5.57, rel=0.03)
    for level, within in ((0.01, 0.12), (0.1, 0.06), (0.5, 0.04), (1.0, 0.03), (2.0, 0.02)):
        assert (intensity < level).mean() == pytest.approx(1 - np.exp(-level), rel=within), level
    assert (intensity > 4).mean() == pytest.approx(np.exp(-4), rel=0.2)


def test_speckle_is_as_bright_everywhere() -> None:
    """No pattern of the grid or of the scatterers' lattice remains: rows and columns have the same mean intensity."""
    intensity = np.mean([plain_envelope(seed) ** 2 for seed in range(40)], axis=0)
    for axis in (0, 1):
        assert intensity.mean(axis=axis).std() < 0.06
        assert np.abs(intensity.mean(axis=axis) - 1).max() < 0.25


def test_grey_levels_are_those_of_rayleigh_speckle() -> None:
    """After log compression the nulls are there too: a Fisher-Tippett law with a long dark tail."""
    picture = replace(SMALL, reference_db=-25.0, dynamic_range_db=90.0)  # wide enough that nothing is cut off
    level = np.stack([grey(plain_envelope(seed), picture) for seed in range(8)])
    decibels = (level - level.mean()) * 90 / 255
    assert decibels.std() == pytest.approx(5.57, rel=0.03)
    assert (decibels**3).mean() / decibels.std() ** 3 == pytest.approx(-1.14, abs=0.12)


def test_speckle_has_the_size_of_the_pulse() -> None:
    """Autocorrelation of the intensity falls to 1/e at the root of two times the SD of the beam and of the pulse."""
    intensity = np.concatenate([plain_envelope(seed) ** 2 for seed in range(6)])
    intensity -= intensity.mean()
    across = [(intensity[:, : -lag or None] * intensity[:, lag:]).mean() / intensity.var() for lag in range(12)]
    deep = [(intensity[: -lag or None] * intensity[lag:]).mean() / intensity.var() for lag in range(12)]
    width_mm = 0.1 * np.interp(-np.exp(-1), -np.array(across), np.arange(12))
    height_mm = 0.1 * np.interp(-np.exp(-1), -np.array(deep), np.arange(12))
    assert width_mm == pytest.approx(np.sqrt(2) * Probe().lateral_sigma_mm, rel=0.1)
    assert height_mm == pytest.approx(np.sqrt(2) * Probe().axial_sigma_mm, rel=0.25)


@pytest.mark.parametrize("pitch_mm", [0.14, 0.2])
def test_mean_intensity_does_not_depend_on_the_number_of_scatterers(pitch_mm: float) -> None:
    assert (plain_envelope(1, pitch_mm) ** 2).mean() == pytest.approx(1.0, abs=0.12)


def test_six_decibels_are_a_tenth_of_a_scale_of_sixty() -> None:
    darker, brighter = (grey(plain_envelope(2, level=level), SMALL).mean() for level in (0.5, 1.0))
    assert brighter - darker == pytest.approx(255 * 6.02 / 60, abs=1.0)


@pytest.mark.parametrize(
    ("tissue", "shape"),
    [
        (PLAIN, "outline"),
        (LongitudinalMuscle(lower_mm=18.0, width_mm=24.0), "outline"),
        (NerveScene((12.0, 7.0)), "outline"),
    ],
)
def test_what_is_outlined_is_darker_than_its_border(tissue: object, shape: str) -> None:
    picture = still(tissue, SMALL, 3)  # type: ignore[arg-type]
    points = np.array([SMALL.point(*place) for place in getattr(tissue, f"{shape}_mm")], np.float32)
    inside = np.zeros(picture.shape, np.uint8)
    cv2.fillPoly(inside, [np.rint(points).astype(np.int32)], 1)
    rim = cv2.dilate(inside, np.ones((9, 9), np.uint8)) - inside
    box = SMALL.box
    rim[:, : box.column0] = rim[:, box.column1 :] = 0
    assert picture[cv2.erode(inside, np.ones((7, 7), np.uint8)) > 0].mean() < picture[rim > 0].mean() - 15


def test_nerve_area_is_that_of_its_ellipse() -> None:
    nerve = NerveScene()
    points = np.array(nerve.outline_mm[:-1])
    shifted = np.roll(points, -1, axis=0)
    polygon = abs((points[:, 0] * shifted[:, 1] - points[:, 1] * shifted[:, 0]).sum()) / 2
    assert polygon == pytest.approx(nerve.area_mm2, rel=0.01)


def shift_at(before: np.ndarray, after: np.ndarray, centre: tuple[float, float], half: int = 14) -> np.ndarray:
    """Displacement in pixels (column, row) of a window: best normalised correlation, a parabola through its peak."""
    column, row = (round(value) for value in centre)
    reach = 9
    window = before[row - half : row + half, column - half : column + half]
    around = after[row - half - reach : row + half + reach, column - half - reach : column + half + reach]
    alike = cv2.matchTemplate(around, window, cv2.TM_CCOEFF_NORMED)
    top, left = np.unravel_index(alike[1:-1, 1:-1].argmax(), (2 * reach - 1, 2 * reach - 1))
    across, down = alike[top + 1, left : left + 3], alike[top : top + 3, left + 1]
    between = [(side[0] - side[2]) / (2 * (side[0] - 2 * side[1] + side[2])) for side in (across, down)]
    return np.array([left + 1 - reach + between[0], top + 1 - reach + between[1]])


def test_tissue_moves_by_what_the_twitch_says_and_comes_back() -> None:
    twitch = Twitch(0.2, 0.4, (12.0, 12.0), 0.5, width_mm=(14.0, 12.0), angle_rad=0.0)
    cine = Cine(PLAIN, SMALL, (twitch,), duration_s=1.0, faults=NO_NOISE, seed=4)
    shown = list(frames(cine))
    (known,) = twitches(cine)
    peak = round(known.peak_s * cine.frame_rate_hz)
    assert shift_at(shown[0], shown[peak], known.centre)[0] == pytest.approx(5.0, abs=0.3)
    assert np.abs(shift_at(shown[0], shown[-1], known.centre)).max() < 0.05
    np.testing.assert_array_equal(shown[0], shown[-1])


@pytest.mark.parametrize(
    "motion",
    [
        Drift(seed=1), Breathing(), Jerk(0.5), Pulse((12.0, 12.0)), Contraction(0.3, 0.3, (12.0, 12.0)),
        Tremor(0.1, 0.8, (12.0, 12.0)), Compression(0.2, 0.2), PassiveMovement(seed=2),
        PassiveMovement(seed=2, rests_s=((0.5, 0.9),)),
    ],
    ids=lambda motion: type(motion).__name__,
)  # fmt: skip
def test_every_disturbance_moves_something_smoothly(motion: object) -> None:
    """Displacement is bounded, not nil, and continuous: a thousandth of a second moves little."""
    x, z = (np.linspace(1, 23, 200, dtype=np.float32) for _ in range(2))
    modes = motion.modes(x, z)  # type: ignore[attr-defined]

    def at(time_s: float) -> np.ndarray:
        return sum(np.stack([dx, dz]) * course(time_s) for dx, dz, course in modes)

    course = [at(time) for time in np.linspace(0, 1.2, 240)]
    size = max(np.abs(step - course[0]).max() for step in course)
    assert 0.02 < size < 20
    assert np.abs(at(0.6) - at(0.601)).max() < 0.1 * size + 1e-3
    assert np.isfinite(motion.out_of_plane_mm(0.4))  # type: ignore[attr-defined]


def test_a_restless_limb_is_still_in_its_pauses_and_moves_most_of_its_time() -> None:
    for seed in range(40):
        (moved,) = (one for one in scene("restless", seed, 12.0, 0.0).motions if isinstance(one, PassiveMovement))
        x, z = (np.linspace(1, 23, 20, dtype=np.float32) for _ in range(2))
        ((_, _, course),) = moved.modes(x, z)
        for start, end in moved.rests_s:
            assert 0 <= start < end <= 12.0
            held = [course(time) for time in np.linspace(start + 0.2, end, 9)]
            assert np.ptp(held) < 1e-9
            assert abs(course(end + 0.4) - course(end)) > 1e-4
        assert 0.1 <= sum(end - start for start, end in moved.rests_s) / 12.0 <= 0.4


def test_frames_are_lost_and_doubled_as_told() -> None:
    cine = Cine(PLAIN, SMALL, duration_s=4.0, faults=Faults(lost_share=0.2, doubled_share=0.2), seed=9)
    times = np.array(frame_times_s(cine))
    assert len(times) < 0.95 * 100
    assert set(np.round(np.diff(times) / 0.04).astype(int)) >= {1, 2}
    shown = list(frames(replace(cine, duration_s=1.0)))
    assert any((a == b).all() for a, b in itertools.pairwise(shown))


def test_jpeg_changes_pixels_little() -> None:
    cine = Cine(PLAIN, SMALL, duration_s=0.08, seed=2)
    (clean, _), (coded, _) = (
        list(frames(replace(cine, faults=replace(cine.faults, jpeg_quality=quality)))) for quality in (None, 90)
    )
    difference = clean.astype(int) - coded.astype(int)
    assert 0 < np.abs(difference).mean() < 6


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([*ASSESSABLE, *MOVING]), st.integers(0, 10_000))
def test_scenes_are_reproducible_and_their_twitches_lie_inside(kind: str, seed: int) -> None:
    cine = scene(kind, seed)
    assert cine == scene(kind, seed)
    box = cine.picture.box
    known = twitches(cine)
    for event in known:
        assert box.column0 < event.centre[0] < box.column1
        assert box.row0 < event.centre[1] < box.row1
        assert 0 <= event.start_s < event.peak_s < cine.duration_s
    starts = [event.start_s for event in known]
    assert all(later - sooner >= 0.3 - 1e-9 for sooner, later in itertools.pairwise(starts))


def test_a_warped_still_moves_as_told() -> None:
    picture = still(PLAIN, SMALL, 8)
    twitch = Twitch(0.1, 0.4, (13.0, 13.0), 0.4, width_mm=(14.0, 12.0), angle_rad=np.pi / 2)
    shown = list(warped_frames(WarpedCine(picture, 0.1, (twitch,), duration_s=0.6, grain=0.5)))
    peak = round(twitch.peak_s * 25)
    assert shift_at(shown[0], shown[peak], (130.0, 130.0))[1] == pytest.approx(4.0, abs=0.3)
