"""The muscle is found where it was simulated, moves with the picture, and is refused where it cannot be known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from plugins.echogenicity.region import NEEDS_A_REGION, Located, field_mask, field_of_view, locate
from plugins.echogenicity.region.priors import SEVERAL, THICKNESS, UNDER_ANOTHER_MUSCLE
from plugins.images import Box, Spacing
from reference_store import anatomy
from reference_store.values import View
from service.demo.simulator import LongitudinalMuscle, Picture, TransverseMuscle
from service.demo.simulator.tissue import still

SPACING = Spacing(0.1, 0.1)
FIELD = Picture().box
POINTS = 49


def find(grey: np.ndarray, **more: object) -> Located:
    """``locate`` with everything usual."""
    given = {
        "coloured": np.zeros(grey.shape, bool),
        "view": View.LONGITUDINAL,
        "structure": "tibialis_anterior",
        "spacing": SPACING,
        "region_box": FIELD,
    }
    return locate(grey, **(given | more))  # type: ignore[arg-type]


def simulated(seed: int) -> tuple[LongitudinalMuscle, np.ndarray]:
    """One of many muscles."""
    random = np.random.default_rng(seed)
    muscle = LongitudinalMuscle(
        upper_mm=random.uniform(5, 9),
        lower_mm=random.uniform(17, 27),
        slope=random.uniform(-0.06, 0.06),
        echo_db=random.uniform(-12, -4),
        pennation_rad=random.uniform(0.15, 0.4),
    )
    return muscle, still(muscle, Picture(), seed)


@pytest.fixture(scope="module")
def stills() -> list[tuple[LongitudinalMuscle, np.ndarray]]:
    """Six simulated stills."""
    return [simulated(seed) for seed in range(6)]


def inner_thickness_px(found: Located) -> float:
    """Median height of the outline."""
    assert found.outline is not None
    rows = np.array(found.outline)[:, 1]
    return float(np.median(rows[POINTS : 2 * POINTS][::-1] - rows[:POINTS]))


def lines_apart(one: Located, other: Located) -> float:
    """Median distance of two answers' lines as a share of the thickness."""
    gaps = []
    for a, b in ((one.superficial, other.superficial), (one.deep, other.deep)):
        first, second = np.array(a), np.array(b)
        gaps.append(np.median(np.abs(first[:, 1] - np.interp(first[:, 0], second[:, 0], second[:, 1]))))
    return float(max(gaps)) / inner_thickness_px(one)


def test_simulated_muscles_are_found_with_their_thickness(stills: list) -> None:
    """At least five of six answered; thickness within 1 px (0.1 mm) in most, and near it in all."""
    between_centres, between_edges = [], []
    for muscle, grey in stills:
        found = find(grey)
        if found.outline is None:
            continue
        centres = np.median(np.array(found.deep)[:, 1] - np.array(found.superficial)[:, 1])
        # the simulator puts the centres of its fasciae 0.45 mm outside the muscle
        between_centres.append(centres - (muscle.thickness_mm + 0.9) / 0.1)
        between_edges.append(inner_thickness_px(found) - muscle.thickness_mm / 0.1)
    assert len(between_centres) >= 5
    for errors in (between_centres, between_edges):
        assert max(map(abs, errors)) < 2.5
        assert np.mean(np.abs(errors) <= 1) > 0.65
        assert abs(np.median(errors)) < 0.75


def test_the_lines_lie_on_the_simulated_fasciae(stills: list) -> None:
    for muscle, grey in stills:
        found = find(grey)
        if found.outline is None:
            continue
        deep = np.array(found.deep)
        truth = FIELD.row0 + (muscle.lower_mm + muscle.slope * (deep[:, 0] - FIELD.column0) * 0.1 + 0.45) / 0.1
        upper = FIELD.row0 + (muscle.upper_mm - 0.45) / 0.1
        assert np.median(np.abs(deep[:, 1] - truth)) < 2
        assert np.median(np.abs(np.array(found.superficial)[:, 1] - upper)) < 2


def test_an_answer_hands_on_the_field_that_was_searched(stills: list) -> None:
    grey = stills[0][1]
    box, mask = find(grey).seen
    unmarked = np.zeros(grey.shape, bool)
    assert box == field_of_view(grey, unmarked, FIELD)
    assert (mask == field_mask(grey, unmarked, box)).all()


def test_the_outline_lies_between_the_lines(stills: list) -> None:
    found = find(stills[0][1])
    rows = np.array(found.outline)[:, 1]
    assert (rows[:POINTS] > np.array(found.superficial)[:, 1]).all()
    assert (rows[POINTS : 2 * POINTS][::-1] < np.array(found.deep)[:, 1]).all()
    assert found.outline[0] == found.outline[-1]


def test_a_mirrored_picture_has_the_mirrored_answer(stills: list) -> None:
    _, grey = stills[1]
    found, mirrored = find(grey), find(np.ascontiguousarray(grey[:, ::-1]), region_box=None)
    width = grey.shape[1]
    back = [tuple((width - c, r) for c, r in reversed(line)) for line in (mirrored.superficial, mirrored.deep)]
    turned = Located(mirrored.outline, back[0], back[1], (), mirrored.confidence, mirrored.threshold, mirrored.method)
    assert lines_apart(found, turned) < 0.015


@pytest.mark.parametrize("gain", [0.9, 1.1])
def test_gain_does_not_move_the_lines(stills: list, gain: float) -> None:
    for _, grey in stills[:3]:
        louder = np.clip(grey * gain, 0, 255).astype(np.uint8)
        assert lines_apart(find(grey), find(louder)) < 0.015


def test_a_crop_of_five_pixels_does_not_move_the_lines(stills: list) -> None:
    for _, grey in stills[:3]:
        cropped = Box(FIELD.column0 + 5, FIELD.row0 + 5, FIELD.column1 - 5, FIELD.row1 - 5)
        assert lines_apart(find(grey), find(grey, region_box=cropped)) < 0.015


def test_jpeg_does_not_move_the_lines(stills: list) -> None:
    for _, grey in stills[:3]:
        coded = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
        assert lines_apart(find(grey), find(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE))) < 0.015


def test_the_answer_moves_with_the_field(stills: list) -> None:
    _, grey = stills[2]
    moved = np.zeros((600, 800), np.uint8)
    moved[100:580, 130:770] = grey
    found = find(grey)
    other = find(moved, region_box=None)
    back = [tuple((c - 130, r - 100) for c, r in line) for line in (other.superficial, other.deep)]
    turned = Located(other.outline, back[0], back[1], (), other.confidence, other.threshold, other.method)
    assert lines_apart(found, turned) < 0.005


def test_the_same_picture_gives_the_same_answer_and_is_not_written_to(stills: list) -> None:
    grey = stills[3][1].copy()
    grey.flags.writeable = False
    assert find(grey) == find(grey)


def test_coloured_marks_are_looked_through(stills: list) -> None:
    grey, coloured = stills[0][1].copy(), np.zeros(stills[0][1].shape, bool)
    for row, column in ((180, 200), (180, 204), (260, 400)):
        grey[row - 8 : row + 8, column] = 255
        coloured[row - 8 : row + 8, column] = True
    assert lines_apart(find(stills[0][1]), find(grey, coloured=coloured)) < 0.015


def refused(found: Located) -> bool:
    """No outline, no lines, a reason that says what is needed."""
    return found.outline is None and not found.superficial and not found.deep and NEEDS_A_REGION in found.reason


@pytest.mark.parametrize("structure", ["soleus", "vastus_intermedius", "brachialis"])
def test_a_muscle_under_another_needs_a_region(stills: list, structure: str) -> None:
    found = find(stills[0][1], structure=structure)
    assert refused(found)
    assert "under" in found.reason
    assert found.alternatives


def test_a_group_of_muscles_needs_a_region(stills: list) -> None:
    assert refused(find(stills[0][1], structure="quadriceps_femoris"))


def test_a_view_that_is_not_known_needs_a_region(stills: list) -> None:
    found = find(stills[0][1], view=View.UNKNOWN)
    assert refused(found)
    assert found.alternatives


def test_a_thickness_no_muscle_has_needs_a_region(stills: list) -> None:
    found = find(stills[0][1], spacing=Spacing(0.5, 0.5))
    assert refused(found)
    assert "mm" in found.reason


def test_a_muscle_it_was_not_judged_on_is_answered_with_a_caution(stills: list) -> None:
    assert find(stills[0][1], structure="biceps_brachii").caution
    assert not find(stills[0][1], structure="tibialis_anterior").caution


def test_a_transverse_view_is_never_answered_but_shown() -> None:
    muscle = TransverseMuscle()
    found = find(still(muscle, Picture(), 4), view=View.TRANSVERSE, structure="biceps_brachii")
    assert refused(found)
    assert found.alternatives
    assert found.confidence == 0


def test_the_first_transverse_suggestion_reaches_from_fascia_to_bone() -> None:
    """Top at the muscles' common fascia within 2 mm, bottom at the bone's arc within 3 mm."""
    muscle = TransverseMuscle(bone_mm=(20.0, 28.0), bone_radius_mm=14.0)
    found = find(still(muscle, Picture(), 5), view=View.TRANSVERSE)
    rows = np.array(found.alternatives[0])
    middle = np.abs(rows[:, 0] - (FIELD.column0 + 200)) < 60
    top, bottom = rows[middle][:, 1].min(), rows[middle][:, 1].max()
    assert abs((top - FIELD.row0) * 0.1 - 5.5) < 2
    assert abs((bottom - FIELD.row0) * 0.1 - 30.0) < 3


@pytest.mark.parametrize("seed", range(4))
def test_speckle_without_fasciae_needs_a_region(seed: int) -> None:
    grey = np.random.default_rng(seed).rayleigh(40, (400, 400)).clip(0, 255).astype(np.uint8)
    grey = cv2.GaussianBlur(grey, (0, 0), 2)
    assert refused(find(grey, region_box=None))


@pytest.mark.parametrize("shape", [(30, 400), (400, 30), (3, 3)])
def test_a_field_too_small_needs_a_region(shape: tuple[int, int]) -> None:
    grey = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    found = find(grey, region_box=None)
    assert refused(found)
    assert found.alternatives == ()


def test_every_name_in_the_tables_is_in_the_catalogue() -> None:
    for key in (*THICKNESS, *UNDER_ANOTHER_MUSCLE, *SEVERAL):
        assert anatomy.structure(key) is not None


def test_an_answer_without_confidence_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="under the threshold"):
        Located(((0.0, 0.0),), (), (), (), 0.5, 0.9, "test")
    with pytest.raises(ValueError, match="reason"):
        Located(None, (), (), (), 0.5, 0.9, "test")
    with pytest.raises(ValueError, match="confidence"):
        Located(None, (), (), (((0.0, 0.0),),), 0.5, 0.9, "test", "needs a region")
