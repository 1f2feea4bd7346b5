"""What is no motion of the tissue: broken frames, flicker, a frozen scanner, a lifted probe, graphics that change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from plugins.contract import (
    Acquisition,
    ArrayFrames,
    Box,
    Clip,
    Finding,
    NoReferences,
    NotAssessable,
    ReasonCode,
    Side,
    Spacing,
    TissueRegion,
    View,
)
from plugins.fasciculation import Fasciculation
from plugins.fasciculation.flow import Step
from plugins.fasciculation.frames import telling
from plugins.fasciculation.grid import Grid
from plugins.fasciculation.windows import WINDOW_S, Tally, standstill_s, windows
from service.demo.simulator import Cine, Drift, Faults, Picture, TransverseMuscle, Twitch, frame_times_s, frames

TINY = Grid(Box(0, 0, 32, 24), Spacing(0.2, 0.2), (24, 32), (3, 4))
NOTHING = np.zeros((3, 4), np.float32)
SMALL = Picture(rows=300, columns=300, box=Box(10, 10, 290, 290), spacing_mm=0.125)
MUSCLE = TransverseMuscle(centre_mm=(17.5, 14.0), size_mm=(28.0, 15.0), bone_mm=None)
TWO = (Twitch(2.0, 0.25, (15.0, 14.0), 0.5, angle_rad=0.4), Twitch(7.1, 0.35, (12.0, 15.0), 0.6, angle_rad=5.0))
Picture8 = np.ndarray


def tissue(seed: int) -> Picture8:
    return np.random.default_rng(seed).normal(90, 25, (24, 32)).clip(0, 255).astype(np.uint8)


def torn(picture: Picture8) -> Picture8:
    """Its lower two thirds never came."""
    made = picture.copy()
    made[8:] = 0
    return made


BROKEN: tuple[Callable[[Picture8], Picture8], ...] = (
    np.zeros_like, lambda picture: np.full_like(picture, 255), torn, lambda picture: 255 - picture // 3,
)  # fmt: skip


@given(st.lists(st.one_of(st.none(), st.integers(0, 3)), min_size=2, max_size=40), st.integers(0, 99))
@settings(max_examples=60)
def test_broken_frames_are_left_out_and_no_others(kinds: list[int | None], seed: int) -> None:
    """``None`` stands for tissue; up to eight broken frames in a row."""
    kinds = [None, *kinds]
    runs = "".join("." if kind is None else "x" for kind in kinds)
    assume("x" * 9 not in runs and not runs.endswith("x"))
    shown = [tissue(seed + at) if kind is None else BROKEN[kind](tissue(seed + at)) for at, kind in enumerate(kinds)]
    assert [at for at, _ in telling(shown, TINY)] == [at for at, kind in enumerate(kinds) if kind is None]


def test_tissue_that_is_shown_otherwise_from_then_on_is_kept() -> None:
    """The gain was turned; nothing of it may get lost."""
    shown = [tissue(at) for at in range(20)] + [tissue(at) // 2 for at in range(20, 60)]
    assert [at for at, _ in telling(shown, TINY)] == list(range(60))


def test_frames_are_judged_in_the_size_of_the_grid() -> None:
    large = [np.kron(tissue(at), np.ones((2, 2), np.uint8)) for at in range(3)]
    grid = replace(TINY, box=Box(0, 0, 64, 48))
    assert [(at, small.shape) for at, small in telling(large, grid)] == [(0, (24, 32)), (1, (24, 32)), (2, (24, 32))]


@given(
    st.lists(st.tuples(st.floats(0.1, 70), st.sampled_from([0.0, 0.3, 0.7, 3.0, 65.0])), min_size=1, max_size=4),
    st.sampled_from([10.0, 25.0]),
)
@settings(max_examples=60)
def test_windows_tile_what_is_seen_and_never_bridge_a_standstill(runs: list[tuple[float, float]], rate: float) -> None:
    """Runs of so many seconds, after each a picture that stands still for so many more."""
    moving = np.concatenate([[*[True] * max(1, round(s * rate)), *[False] * round(still * rate)] for s, still in runs])
    times = np.arange(len(moving)) / rate
    changed = [at for at in np.flatnonzero(moving) if at > 0]
    assume(changed)
    made = list(windows((Step(int(at), NOTHING, NOTHING, NOTHING) for at in changed), times))
    longest = standstill_s(times)
    tally = Tally(times)
    for window in made:
        at = window.at(times)
        assert (np.diff(at) > 0).all() and (np.diff(at) <= longest).all()
        assert at[-1] - at[0] < 1.5 * WINDOW_S + 1 / rate
        tally.add(window, judged=True)
    owned = [step.frame for window in made for step in window.own(times)]
    assert owned == sorted(set(owned)) and set(owned) <= set(changed)
    assert tally.frames == len(changed) + 1
    gaps = np.diff([0, *changed]) / rate
    last = times[-1] + 1 / rate - times[changed[-1]]
    still = sum(gap for gap in [*gaps, last] if gap > longest + 1e-9)
    assert sum(end - start for start, end in tally.standstills()) == pytest.approx(still, abs=1e-6)


@pytest.fixture(scope="module")
def drifting() -> Clip:
    """Ten seconds with two twitches while the probe drifts slowly."""
    motions = (Drift(seed=3), *TWO)
    cine = Cine(MUSCLE, SMALL, motions, duration_s=10.0, faults=Faults(jpeg_quality=90), seed=5)
    region = TissueRegion(SMALL.box, Spacing(0.125, 0.125))
    return Clip("1.2.3.4", "1.2.3", ArrayFrames(np.stack(list(frames(cine)))), (region,), frame_times_s(cine))


def shown_as(clip: Clip, change: Callable[[int, Picture8], Picture8]) -> Clip:
    return replace(clip, frames=ArrayFrames(np.stack([change(at, one) for at, one in enumerate(clip.frames.stream())])))


def judged(clip: Clip) -> Finding | NotAssessable:
    whole = Acquisition("biceps_brachii", Side.LEFT, None, View.TRANSVERSE, (clip,))
    outcome = Fasciculation().analyse(whole, NoReferences())[0]
    assert isinstance(outcome, Finding | NotAssessable)
    return outcome


def counted(clip: Clip) -> list[float]:
    outcome = judged(clip)
    assert isinstance(outcome, Finding), outcome
    return accepted_in(outcome)


def accepted_in(finding: Finding) -> list[float]:
    """Peak times."""
    return [event.properties["peak_s"] for event in finding.events if event.accepted]


@pytest.mark.parametrize("level", [0, 255, 128])
def test_a_frame_that_was_lost_moves_nothing(drifting: Clip, level: int) -> None:
    """Such a frame made every place go out and come back."""
    broken = shown_as(drifting, lambda at, one: np.full_like(one, level) if at % 25 == 13 else one)
    assert counted(broken) == pytest.approx(counted(drifting), abs=0.05)
    assert len(counted(broken)) == 2


@pytest.mark.parametrize("light", [lambda at: 1 + 0.06 * (-1) ** at, lambda at: 1.12 if at % 50 == 25 else 1.0])
def test_light_that_flickers_moves_nothing(drifting: Clip, light: Callable[[int], float]) -> None:
    lit = shown_as(drifting, lambda at, one: (one * light(at)).clip(0, 255).astype(np.uint8))
    assert counted(lit) == pytest.approx(counted(drifting), abs=0.05)


def test_pictures_under_one_light_are_taken_as_they_are() -> None:
    """Whatever evens the light out may not touch what needs it not."""
    shown = [np.roll(tissue(1), at // 3, axis=1) // 2 * 2 + np.uint8(at % 2) for at in range(30)]
    assert all(np.array_equal(picture, shown[at]) for at, picture in telling(shown, TINY))


def test_a_gain_that_is_turned_comes_in_slowly() -> None:
    shown = [tissue(at) if at < 20 else (tissue(at) * 1.15).clip(0, 255).astype(np.uint8) for at in range(60)]
    means = [picture.mean() for _, picture in telling(shown, TINY)]
    assert len(means) == 60
    assert np.abs(np.diff(means)).max() < 0.04 * means[0]
    assert means[-1] == pytest.approx(shown[-1].mean(), rel=0.01)


def traced(picture: Picture8, time_s: float) -> Picture8:
    """With an electrocardiogram that is drawn over from left to right, once in 5 s."""
    place = np.arange(260)
    behind_s = (time_s % 5 - place / 52) % 5
    phase = ((time_s - behind_s) % 0.9) / 0.9
    high = 24 * np.exp(-(((phase - 0.3) / 0.02) ** 2)) + 5 * np.exp(-(((phase - 0.6) / 0.06) ** 2))
    points = np.stack([place + 20, 265 - high], axis=1).astype(np.int32)
    made = picture.copy()
    for part in np.split(place, np.flatnonzero(np.diff(behind_s > 4.8)) + 1):
        if behind_s[part[0]] <= 4.8:
            cv2.polylines(made, [points[part]], False, 255, 1, cv2.LINE_AA)
    return made


def test_a_trace_that_sweeps_through_the_field_is_no_twitch() -> None:
    cine = Cine(MUSCLE, SMALL, (), duration_s=10.0, faults=Faults(jpeg_quality=90, persistence=0.5), seed=4)
    times = frame_times_s(cine)
    shown = np.stack([traced(one, times[at]) for at, one in enumerate(frames(cine))])
    region = TissueRegion(SMALL.box, Spacing(0.125, 0.125))
    outcome = judged(Clip("1.2.3.4", "1.2.3", ArrayFrames(shown), (region,), times))
    assert isinstance(outcome, Finding)
    assert accepted_in(outcome) == []
    sure = [event.rejected_as for event in outcome.events if (event.confidence or 0) > Fasciculation().threshold]
    assert sure and set(sure) == {"changing graphics"}


def measured(finding: Finding, name: str) -> float:
    return next(one.value for one in finding.measurements if one.name == name)


def test_while_the_scanner_is_frozen_nothing_is_observed(drifting: Clip) -> None:
    still = list(drifting.frames.stream())[60]
    finding = judged(shown_as(drifting, lambda at, one: still if 60 < at < 160 else one))
    assert isinstance(finding, Finding)
    assert measured(finding, "observed_time") == pytest.approx(6.0, abs=0.2)
    (flag,) = (flag for flag in finding.flags if flag.name == "unseen")
    assert "Here: 4.0 s" in flag.sentence
    assert not any(flag.name == "motion" for flag in finding.flags)
    assert finding.overlay_clip is not None
    assert [event.properties["peak_s"] for event in finding.events if event.accepted] == pytest.approx(
        [2.1, 7.3], abs=0.2
    )
    raster = finding.pages[0].panels[3].chart
    assert raster is not None
    assert [one.label for one in raster.series if one.label] == ["not judged: frozen picture"]


def test_a_clip_that_is_frozen_for_longer_than_it_shows_anything_is_no_zero(drifting: Clip) -> None:
    still = list(drifting.frames.stream())[40]
    outcome = judged(shown_as(drifting, lambda at, one: still if at > 40 else one))
    assert isinstance(outcome, NotAssessable)
    assert outcome.code is ReasonCode.IMAGE_QUALITY
    assert "frozen" in outcome.text and "unfrozen" in outcome.remedy


def test_while_the_probe_has_no_contact_nothing_is_observed(drifting: Clip) -> None:
    def lifted(at: int, one: Picture8) -> Picture8:
        if not 75 <= at < 150:
            return one
        return np.random.default_rng(at).integers(0, 3, one.shape, np.uint8)

    finding = judged(shown_as(drifting, lifted))
    assert isinstance(finding, Finding)
    assert 6.0 < measured(finding, "observed_time") < 7.1
    assert any(flag.name == "unseen" for flag in finding.flags)
    assert [event.properties["peak_s"] for event in finding.events if event.accepted] == pytest.approx(
        [2.1, 7.3], abs=0.2
    )
