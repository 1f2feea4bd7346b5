"""What the exam's summaries say of muscles: left against right, chance, and what was not assessed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from plugins.contract import (
    Comparison,
    Device,
    NoReferences,
    NotAssessable,
    Question,
    ReasonCode,
    Result,
    Side,
)
from plugins.echogenicity import Echogenicity
from plugins.echogenicity.summary import MuscleExam
from plugins.exam import Coverage


@dataclass(frozen=True)
class Scored:
    z: float

    def compare(self, question: Question) -> Comparison:
        return Comparison("id", "1", "hash", "local", "a source", z=self.z)


def side(muscle, which: Side, level: float, *, images: int = 3, references=None, device=None, structure=None) -> Result:
    plugin, structure = Echogenicity(), structure or "biceps_brachii"
    clips = [
        muscle.clip(
            muscle.layers(muscle=level + 0.5 * k, seed=k),
            uid=f"1.{which}.{k}".replace("left", "1").replace("right", "2"),
            device=device or Device(),
            structure=structure,
        )
        for k in range(images)
    ]
    acquisition = muscle.acquisition(*clips, side=which, structure=structure)
    return Result(
        plugin.name, plugin.version, acquisition, tuple(plugin.analyse(acquisition, references or NoReferences()))
    )


def summed(*results: Result):
    return {c.name: c for c in MuscleExam().summarise(results, (), NoReferences())}


def test_left_and_right_are_held_against_each_other(muscle):
    conclusion = summed(side(muscle, Side.LEFT, 80), side(muscle, Side.RIGHT, 60))["left_right"]
    echo = next(m for m in conclusion.measurements if m.name == "echo_intensity_mean_side_difference")
    assert echo.value == pytest.approx(20, abs=0.5)
    assert echo.uncertainty == pytest.approx(0.5 * 2**0.5, abs=0.25)
    assert "left exceeds right by 20" in conclusion.text
    assert "more than repeated images vary by" in conclusion.text
    assert len(conclusion.evidence) == 6


def test_a_difference_within_the_repeats_is_called_that(muscle):
    conclusion = summed(side(muscle, Side.LEFT, 60), side(muscle, Side.RIGHT, 60.4))["left_right"]
    assert "Echo intensity: right exceeds left by 0.4" in conclusion.text
    assert "no more than repeated images vary by" in conclusion.text
    assert "Thickness: the same on both sides" in conclusion.text


def test_single_images_allow_no_statement_of_spread(muscle):
    conclusion = summed(side(muscle, Side.LEFT, 80, images=1), side(muscle, Side.RIGHT, 60, images=1))["left_right"]
    assert "not known from single images" in conclusion.text


def test_sides_with_other_settings_are_not_compared_in_echo(muscle):
    right = side(muscle, Side.RIGHT, 60, device=Device(preset="other"))
    conclusion = summed(side(muscle, Side.LEFT, 80), right)["left_right"]
    assert {m.name for m in conclusion.measurements} == {"muscle_thickness_side_difference"}
    assert "different settings" in conclusion.text


def test_the_contact_sheet_has_left_beside_right(muscle):
    (page,) = summed(side(muscle, Side.LEFT, 80), side(muscle, Side.RIGHT, 60))["left_right"].pages
    assert [panel.title[:7].strip(": ") for panel in page.panels] == [
        "left 1", "right 1", "left 2", "right 2", "left 3", "right 3",
    ]  # fmt: skip
    assert page.columns == 2
    assert all(panel.image and panel.crop and panel.lines for panel in page.panels)


def test_one_side_alone_concludes_nothing(muscle):
    assert summed(side(muscle, Side.LEFT, 80)) == {}
    assert summed(side(muscle, Side.LEFT, 80), side(muscle, Side.RIGHT, 60, structure="soleus")) == {}


def test_the_count_of_raised_muscles_stands_beside_its_chance(muscle):
    results = [
        side(muscle, Side.LEFT, 60, images=1, structure=key, references=Scored(z))
        for key, z in (("biceps_brachii", 2.4), ("rectus_femoris", 0.1), ("tibialis_anterior", -0.4))
    ]
    text = summed(*results)["many_comparisons"].text
    assert "1 of 3 compared muscles" in text
    assert "7%" in text


def test_nothing_refused_is_said_too(muscle):
    (conclusion,) = Coverage().summarise([side(muscle, Side.LEFT, 60, images=1)], (), NoReferences())
    assert conclusion.title == "All assessed"


def test_what_was_not_assessed_is_named_with_reason_and_remedy(muscle):
    plugin = Echogenicity()
    noise = np.random.default_rng(0).integers(0, 255, (300, 400), dtype=np.uint8)
    seen, unseen = muscle.clip(), muscle.clip(noise, drawn=(), uid="1.7")
    part = muscle.acquisition(seen, unseen)
    unknown = muscle.acquisition(seen, structure=None)
    refusal = NotAssessable(ReasonCode.STRUCTURE_UNKNOWN, "no name", "name it")
    results = [
        Result(plugin.name, plugin.version, part, tuple(plugin.analyse(part, NoReferences()))),
        Result("", "", unknown, (refusal,)),
    ]
    (conclusion,) = Coverage().summarise(results, (), NoReferences())
    first, second = conclusion.text.split("\n")
    assert first.startswith("Biceps brachii, left, longitudinal (echogenicity): 1 of 2 images left out: ")
    assert "Remedy: draw" in first
    assert second == "Structure not known (1 image): not assessed: no name. Remedy: name it."
    assert [image.sop_instance_uid for image in conclusion.evidence] == ["1.7"]


def test_an_empty_exam_has_no_summary():
    assert list(Coverage().summarise([], (), NoReferences())) == []
    assert list(MuscleExam().summarise([], (), NoReferences())) == []


def test_where_raised_muscles_lie_is_told_from_the_averages(muscle):
    scored = (
        ("biceps_brachii", Side.LEFT, 2.8),
        ("brachioradialis", Side.LEFT, 3.1),
        ("biceps_brachii", Side.RIGHT, 0.2),
        ("brachioradialis", Side.RIGHT, 0.1),
        ("first_dorsal_interosseous", Side.LEFT, 0.4),
    )
    results = [
        side(muscle, which, 60, images=1, references=Scored(z), structure=structure) for structure, which, z in scored
    ]
    conclusion = summed(*results)["distribution"]
    assert {each.name for each in conclusion.observations} == {"pattern_one_root"}
    assert "Brachioradialis left (z 3.1), Biceps brachii left (z 2.8)" in conclusion.text
    assert "distribution" not in summed(*results[:3])
