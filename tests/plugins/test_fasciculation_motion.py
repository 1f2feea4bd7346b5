"""The steps of the analysis, each against a truth that is known: flow, affine fit, out-and-back score, beat, times."""

from __future__ import annotations

import weakref
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.contract import ArrayFrames, Box, Clip, NotAssessable, Spacing, TissueRegion
from plugins.fasciculation import clip as clip_module
from plugins.fasciculation.candidates import Candidate
from plugins.fasciculation.features import FEATURES
from plugins.fasciculation.flow import steps
from plugins.fasciculation.grid import BLOCK, MAX_BLOCKS, Grid, grid_of
from plugins.fasciculation.motion import LIMB, Stretch, called
from plugins.fasciculation.pulse import beating
from plugins.fasciculation.residual import displacement, without_affine
from plugins.fasciculation.stretch import field_of
from plugins.fasciculation.timebase import TimeBase, time_base
from plugins.fasciculation.twitch import peaks, score

WIDE = Grid(Box(0, 0, 160, 128), Spacing(0.2, 0.2), (128, 160), (16, 20))
EVEN = np.ones(WIDE.blocks, np.float32)
"""Trust: every block counts alike."""


def speckle(seed: int, shape: tuple[int, int] = (148, 180)) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.6)
    return np.asarray(120 + 40 * smooth / smooth.std(), np.float32)


def moved(picture: np.ndarray, column: float, row: float) -> np.ndarray:
    """The middle of a picture after a shift by that many pixels."""
    shift = np.array([[1, 0, column], [0, 1, row]], np.float32)
    whole = cv2.warpAffine(picture, shift, picture.shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return whole[10:138, 10:170].clip(0, 255).astype(np.uint8)


@settings(max_examples=30, deadline=None)
@given(st.floats(-1.8, 1.8), st.floats(-1.8, 1.8), st.integers(0, 50))
def test_flow_finds_sub_pixel_shifts(column: float, row: float, seed: int) -> None:
    picture = speckle(seed)
    found = list(steps([moved(picture, 0, 0), moved(picture, column, row)], WIDE))
    if max(abs(column), abs(row)) < 0.02:
        return
    (step,) = found
    inner = step.flow[2:-2, 2:-2].reshape(-1, 2)
    assert np.median(inner, axis=0) == pytest.approx([column, row], abs=0.12 + 0.05 * max(abs(column), abs(row)))


def test_repeated_frames_are_left_out() -> None:
    picture = speckle(3)
    first, second = moved(picture, 0, 0), moved(picture, 0.5, 0)
    assert [step.frame for step in steps([first, first, second, second, first], WIDE)] == [2, 4]


@given(
    st.lists(st.floats(-0.8, 0.8), min_size=6, max_size=6),
    st.integers(0, 15),
    st.integers(0, 19),
)
@settings(max_examples=40, deadline=None)
def test_affine_motion_goes_and_a_local_twitch_stays(numbers: list[float], row: int, column: int) -> None:
    rows, columns = WIDE.blocks
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    a = np.array(numbers, np.float32).reshape(3, 2)
    flow = a[0] + x[..., None] * a[1] + y[..., None] * a[2]
    flow = flow + 0.01 * np.random.default_rng(1).standard_normal(flow.shape)
    flow[row, column] += (1.5, -1.0)
    fit = without_affine(flow.reshape(1, -1, 2).astype(np.float32), np.ones(rows * columns, np.float32), WIDE)
    left = fit.residual[0].reshape(rows, columns, 2)
    assert left[row, column] == pytest.approx([1.5, -1.0], abs=0.12)
    left[row, column] = 0
    assert np.abs(left).max() < 0.12


def course(kind: str, times: np.ndarray) -> np.ndarray:
    inside = np.clip((times - 1.0) / 0.3, 0, 1)
    return {
        "twitch": np.sin(np.pi * inside),
        "step": 0.5 - 0.5 * np.cos(np.pi * inside),
        "drift": times - 1.0,
    }[kind]


@pytest.mark.parametrize(("kind", "high"), [("twitch", True), ("step", False), ("drift", False)])
def test_only_what_comes_back_scores(kind: str, high: bool) -> None:
    times = np.arange(0, 2, 1 / 30)
    path = np.zeros((len(times), 16 * 20, 2), np.float32)
    path[:, :, 0] = 2.0 * course(kind, times)[:, None]
    best = float(score(path, 30.0, WIDE, EVEN).height[:, 8, 10].max())
    assert (best > 0.25) is high
    if not high:
        assert best < 0.03


@given(st.floats(0.2, 3.0), st.floats(0, 2 * np.pi))
@settings(max_examples=20, deadline=None)
def test_score_is_linear_in_size_and_blind_to_direction(size: float, angle: float) -> None:
    times = np.arange(0, 2, 1 / 30)
    plain = np.zeros((len(times), 16 * 20, 2), np.float32)
    plain[:, :, 0] = course("twitch", times)[:, None]
    turned = (size * plain[..., :1] * np.array([np.cos(angle), np.sin(angle)])).astype(np.float32)
    one, other = score(plain, 30.0, WIDE, EVEN).height, score(turned, 30.0, WIDE, EVEN).height
    np.testing.assert_allclose(other, size * one, atol=2e-3 * size)


@pytest.mark.parametrize(
    ("stretch", "names", "name"),
    [
        (Stretch(1.0, 2.5, "voluntary contraction"), ["compression"] * 4 + ["noise"], "compression"),
        (Stretch(1.0, 2.5, "voluntary contraction"), ["compression"] * 2, "voluntary contraction"),
        (Stretch(1.0, 2.5, "voluntary contraction"), ["compression"] * 3 + ["noise"] * 4, "voluntary contraction"),
        (Stretch(1.0, 2.5, "probe jerk"), ["probe drift"] * 9, "probe jerk"),
        (Stretch(1.0, 9.0, LIMB), ["voluntary contraction"] * 9, LIMB),
    ],
)
def test_a_moving_stretch_is_called_by_what_moved_in_it(stretch: Stretch, names: list[str], name: str) -> None:
    inside = [(1.2 + 0.01 * at, each) for at, each in enumerate(names)]
    assert called(stretch, [*inside, *((5.0 + stretch.end_s, "breathing") for _ in range(20))]).name == name


def twitch_path(size: np.ndarray) -> np.ndarray:
    """A twitch along columns, its height (working pixels) given for every block."""
    times = np.arange(0, 2, 1 / 30)
    path = np.zeros((len(times), size.size, 2), np.float32)
    path[:, :, 0] = course("twitch", times)[:, None] * size.ravel()
    return path


def test_a_block_that_cannot_be_judged_does_not_hide_its_neighbours() -> None:
    """The dark middle of a twitch moves furthest; the highest of the blocks that can be followed is the event."""
    size = np.zeros(WIDE.blocks, np.float32)
    size[7:10, 9:12], size[8, 10] = 1.0, 3.0
    valid = np.ones(WIDE.blocks, bool)
    valid[8, 10] = False
    found = peaks(score(twitch_path(size), 30.0, WIDE, EVEN), 30.0, 0.06, 4.0, valid)
    assert found
    assert {(abs(peak.row - 8) <= 1, abs(peak.column - 10) <= 1) for peak in found} == {(True, True)}
    assert (8, 10) not in {(peak.row, peak.column) for peak in found}


def test_blocks_without_texture_do_not_slow_their_neighbours() -> None:
    """They stand still whatever happens; what counts little is not averaged in."""
    size = np.full(WIDE.blocks, 2.0, np.float32)
    size[:, 10:] = 0.0
    trust = np.where(size > 0, 0.9, 0.001).astype(np.float32)
    heights = [score(twitch_path(size), 30.0, WIDE, each).height[:, 8, 9].max() for each in (EVEN, trust)]
    assert heights[1] == pytest.approx(score(twitch_path(size), 30.0, WIDE, EVEN).height[:, 8, 4].max(), rel=0.01)
    assert heights[0] < 0.9 * heights[1]


@pytest.mark.parametrize(("period_s", "alike"), [(3.5, True), (11.0, False)])
def test_breathing_is_told_by_coming_back(period_s: float, alike: bool) -> None:
    times = np.arange(0, 16, 1 / 25).astype(np.float32)
    place = 3 * np.sin(2 * np.pi * times / period_s) + (0 if alike else 1.5 * np.sin(times**1.5))
    flow = np.zeros((len(times) - 1, *WIDE.blocks, 2), np.float32)
    flow[..., 0] = np.diff(place)[:, None, None]
    field = field_of(flow, np.full(WIDE.blocks, 50, np.float32), times, WIDE)
    assert (field.probe_waves > 0.8) is alike


def test_displacement_is_read_at_even_times_over_lost_frames() -> None:
    times = np.array([0, 1, 2, 4, 5], np.float32)  # the frame at 3 is lost
    residual = np.diff(times)[:, None, None] * np.ones((1, 2, 2), np.float32)
    path = displacement(residual.astype(np.float32), times, np.arange(6, dtype=np.float32))
    np.testing.assert_allclose(path[:, 0, 0], np.arange(6))


def candidate(peak_s: float, height_mm: float = 0.2) -> Candidate:
    extent = np.zeros(WIDE.blocks, bool)
    features = np.zeros(len(FEATURES), np.float32)
    return Candidate(
        round(30 * peak_s),
        5,
        5,
        peak_s - 0.1,
        peak_s,
        0.2,
        height_mm,
        2.0,
        10.0,
        extent,
        features,
        extent.astype(np.float32),
    )


def test_a_beat_is_told_and_a_larger_twitch_on_it_is_not_one() -> None:
    beats = [candidate(0.3 + 0.9 * beat + 0.02 * (beat % 3)) for beat in range(10) if beat != 4]
    found = [*beats, candidate(5.05, 0.9)]
    assert beating(found) == [True] * len(beats) + [False]


def test_irregular_twitches_are_rarely_a_beat() -> None:
    rng = np.random.default_rng(2)
    trains = [np.cumsum(0.3 + rng.exponential(0.7, 15)) for _ in range(200)]
    called = sum(any(beating([candidate(float(time)) for time in train])) for train in trains)
    assert called < 0.06 * len(trains)


@given(st.integers(60, 1200), st.integers(60, 1400), st.floats(0.03, 0.6), st.booleans())
def test_the_grid_lies_inside_its_region_with_whole_blocks(high: int, wide: int, spacing: float, known: bool) -> None:
    region = TissueRegion(Box(3, 5, 3 + wide, 5 + high), Spacing(spacing, spacing) if known else None)
    frames = ArrayFrames(np.zeros((high + 9, wide + 9), np.uint8))
    grid = grid_of(Clip("1", "1", frames, (region,)))
    assert region.box.column0 <= grid.box.column0 < grid.box.column1 <= region.box.column1
    assert region.box.row0 <= grid.box.row0 < grid.box.row1 <= region.box.row1
    assert grid.blocks[0] * grid.blocks[1] <= MAX_BLOCKS
    if min(grid.blocks) > 3:
        assert grid.work == (grid.blocks[0] * BLOCK, grid.blocks[1] * BLOCK)


def clip_with(times: tuple[float, ...] | None, duration_s: float | None = None) -> Clip:
    return Clip("1", "1", ArrayFrames(np.zeros((5, 30, 30), np.uint8)), frame_times_s=times, duration_s=duration_s)


def test_time_bases() -> None:
    good = clip_with((0.0, 0.1, 0.2, 0.3, 0.4), 0.5)
    assert time_base(good) == TimeBase((0.0, 0.1, 0.2, 0.3, 0.4))
    slow = time_base(replace(good, duration_s=1.0))
    assert isinstance(slow, TimeBase)
    assert "stated: 1.00 s" in slow.contradiction
    assert time_base(replace(good, cine_rate_hz=10.0)) == TimeBase(good.frame_times_s)
    shown = time_base(replace(good, cine_rate_hz=25.0))
    assert isinstance(shown, TimeBase)
    assert shown.cine_rate == "Frame times: 0.50 s; at the cine rate of 25: 0.20 s."
    lost = replace(good, frame_times_s=(0.0, 0.1, 0.2, 0.4, 0.5), duration_s=0.6, cine_rate_hz=10.0)
    assert time_base(lost) == TimeBase(lost.frame_times_s)
    for broken in (None, (0.0, 0.1, 0.1, 0.3, 0.4), (0.0, 0.1)):
        assert isinstance(time_base(clip_with(broken)), NotAssessable)


def test_nothing_of_a_windows_field_outlives_its_judging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else memory grows with the clip: 7 MB every 20 s."""
    seconds, rate = 80, 15
    picture = speckle(1, (68, 84))
    shown = [cv2.GaussianBlur(picture, (0, 0), 0.3 + 0.1 * (at % 2)).astype(np.uint8) for at in range(seconds * rate)]
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0
    made = clip_module.field_of

    def watched(*parts: object) -> object:
        nonlocal most
        most = max(most, sum(1 for one in alive if one() is not None))
        field = made(*parts)
        alive.extend(weakref.ref(each) for each in (field.scored.height, field.scored.moved))
        return field

    monkeypatch.setattr(clip_module, "field_of", watched)
    region = TissueRegion(Box(0, 0, 84, 68), Spacing(0.2, 0.2))
    times = tuple(at / rate for at in range(len(shown)))
    still = Clip("1", "1", ArrayFrames(np.stack(shown)), (region,), frame_times_s=times)
    motion = clip_module.motion_of(still, times)
    assert motion.span_s == pytest.approx(seconds)
    assert len(alive) >= 2 * 3
    assert most == 0
    assert not any(one() is not None for one in alive)
