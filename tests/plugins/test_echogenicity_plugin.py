"""The muscle plugin on images whose answer is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from plugins.contract import (
    Acquisition,
    ArrayFrames,
    Box,
    Clip,
    Comparison,
    Device,
    Finding,
    NoReferences,
    NotAssessable,
    Question,
    ReasonCode,
    Refusal,
    RefusalCode,
    Region,
    RegionOrigin,
    RegionShape,
    Scope,
    Side,
    Spacing,
    TissueRegion,
    View,
)
from plugins.echogenicity import Echogenicity

SHAPE = (120, 160)
PLAIN, NONE = Device(), NoReferences()
BOX = Region(RegionShape.BOX, ((20, 30), (120, 90)), RegionOrigin.PRESENTATION_STATE)
TISSUE = TissueRegion(Box(0, 0, 160, 120), Spacing(0.2, 0.1))


def noise(seed: int = 0, mean: float = 80) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(mean, 12, SHAPE).clip(0, 255).astype(np.uint8)


def clip(pixels=None, *, drawn=(BOX,), regions=(TISSUE,), uid="1.2.3", colour=None, device=PLAIN) -> Clip:
    frames = ArrayFrames(noise() if pixels is None else pixels, colour)
    return Clip(uid, "1.2", frames, regions, drawn=drawn, device=device)


def acquisition(*clips: Clip, structure="biceps_brachii", view=View.TRANSVERSE) -> Acquisition:
    return Acquisition(structure, Side.LEFT, None, view, clips)


def analyse(*clips: Clip, references=NONE, **kwargs):
    return Echogenicity().analyse(acquisition(*clips, **kwargs), references)


def value(finding: Finding, name: str) -> float:
    return next(m.value for m in finding.measurements if m.name == name)


@dataclass(frozen=True)
class AskedOnce:
    """A reference that answers every question with the same comparison and keeps what it was asked."""

    asked: list

    def compare(self, question: Question) -> Comparison:
        self.asked.append(question)
        return Comparison("id", "1", "hash", "local", "a source", z=1.0)


def test_echo_intensity_is_the_mean_of_all_pixels_in_the_outline():
    pixels = noise()
    pixels[30:50] = 0
    image, average = analyse(clip(pixels))
    assert value(image, "echo_intensity_mean") == pytest.approx(pixels[30:90, 20:120].mean(), abs=1e-9)
    assert image.scope is Scope.IMAGE
    assert average.scope is Scope.ACQUISITION
    assert image.region_origin == "drawn: presentation state"


def test_repeats_are_averaged_with_their_spread():
    clips = [clip(noise(k, 80 + 3 * k), uid=f"1.2.{k}") for k in range(3)]
    *images, average = analyse(*clips)
    means = [value(image, "echo_intensity_mean") for image in images]
    echo = next(m for m in average.measurements if m.name == "echo_intensity_mean")
    assert echo.value == pytest.approx(np.mean(means))
    assert echo.uncertainty == pytest.approx(np.std(means, ddof=1))
    assert value(average, "image_count") == 3
    assert [r.sop_instance_uid for r in average.averaged_over] == ["1.2.0", "1.2.1", "1.2.2"]
    assert average.image.sop_instance_uid == "1.2.1"


def test_only_the_average_is_compared_and_with_all_that_decides():
    asked: list[Question] = []
    image, average = analyse(clip(), references=AskedOnce(asked))
    assert all(m.comparison is None for m in image.measurements)
    echo = next(m for m in average.measurements if m.name == "echo_intensity_mean")
    assert echo.comparison.z == 1.0
    question = next(q for q in asked if q.quantity == "muscle_echo_intensity")
    assert (question.structure, question.side, question.view) == ("biceps_brachii", Side.LEFT, View.TRANSVERSE)
    assert question.unit == "[arb'U]"
    assert question.value == echo.value


def test_images_with_different_settings_are_not_compared():
    clips = (clip(device=Device(preset="a")), clip(device=Device(preset="b"), uid="1.2.4"))
    average = analyse(*clips, references=AskedOnce([]))[-1]
    echo = next(m for m in average.measurements if m.name == "echo_intensity_mean")
    assert isinstance(echo.comparison, Refusal)
    assert echo.comparison.code is RefusalCode.BLOCKED
    assert "settings_differ_between_images" in {flag.name for flag in average.flags}


def test_coloured_pixels_are_left_out_and_reported():
    pixels, colour = noise(), np.zeros(SHAPE, bool)
    pixels[40:44, 30:50] = 255
    colour[40:44, 30:50] = True
    image, _ = analyse(clip(pixels, colour=colour))
    kept = np.ones(SHAPE, bool)
    kept[40:44, 30:50] = False
    inside = kept[30:90, 20:120]
    assert value(image, "echo_intensity_mean") == pytest.approx(pixels[30:90, 20:120][inside].mean(), abs=1e-9)
    assert value(image, "fraction_coloured") == pytest.approx(100 * 80 / 6000)
    assert "colour_left_out" in {flag.name for flag in image.flags}


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_region_that_shows_no_tissue_is_not_measured(level):
    """A frame that was lost: its mean would be a number like any other."""
    blank = np.full(SHAPE, level, np.uint8)
    blank[::7, ::5] ^= 1
    (refused,) = analyse(clip(blank))
    assert isinstance(refused, NotAssessable)
    assert refused.code is ReasonCode.IMAGE_QUALITY
    assert "shows no tissue" in refused.text


def test_a_dark_region_with_speckle_is_measured():
    dark = np.random.default_rng(3).exponential(2.5, SHAPE).astype(np.uint8)
    assert value(analyse(clip(dark))[0], "echo_intensity_mean") == pytest.approx(dark[30:90, 20:120].mean())


def test_mostly_coloured_regions_are_taken_for_doppler():
    (outcome,) = analyse(clip(colour=np.ones(SHAPE, bool)))
    assert isinstance(outcome, NotAssessable)
    assert outcome.code is ReasonCode.COLOUR_DOPPLER
    assert outcome.remedy


def test_colour_regions_are_refused():
    flow = TissueRegion(TISSUE.box, TISSUE.spacing, colour=True)
    (outcome,) = analyse(clip(regions=(flow,)))
    assert outcome.code is ReasonCode.COLOUR_DOPPLER
    assert Echogenicity().declines(acquisition(clip(regions=(flow,)))).code is ReasonCode.COLOUR_DOPPLER


def test_without_a_region_the_answer_is_a_question_not_a_number():
    (outcome,) = analyse(clip(drawn=()))
    assert isinstance(outcome, NotAssessable)
    assert outcome.code is ReasonCode.NEEDS_REGION
    assert "draw" in outcome.remedy


def test_an_unknown_structure_is_declined():
    assert Echogenicity().declines(acquisition(clip(), structure=None)).code is ReasonCode.STRUCTURE_UNKNOWN


def test_a_drawing_of_another_structure_is_left_alone():
    other = Region(BOX.shape, BOX.points, BOX.origin, structure="median_nerve")
    (outcome,) = analyse(clip(drawn=(other,)))
    assert outcome.code is ReasonCode.NEEDS_REGION


def test_a_broken_drawing_is_reported_not_replaced():
    crossed = Region(RegionShape.POLYGON, ((0, 0), (50, 50), (50, 0), (0, 50)), RegionOrigin.SCANNER)
    (outcome,) = analyse(clip(drawn=(crossed,)))
    assert outcome.code is ReasonCode.REGION_INVALID


def test_area_needs_calibration_and_echo_intensity_does_not():
    with_spacing = analyse(clip())[0]
    without = analyse(clip(regions=()))[0]
    assert value(with_spacing, "region_area") == pytest.approx(6000 * 0.02)
    assert "region_area" not in {m.name for m in without.measurements}
    assert "no_spacing" in {flag.name for flag in without.flags}
    assert value(without, "echo_intensity_mean") == value(with_spacing, "echo_intensity_mean")


def test_a_clip_is_read_at_its_calmest_moment():
    rng = np.random.default_rng(5)
    moving = rng.integers(0, 255, (20, *SHAPE), dtype=np.uint8)
    smooth = np.kron(rng.integers(20, 220, (12, 16)), np.ones((10, 10))).astype(np.uint8)
    moving[8:14] = smooth
    region = Region(BOX.shape, BOX.points, BOX.origin, frame=3)
    assert analyse(clip(moving, drawn=(region,)))[0].image.frame == 3
    from plugins.echogenicity.still import still_of

    still = still_of(ArrayFrames(moving))
    assert 9 <= still.frame <= 12
    assert still.likeness > 0.99


def test_a_clip_without_a_still_moment_is_refused():
    rng = np.random.default_rng(5)
    (outcome,) = analyse(clip(rng.integers(0, 255, (20, *SHAPE), dtype=np.uint8), drawn=()))
    assert outcome.code is ReasonCode.MOTION


def recording(seconds: float, *, drawn=(), uid="1.2.9") -> Clip:
    """A calm clip at two frames per second."""
    frames = np.stack([noise(4)] * round(2 * seconds + 1))
    times = tuple(k / 2 for k in range(len(frames)))
    return Clip(uid, "1.2", ArrayFrames(frames), (TISSUE,), frame_times_s=times, drawn=drawn)


def test_a_long_clip_across_the_muscle_is_left_to_those_who_watch_movement():
    plugin = Echogenicity()
    declined = plugin.declines(acquisition(recording(10)))
    assert declined.code is ReasonCode.NOT_APPLICABLE
    assert plugin.declines(acquisition(recording(10), view=View.LONGITUDINAL)) is None
    assert plugin.declines(acquisition(recording(10, drawn=(BOX,)))) is None
    assert plugin.declines(acquisition(recording(10), clip())) is None
    (short,) = analyse(recording(3))
    assert plugin.declines(acquisition(recording(3))) is None
    assert short.code is ReasonCode.NEEDS_REGION


def test_a_clip_beside_a_measured_still_adds_nothing_unless_somebody_drew_in_it():
    image, average = analyse(clip(), recording(3))
    assert (image.scope, average.scope) == (Scope.IMAGE, Scope.ACQUISITION)
    assert {outcome.image.sop_instance_uid for outcome in (image, average)} == {"1.2.3"}
    drawn = analyse(clip(), recording(3, drawn=(BOX,)))
    assert [outcome.image.sop_instance_uid for outcome in drawn] == ["1.2.3", "1.2.9", "1.2.3"]
    refused = analyse(clip(drawn=()), recording(3))
    assert [outcome.image.sop_instance_uid for outcome in refused] == ["1.2.3", "1.2.9"]
    (still,) = analyse(clip(drawn=()), recording(10))
    assert still.image.sop_instance_uid == "1.2.3"


def test_limits_come_from_a_settings_table():
    plugin = Echogenicity(limits={"slant_deg": 9.0, "bmi": [17, 35]})
    assert (plugin.limits.slant_deg, plugin.limits.bmi, plugin.limits.images) == (9.0, (17.0, 35.0), 3)
    assert Echogenicity(gain_series=[[40, 60], [45, 80], [50, 100]]).gain_series == ((40, 60), (45, 80), (50, 100))


@pytest.mark.parametrize("limits", [{"slant": 3}, {"slant_deg": "9"}, {"bmi": 30}, 7, {"images": True}])
def test_limits_that_are_none_are_refused(limits):
    with pytest.raises((TypeError, ValueError), match="limit"):
        Echogenicity(limits=limits)
