"""Which region is measured: drawing, search, point, or none. What the search answers is set here, case by case."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plugins.contract import (
    Acquisition,
    ArrayFrames,
    Box,
    Clip,
    LineRole,
    NoReferences,
    NotAssessable,
    ReasonCode,
    Region,
    RegionOrigin,
    RegionShape,
    Side,
    Spacing,
    TissueRegion,
    View,
)
from plugins.echogenicity import Echogenicity, chosen
from plugins.echogenicity.region import Located
from service.demo.simulator import LongitudinalMuscle, Picture
from service.demo.simulator.tissue import still

MUSCLE = ((50.0, 70.0), (350.0, 70.0), (350.0, 210.0), (50.0, 210.0), (50.0, 70.0))
BELOW = ((50.0, 215.0), (350.0, 215.0), (350.0, 270.0), (50.0, 270.0), (50.0, 215.0))
LINES = {"superficial": ((50.0, 67.0), (350.0, 67.0)), "deep": ((50.0, 213.0), (350.0, 213.0))}
SURE = Located(
    outline=MUSCLE, alternatives=(BELOW,), alternative_confidences=(0.1,), confidence=0.97, threshold=0.9,
    method="test", **LINES,
)  # fmt: skip
UNSURE = Located(
    outline=None, superficial=(), deep=(), alternatives=(MUSCLE, BELOW), alternative_confidences=(0.7, 0.2),
    confidence=0.7, threshold=0.9, method="test", reason="too alike",
)  # fmt: skip


@pytest.fixture
def search(monkeypatch):
    """Sets what the search answers, and counts how often it is asked."""
    asked = []

    def answers(located: Located) -> list:
        monkeypatch.setattr(chosen, "locate", lambda *given: (asked.append(given), located)[1])
        return asked

    return answers


def point(column: float, row: float, structure: str | None = None) -> Region:
    return Region(RegionShape.POINT, ((column, row),), RegionOrigin.REVIEW, structure=structure)


def test_a_sure_search_is_measured_with_its_lines_and_confidence(muscle, search, value):
    search(SURE)
    found, average = muscle.analyse(muscle.clip(drawn=()))
    assert found.outline == MUSCLE
    assert found.confidence == average.confidence == 0.97
    assert found.region_origin == "found in the image: test"
    assert value(found, "muscle_thickness") == pytest.approx(14.0)
    assert value(found, "subcutaneous_thickness") == pytest.approx(4.7)
    roles = [line.role for line in found.lines]
    assert roles.count(LineRole.MEASURE) == 3
    assert roles.count(LineRole.GUIDE) == 2
    assert roles.count(LineRole.ALTERNATIVE) == 1


def test_an_unsure_search_shows_its_candidates_and_gives_no_number(muscle, search):
    search(UNSURE)
    (refused,) = muscle.analyse(muscle.clip(drawn=()))
    assert isinstance(refused, NotAssessable)
    assert refused.code is ReasonCode.NEEDS_REGION
    assert "too alike" in refused.text
    assert refused.confidence == 0.7
    assert [line.role for line in refused.lines] == [LineRole.ALTERNATIVE] * 2


def test_a_point_decides_between_candidates_and_is_flagged(muscle, search):
    search(UNSURE)
    found = muscle.analyse(muscle.clip(drawn=(point(200, 140),)))[0]
    assert found.outline == MUSCLE
    assert "region_by_point" in {flag.name for flag in found.flags}
    assert "region_by_point" not in {flag.name for flag in muscle.analyse()[0].flags}


@pytest.mark.parametrize(
    ("mark", "located"),
    [
        (point(200, 240), UNSURE),
        (point(10, 10), UNSURE),
        (point(200, 140, "median_nerve"), UNSURE),
        (point(200, 140), replace(UNSURE, alternatives=(MUSCLE, MUSCLE))),
    ],
    ids=["poor candidate", "outside all", "another structure", "two candidates"],
)
def test_a_point_that_does_not_decide_decides_nothing(muscle, search, mark, located):
    search(located)
    (refused,) = muscle.analyse(muscle.clip(drawn=(mark,)))
    assert refused.code is ReasonCode.NEEDS_REGION


def test_a_drawing_of_the_muscle_is_never_overruled_by_the_search(muscle, search):
    asked = search(SURE)
    found = muscle.analyse(muscle.clip(points=((100, 90), (300, 90), (300, 200), (100, 200))))[0]
    assert found.region_origin == "drawn: regions file"
    assert found.confidence is None
    assert not asked


def test_a_box_in_the_muscle_keeps_its_mean_and_takes_the_lengths_from_the_search(muscle, search, value):
    search(SURE)
    box = Region(RegionShape.BOX, ((120.0, 100.0), (280.0, 180.0)), RegionOrigin.SCANNER)
    clip = muscle.clip(drawn=(box,))
    found = muscle.analyse(clip)[0]
    pixels = clip.frames.grey(0)[100:180, 120:280]
    assert value(found, "echo_intensity_mean") == pytest.approx(pixels.mean(), abs=1e-9)
    assert value(found, "region_area") == pytest.approx(128.0)
    assert value(found, "muscle_thickness") == pytest.approx(14.0)
    across = muscle.analyse(clip, view=View.TRANSVERSE)[0]
    assert "muscle_thickness" not in {m.name for m in across.measurements}


def test_a_box_beside_what_the_search_found_takes_no_lengths_from_it(muscle, search):
    search(SURE)
    box = Region(RegionShape.BOX, ((120.0, 225.0), (280.0, 265.0)), RegionOrigin.SCANNER)
    names = {m.name for m in muscle.analyse(muscle.clip(drawn=(box,)))[0].measurements}
    assert "muscle_thickness" not in names
    assert "echo_intensity_mean" in names


def test_the_drawing_that_names_the_muscle_wins_and_contours_come_before_boxes(muscle):
    box = Region(RegionShape.BOX, ((60.0, 80.0), (340.0, 200.0)), RegionOrigin.SCANNER)
    small = Region(RegionShape.POLYGON, ((100, 90), (200, 90), (150, 160)), RegionOrigin.SCANNER)
    named = Region(RegionShape.BOX, ((90.0, 90.0), (150.0, 150.0)), RegionOrigin.SCANNER, structure="biceps_brachii")
    acquisition = muscle.acquisition()
    pick = chosen.drawn_region
    assert pick(muscle.clip(drawn=(box, small)), acquisition) is small
    assert pick(muscle.clip(drawn=(box, small, named)), acquisition) is named
    assert pick(muscle.clip(drawn=(point(1, 1),)), acquisition) is None


def test_two_tissue_regions_need_a_drawing(muscle, search, value):
    search(SURE)
    clip = muscle.clip(drawn=())
    halves = (
        TissueRegion(Box(20, 20, 200, 280), Spacing(0.1, 0.1)),
        TissueRegion(Box(200, 20, 380, 280), Spacing(0.2, 0.2)),
    )
    two = Clip(clip.sop_instance_uid, "1.2", clip.frames, halves)
    (refused,) = muscle.analyse(two)
    assert refused.code is ReasonCode.AMBIGUOUS_CALIBRATION
    box = Region(RegionShape.BOX, ((220.0, 100.0), (320.0, 150.0)), RegionOrigin.SCANNER)
    drawn = Clip(clip.sop_instance_uid, "1.2", clip.frames, halves, drawn=(box,))
    assert value(muscle.analyse(drawn)[0], "region_area") == pytest.approx(100 * 50 * 0.04)


def test_a_drawing_on_a_frame_that_is_not_there_is_reported(muscle):
    late = Region(RegionShape.BOX, ((60.0, 80.0), (340.0, 200.0)), RegionOrigin.SCANNER, frame=7)
    (refused,) = muscle.analyse(muscle.clip(drawn=(late,)))
    assert refused.code is ReasonCode.REGION_INVALID
    assert refused.image.frame == 0


def at_skin() -> Located:
    top = ((50.0, 26.0), (350.0, 26.0), (350.0, 210.0), (50.0, 210.0), (50.0, 26.0))
    return replace(SURE, outline=top, superficial=((50.0, 24.0), (350.0, 24.0)))


def test_a_line_at_the_skin_is_no_fascia(muscle, search):
    search(at_skin())
    (refused,) = muscle.analyse(muscle.clip(drawn=()))
    assert refused.code is ReasonCode.NEEDS_REGION
    assert "skin" in refused.text
    assert [line.role for line in refused.lines] == [LineRole.ALTERNATIVE] * 2


def test_lengths_are_not_taken_from_a_line_at_the_skin(muscle, search):
    search(at_skin())
    box = Region(RegionShape.BOX, ((120.0, 100.0), (280.0, 180.0)), RegionOrigin.SCANNER)
    found = muscle.analyse(muscle.clip(drawn=(box,)))[0]
    assert found.confidence is None
    assert "muscle_thickness" not in {m.name for m in found.measurements}


@pytest.mark.parametrize("seed", [121, 123])
def test_the_lower_side_of_the_skin_is_not_taken_for_a_fascia(seed):
    """Two simulated muscles in which the search was sure of the skin line: 6 mm too thick, if it were believed."""
    random = np.random.default_rng(seed)
    scene = LongitudinalMuscle(
        upper_mm=random.uniform(5, 9),
        lower_mm=random.uniform(17, 27),
        slope=random.uniform(-0.06, 0.06),
        echo_db=random.uniform(-12, -4),
        pennation_rad=random.uniform(0.15, 0.4),
    )
    tissue = TissueRegion(Picture().box, Spacing(0.1, 0.1))
    clip = Clip("1.2.3", "1.2", ArrayFrames(still(scene, Picture(), seed)), (tissue,))
    acquisition = Acquisition("tibialis_anterior", Side.LEFT, None, View.LONGITUDINAL, (clip,))
    for outcome in Echogenicity().analyse(acquisition, NoReferences()):
        values = {one.name: one.value for one in getattr(outcome, "measurements", ())}
        assert isinstance(outcome, NotAssessable) or abs(values["muscle_thickness"] - scene.thickness_mm) < 1
