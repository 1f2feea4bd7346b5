"""Every pitfall flag: one case that raises it, one that does not, through the plugin itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from plugins.contract import (
    Acquisition,
    Action,
    ArrayFrames,
    Clip,
    Comparison,
    Device,
    Finding,
    NoReferences,
    Question,
    Refusal,
    RefusalCode,
    Region,
    RegionOrigin,
    RegionShape,
    Result,
    Scope,
    Side,
    Spacing,
    Subject,
    TissueRegion,
    View,
)
from plugins.echogenicity import Echogenicity, flags
from plugins.echogenicity.chosen import Chosen
from plugins.echogenicity.limits import Limits
from plugins.echogenicity.pitfalls import of_image
from plugins.echogenicity.scene import scene_of
from plugins.echogenicity.summary import MuscleExam
from service.demo.simulator import LongitudinalMuscle, Picture
from service.demo.simulator.tissue import still


@dataclass(frozen=True)
class Answers:
    """References that give one answer, whatever is asked."""

    answer: Comparison | Refusal

    def compare(self, question: Question) -> Comparison | Refusal:
        return self.answer


def refusing(code: RefusalCode) -> Answers:
    return Answers(Refusal(code, "a reason", "a remedy"))


def z(score: float) -> Answers:
    return Answers(Comparison("id", "1", "hash", "local", "a source", z=score))


IMAGE_CASES = {
    "no_spacing": lambda m: m.clip(spacing=None),
    "fascia_slanted": lambda m: m.clip(m.layers(slope=0.12), points=m.outline(slope=0.12)),
    "deep_border_faint": lambda m: m.clip(m.layers(border=62)),
    "deep_region": lambda m: m.clip(spacing=Spacing(0.35, 0.35)),
    "thick_subcutaneous_tissue": lambda m: m.clip(
        m.layers(fat_px=120, muscle_px=80), points=m.outline(120, 80), spacing=Spacing(0.2, 0.2)
    ),
    "attenuation": lambda m: m.clip(m.layers(muscle=90, attenuation=60)),
    "architecture_lost": lambda m: m.clip(m.layers(muscle=98, streaks=0, grain=25)),
    "saturated": lambda m: m.clip(np.where(m.layers() > 75, 255, m.layers()).astype(np.uint8)),
    "small_region": lambda m: m.clip(points=((180, 100), (220, 100), (220, 160), (180, 160))),
    "colour_left_out": lambda m: m.clip(colour=np.arange(300)[:, None] * np.ones(400) == 150),
    "lossy_compression": lambda m: m.clip(device=Device(lossy=True)),
    "frame_of_cine": lambda m: m.clip(np.stack([m.layers()] * 4)),
}


@pytest.mark.parametrize("name", IMAGE_CASES)
def test_an_image_raises_the_flag_and_the_usual_image_does_not(name, muscle):
    raised = muscle.analyse(IMAGE_CASES[name](muscle))[0]
    usual = muscle.analyse(muscle.clip())[0]
    assert isinstance(raised, Finding)
    assert name in {flag.name for flag in raised.flags}
    assert name not in {flag.name for flag in usual.flags}


def test_the_usual_image_raises_nothing(muscle):
    assert muscle.analyse(muscle.clip())[0].flags == ()


def test_muscles_without_bone_behind_say_so_and_use_no_deep_echo(muscle, value):
    calf = muscle.analyse(muscle.clip(structure="gastrocnemius_medialis"), structure="gastrocnemius_medialis")
    assert "no_backstop" in {flag.name for flag in calf[0].flags}
    assert "deep_border_echo" not in {m.name for m in calf[0].measurements}
    usual = muscle.analyse()[0]
    assert "no_backstop" not in {flag.name for flag in usual.flags}
    assert value(usual, "deep_border_echo") > 150


def test_a_muscle_under_another_is_deep_whatever_its_depth(muscle):
    covered = muscle.analyse(muscle.clip(structure="brachialis"), structure="brachialis")[0]
    assert "deep_region" in {flag.name for flag in covered.flags}
    assert "subcutaneous_thickness" not in {m.name for m in covered.measurements}


@pytest.mark.parametrize(("top", "raised"), [(100, False), (70.5, True), (60, True)])
def test_a_drawn_region_at_the_fascia_is_flagged(muscle, top, raised):
    clip = muscle.clip(drawn=())
    inner = ((150, top), (250, top), (250, 180), (150, 180), (150, top))
    chosen = Chosen(0, inner, "drawn", clip.tissue, muscle=muscle.outline())
    frames = clip.frames
    scene = scene_of(clip, chosen, frames.grey(0), frames.coloured(0), muscle.acquisition(clip))
    values = {"fraction_at_0": 0.0, "fraction_at_255": 0.0, "fraction_coloured": 0.0}
    found = {flag.name for flag in of_image(clip, scene, values, Limits())}
    assert ("region_at_fascia" in found) is raised


def three(muscle, *levels: float, **kwargs: object) -> tuple:
    return tuple(
        muscle.clip(muscle.layers(muscle=level, seed=k), uid=f"1.2.{k}", **kwargs) for k, level in enumerate(levels)
    )


SET_CASES = {
    "few_images": lambda m: ((m.clip(), m.clip(uid="1.2.4")), three(m, 60, 60, 60)),
    "uneven_repeats": lambda m: (three(m, 50, 62, 74), three(m, 60, 61, 62)),
    "settings_differ_between_images": lambda m: (
        (*three(m, 60, 60), m.clip(uid="1.9", device=Device(preset="other"))),
        three(m, 60, 60, 60),
    ),
    "preset_unknown": lambda m: (three(m, 60, 60, 60), three(m, 60, 60, 60, device=Device(preset="MUSCLE"))),
}


@pytest.mark.parametrize("name", SET_CASES)
def test_repeated_images_raise_the_flag_together(name, muscle):
    firing, quiet = SET_CASES[name](muscle)
    raised, usual = (muscle.analyse(*clips)[-1] for clips in (firing, quiet))
    assert raised.scope is usual.scope is Scope.ACQUISITION
    assert name in {flag.name for flag in raised.flags}
    assert name not in {flag.name for flag in usual.flags}


SUBJECT_CASES = {
    "under_three_years": ({"subject": Subject(2.5)}, {"subject": Subject(3.5)}),
    "tibialis_anterior_over_eighty": (
        {"subject": Subject(84), "structure": "tibialis_anterior"},
        {"subject": Subject(78), "structure": "tibialis_anterior"},
    ),
    "unusual_body_mass_index": ({"subject": Subject(40, "M", 170, 110)}, {"subject": Subject(40, "M", 170, 65)}),
    "metabolic_question": ({"question": "Pompe disease?"}, {"question": "ALS?"}),
    "recent_lesion": ({"question": "acute radial nerve palsy"}, {"question": "chronic radial nerve palsy"}),
    "myositis_question": ({"question": "suspected dermatomyositis"}, {"question": "dystrophy"}),
}


@pytest.mark.parametrize("name", SUBJECT_CASES)
def test_subject_and_question_raise_the_flag(name, muscle):
    firing, quiet = SUBJECT_CASES[name]
    structure = firing.get("structure", "biceps_brachii")
    raised, usual = (muscle.analyse(muscle.clip(structure=structure), **kw)[-1] for kw in (firing, quiet))
    assert name in {flag.name for flag in raised.flags}
    assert name not in {flag.name for flag in usual.flags}


REFUSAL_CASES = {
    "reference_of_other_settings": RefusalCode.SETTINGS_DIFFER,
    "outside_reference_range": RefusalCode.OUTSIDE_RANGE,
    "covariate_missing": RefusalCode.COVARIATE_MISSING,
    "reference_suspended": RefusalCode.SUSPENDED,
}


@pytest.mark.parametrize("name", REFUSAL_CASES)
def test_a_refusal_of_the_reference_store_is_a_flag_that_blocks(name, muscle):
    raised = muscle.analyse(references=refusing(REFUSAL_CASES[name]))[-1]
    usual = muscle.analyse(references=z(0.3))[-1]
    found = next(flag for flag in raised.flags if flag.name == name)
    assert found.action is Action.BLOCK_Z
    assert name not in {flag.name for flag in usual.flags}


def test_leverage_counts_as_outside_the_reference(muscle):
    raised = muscle.analyse(references=refusing(RefusalCode.LEVERAGE))[-1]
    assert "outside_reference_range" in {flag.name for flag in raised.flags}


def exam(muscle, *scored: tuple[str, float]) -> list:
    plugin = Echogenicity()
    results = []
    for structure, score in scored:
        acquisition = muscle.acquisition(muscle.clip(structure=structure), structure=structure, view=View.TRANSVERSE)
        results.append(Result(plugin.name, plugin.version, acquisition, tuple(plugin.analyse(acquisition, z(score)))))
    return [conclusion.name for conclusion in MuscleExam().summarise(results, (), z(0))]


def test_neighbours_of_different_brightness_are_named(muscle):
    assert "background_effect" in exam(muscle, ("rectus_femoris", 3.1), ("vastus_intermedius", 0.2))
    assert "background_effect" not in exam(muscle, ("rectus_femoris", 1.1), ("vastus_intermedius", 0.2))


def test_the_chance_of_many_comparisons_is_told(muscle):
    assert "many_comparisons" in exam(muscle, ("rectus_femoris", 3.1), ("tibialis_anterior", 0.2))
    assert "many_comparisons" not in exam(muscle, ("rectus_femoris", 3.1))


def test_every_declared_flag_has_its_test_and_its_sentence():
    tested = {
        *IMAGE_CASES, *SET_CASES, *SUBJECT_CASES, *REFUSAL_CASES,
        "no_backstop", "region_by_point", "region_untried", "region_at_fascia", "muscle_cut_off", "background_effect",
        "many_comparisons",
    }  # fmt: skip
    assert {flag.name for flag in flags.ALL} == tested
    assert len({flag.name for flag in flags.ALL}) == len(flags.ALL)
    assert all(flag.sentence.endswith(".") and len(flag.sentence) > 20 for flag in flags.ALL)


def test_what_blocks_the_word_normal_keeps_the_class_from_being_normal(muscle):
    usual = muscle.analyse(references=z(0.2))[-1]
    covered = muscle.analyse(muscle.clip(structure="brachialis"), structure="brachialis", references=z(0.2))[-1]
    classes = [next(o for o in f.observations if o.name == "suggested_class") for f in (usual, covered)]
    assert classes[0].value.meaning == "Suggested: normal"
    assert classes[1].value.meaning == "Suggested: uncertain"
    assert "not called normal" in classes[1].text


def test_sides_are_kept_apart_in_the_neighbour_rule(muscle):
    plugin = Echogenicity()
    results = []
    for structure, score, side in (("rectus_femoris", 3.1, Side.LEFT), ("vastus_intermedius", 0.2, Side.RIGHT)):
        acquisition = muscle.acquisition(muscle.clip(structure=structure), structure=structure, side=side)
        results.append(Result(plugin.name, plugin.version, acquisition, tuple(plugin.analyse(acquisition, z(score)))))
    assert "background_effect" not in [c.name for c in MuscleExam().summarise(results, (), z(0))]


def test_limits_are_parameters_that_a_site_can_change(muscle):
    strict = Echogenicity(limits=replace(Limits(), images=1, slant_deg=-1.0))
    found = {flag.name for flag in muscle.analyse(plugin=strict)[-1].flags}
    assert "few_images" not in found
    assert "fascia_slanted" in found


def test_a_region_that_names_nothing_gives_no_lengths(muscle):
    box = Region(RegionShape.BOX, ((120, 90), (280, 180)), RegionOrigin.SCANNER)
    (image, _) = muscle.analyse(muscle.clip(drawn=(box,)), view=View.TRANSVERSE)
    assert {"muscle_thickness", "cross_sectional_area"}.isdisjoint(m.name for m in image.measurements)


@pytest.mark.parametrize(("structure", "raised"), [("biceps_brachii", True), ("tibialis_anterior", False)])
def test_a_found_muscle_that_the_search_was_not_judged_on_says_so(structure, raised):
    grey = still(LongitudinalMuscle(), Picture(), 3)
    tissue = TissueRegion(Picture().box, Spacing(0.1, 0.1))
    clip = Clip("1.2.3", "1.2", ArrayFrames(grey), (tissue,))
    acquisition = Acquisition(structure, Side.LEFT, None, View.LONGITUDINAL, (clip,))
    (image, _) = Echogenicity().analyse(acquisition, NoReferences())
    assert ("region_untried" in {flag.name for flag in image.flags}) is raised
