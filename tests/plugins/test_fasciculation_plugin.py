"""The whole plugin on simulated clips with known truth."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from plugins.contract import (
    Acquisition,
    ArrayFrames,
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
from plugins.fasciculation.clip import motion_of
from plugins.fasciculation.events import events_of
from plugins.fasciculation.judge import Verdict
from plugins.images import Box
from service.demo.simulator import (
    Cine,
    Contraction,
    Faults,
    PassiveMovement,
    Picture,
    TransverseMuscle,
    Tremor,
    Twitch,
    Twitched,
    frame_times_s,
    frames,
    twitches,
)

SMALL = Picture(rows=300, columns=300, box=Box(10, 10, 290, 290), spacing_mm=0.125)
MUSCLE = TransverseMuscle(centre_mm=(17.5, 14.0), size_mm=(28.0, 15.0), bone_mm=None)
THREE = (
    Twitch(2.0, 0.25, (15.0, 14.0), 0.5, angle_rad=0.4),
    Twitch(4.6, 0.20, (21.0, 13.0), 0.7, angle_rad=2.0),
    Twitch(7.1, 0.35, (12.0, 15.0), 0.4, angle_rad=5.0),
)


def clip_of(cine: Cine, **changes: object) -> Clip:
    region = TissueRegion(cine.picture.box, Spacing(cine.picture.spacing_mm, cine.picture.spacing_mm))
    clip = Clip("1.2.3.4", "1.2.3", ArrayFrames(np.stack(list(frames(cine)))), (region,), frame_times_s(cine))
    return replace(clip, **changes)  # type: ignore[arg-type]


def acquisition_of(*clips: Clip, structure: str | None = "biceps_brachii") -> Acquisition:
    return Acquisition(structure, Side.LEFT, None, View.TRANSVERSE, clips)


@pytest.fixture(scope="module")
def twitching() -> tuple[Clip, tuple[Twitched, ...]]:
    cine = Cine(MUSCLE, SMALL, THREE, duration_s=10.0, faults=Faults(jpeg_quality=90), seed=5)
    return clip_of(cine), twitches(cine)


def found_in(clip: Clip, **changes: object) -> Finding:
    outcome = Fasciculation().analyse(acquisition_of(replace(clip, **changes)), NoReferences())[0]  # type: ignore[arg-type]
    assert isinstance(outcome, Finding), outcome
    return outcome


def value(finding: Finding, name: str) -> float:
    return next(measurement.value for measurement in finding.measurements if measurement.name == name)


def test_every_twitch_is_found_in_its_time_and_place(twitching: tuple[Clip, tuple[Twitched, ...]]) -> None:
    clip, truth = twitching
    finding = found_in(clip)
    accepted = [event for event in finding.events if event.accepted]
    assert len(accepted) == len(truth) == value(finding, "fasciculation_count")
    assert finding.pages[0].title == "Fasciculations: Biceps brachii, left, transverse"
    for event, known in zip(accepted, truth, strict=True):
        assert abs(event.properties["peak_s"] - known.peak_s) < 0.1
        assert np.hypot(event.centre[0] - known.centre[0], event.centre[1] - known.centre[1]) < 30
        assert 0.4 * known.peak_mm < event.properties["peak_displacement_mm"] < 1.2 * known.peak_mm


@pytest.mark.parametrize(("height_mm", "confidence", "counts"), [(0.07, 0.92, 0), (0.07, 0.96, 1), (0.12, 0.92, 1)])
def test_what_is_too_faint_to_be_sure_of_is_named_and_not_counted(
    twitching: tuple[Clip, tuple[Twitched, ...]], height_mm: float, confidence: float, counts: int
) -> None:
    clip, _ = twitching
    motion = motion_of(clip, clip.frame_times_s or ())
    one = max(motion.judged, key=lambda each: each.verdict.confidence)
    faint = replace(
        one, candidate=replace(one.candidate, height_mm=height_mm), verdict=Verdict(confidence, "probe drift")
    )
    (event,) = events_of(replace(motion, judged=(faint,)), Fasciculation().threshold)
    assert (int(event.accepted), event.rejected_as) == (counts, "" if counts else "probe drift")


def test_what_moves_in_a_contraction_bears_its_name_and_is_no_part_of_the_rate() -> None:
    """Its time is not observed; a twitch in it counts if it is sure, and then count and rate say why they differ."""
    moved = Contraction(3.6, 1.2, (17.5, 14.0), (30.0, 16.0), 2.4, 0.5)
    finding = found_in(clip_of(Cine(MUSCLE, SMALL, (moved, *THREE), duration_s=12.0, seed=8)))
    inside = [event for event in finding.events if event.properties["in_motion"]]
    assert {event.rejected_as for event in inside if not event.accepted} == {"voluntary contraction"}
    minutes = value(finding, "observed_time") / 60
    assert minutes < 11.5 / 60
    at_rest = [event for event in finding.events if event.accepted and not event.properties["in_motion"]]
    assert value(finding, "fasciculation_rate") == pytest.approx(len(at_rest) / minutes)
    (motion,) = (flag for flag in finding.flags if flag.name == "motion")
    sure = len([event for event in inside if event.accepted])
    assert ("left out of the rate" in motion.sentence) == bool(sure)
    assert motion.sentence in finding.pages[0].panels[2].text


def test_thirty_seconds_are_not_short_for_a_lost_frame() -> None:
    def seen(seconds: float) -> Finding:
        still = Cine(MUSCLE, replace(SMALL, box=Box(10, 10, 90, 90)), (), frame_rate_hz=15.0, duration_s=seconds)
        return found_in(clip_of(still))

    assert not any(flag.name == "short-observation" for flag in seen(30.0).flags)
    (short,) = (flag for flag in seen(29.0).flags if flag.name == "short-observation")
    assert "Here: 29" in short.sentence and "Here: 30" not in short.sentence


def test_the_same_clip_gives_the_same_answer_and_its_frames_stay(
    twitching: tuple[Clip, tuple[Twitched, ...]],
) -> None:
    clip, _ = twitching
    before = clip.frames.grey(7).copy()
    assert found_in(clip) == found_in(clip)
    assert (clip.frames.grey(7) == before).all()
    assert pickle.loads(pickle.dumps(Fasciculation())) == Fasciculation()  # noqa: S301


def test_without_twitches_the_answer_says_what_it_cannot_exclude() -> None:
    finding = found_in(clip_of(Cine(MUSCLE, SMALL, (), duration_s=10.0, seed=6)))
    assert value(finding, "fasciculation_count") == 0
    assert value(finding, "rate_not_excluded") == pytest.approx(3.0 / (10 / 60), rel=0.02)
    assert "cannot be excluded" in finding.observations[0].text
    assert any(flag.name == "short-observation" for flag in finding.flags)


def test_a_field_that_is_half_dark_is_flagged(twitching: tuple[Clip, tuple[Twitched, ...]]) -> None:
    clip, _ = twitching
    pictures = np.stack(list(clip.frames.stream()))
    pictures[:, 170:] = 0
    (dark,) = (flag for flag in found_in(clip, frames=ArrayFrames(pictures)).flags if flag.name == "dark-field")
    share = int(dark.sentence.rsplit("Here: ", 1)[1].removesuffix(" %."))
    assert share == pytest.approx(100 * (290 - 170) / 280, abs=6)
    assert not any(flag.name == "dark-field" for flag in found_in(clip).flags)


def test_fine_motion_is_told_only_when_asked_for_and_as_not_validated() -> None:
    restless = Tremor(0.0, 10.0, (17.5, 14.0), size_mm=(6.0, 4.0), sd_mm=0.06)
    moving = clip_of(Cine(MUSCLE, SMALL, (restless,), duration_s=10.0, seed=9))

    def observed(clip: Clip, plugin: Fasciculation) -> dict[str, str]:
        (finding,) = plugin.analyse(acquisition_of(clip), NoReferences())
        assert isinstance(finding, Finding)
        return {each.name: each.text for each in finding.observations}

    asked = observed(moving, Fasciculation(fine_motion=True))
    assert "not validated" in asked["fine_motion"] and "look alike" in asked["fine_motion"]
    assert "fine_motion" not in observed(moving, Fasciculation())
    still = clip_of(Cine(MUSCLE, SMALL, (), duration_s=10.0, seed=6))
    assert "fine_motion" not in observed(still, Fasciculation(fine_motion=True))


def test_passive_movement_is_not_assessable_and_never_none_found() -> None:
    cine = Cine(MUSCLE, SMALL, (PassiveMovement(seed=3), *THREE), duration_s=8.0, seed=7)
    (outcome,) = Fasciculation().analyse(acquisition_of(clip_of(cine)), NoReferences())
    assert isinstance(outcome, NotAssessable)
    assert outcome.code is ReasonCode.MOTION
    assert outcome.remedy


def test_a_clip_that_moves_most_of_its_time_with_pauses_is_never_none_found() -> None:
    moved = PassiveMovement(seed=3, rests_s=((2.0, 3.4), (6.0, 7.8)))
    for twitching in ((), THREE):
        cine = Cine(MUSCLE, SMALL, (moved, *twitching), duration_s=9.0, seed=7)
        (outcome,) = Fasciculation().analyse(acquisition_of(clip_of(cine)), NoReferences())
        assert isinstance(outcome, NotAssessable)
        assert outcome.code is ReasonCode.MOTION


def test_no_time_base_is_not_assessable(twitching: tuple[Clip, tuple[Twitched, ...]]) -> None:
    clip = replace(twitching[0], frame_times_s=None)
    (outcome,) = Fasciculation().analyse(acquisition_of(clip), NoReferences())
    assert isinstance(outcome, NotAssessable)
    assert outcome.code is ReasonCode.NO_TIME_BASE


def test_a_duration_that_contradicts_the_frame_times_is_flagged(
    twitching: tuple[Clip, tuple[Twitched, ...]],
) -> None:
    finding = found_in(twitching[0], duration_s=14.0)
    assert any(flag.name == "time-base" for flag in finding.flags)
    assert not any(flag.name == "cine-rate" for flag in finding.flags)


def test_a_cine_rate_that_contradicts_the_frame_times_is_flagged(
    twitching: tuple[Clip, tuple[Twitched, ...]],
) -> None:
    finding = found_in(twitching[0], cine_rate_hz=60.0)
    (flag,) = (flag for flag in finding.flags if flag.name == "cine-rate")
    assert "at the cine rate of 60: 4.17 s" in flag.sentence
    assert value(finding, "clip_time") == pytest.approx(10.0)
    assert not any(flag.name == "cine-rate" for flag in found_in(twitching[0], cine_rate_hz=25.0).flags)


@pytest.mark.parametrize(
    ("structure", "code"), [(None, ReasonCode.STRUCTURE_UNKNOWN), ("median_nerve", ReasonCode.NOT_APPLICABLE)]
)
def test_what_is_not_a_named_muscle_is_declined(
    twitching: tuple[Clip, tuple[Twitched, ...]], structure: str | None, code: ReasonCode
) -> None:
    declined = Fasciculation().declines(acquisition_of(twitching[0], structure=structure))
    assert declined is not None
    assert declined.code is code
