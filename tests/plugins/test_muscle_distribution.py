"""Selective involvement, one root, one nerve: each rule fires on its case and is silent without one condition."""

from __future__ import annotations

import pytest

from plugins.contract import FrameRef, Side
from plugins.echogenicity.distribution import Compared, distribution
from plugins.echogenicity.innervation import SUPPLY
from reference_store import anatomy

LEFT, RIGHT = Side.LEFT, Side.RIGHT


def muscles(**scores: tuple[float, ...]) -> list[Compared]:
    """Muscles with z-scores of the left and, where given, the right side."""
    return [
        Compared(structure, side, z, None, FrameRef(f"1.{number}.{side is RIGHT:d}"))
        for number, (structure, both) in enumerate(scores.items())
        for side, z in zip((LEFT, RIGHT), both, strict=False)
    ]


def patterns(found: list[Compared]) -> set[str]:
    """Names of the observations of the one conclusion."""
    return {each.name for conclusion in distribution(found) for each in conclusion.observations}


C6 = {
    "biceps_brachii": (2.8, 0.3),
    "brachioradialis": (3.1, 0.1),
    "first_dorsal_interosseous": (0.2, 0.4),
    "flexor_carpi_ulnaris": (0.5, 0.2),
}


def test_muscles_of_one_root_are_named_with_the_root() -> None:
    (conclusion,) = distribution(muscles(**C6))
    assert "pattern_one_root" in {each.name for each in conclusion.observations}
    # the two muscles have different nerves
    assert "pattern_one_nerve" not in {each.name for each in conclusion.observations}
    assert "C5 or C6" in conclusion.text
    assert "Biceps brachii left (z 2.8)" in conclusion.text
    assert len(conclusion.evidence) == 8


@pytest.mark.parametrize(
    "change",
    [
        {"biceps_brachii": (2.8, 2.6)},  # raised on the other side too
        {"biceps_brachii": (2.8,)},  # the other side was not seen
        {"brachioradialis": (1.4, 0.1)},  # one raised muscle is no pattern
        {"first_dorsal_interosseous": (2.9, 0.4)},  # no root is common to all raised muscles
        {"first_dorsal_interosseous": (0.2, 3.0)},  # something raised on the other side
    ],
)
def test_each_condition_of_one_root_is_needed(change: dict) -> None:
    assert "pattern_one_root" not in patterns(muscles(**(C6 | change)))


def test_a_root_whose_other_muscles_are_not_raised_does_not_explain() -> None:
    spared = {"deltoid": (0.2, 0.1), "supraspinatus": (0.1, 0.2), "infraspinatus": (0.3, 0.2)}
    assert "pattern_one_root" not in patterns(muscles(**C6, **spared))


def test_without_a_muscle_of_another_root_nothing_is_parted() -> None:
    same = {"biceps_brachii": (2.8, 0.3), "brachioradialis": (3.1, 0.1), "deltoid": (1.5, 0.1)}
    assert "pattern_one_root" not in patterns(muscles(**same))


def test_the_branch_nearest_to_the_muscles_is_named() -> None:
    found = muscles(
        tibialis_anterior=(3.0, 0.1),
        extensor_digitorum_brevis=(2.6, 0.3),
        gastrocnemius_medialis=(0.2, 0.1),
        vastus_lateralis=(0.3, 0.2),
    )
    (conclusion,) = distribution(found)
    assert "pattern_one_nerve" in {each.name for each in conclusion.observations}
    assert "deep fibular nerve;" in conclusion.text


def test_a_nerve_that_supplies_all_compared_muscles_is_not_named() -> None:
    found = muscles(
        tibialis_anterior=(3.0, 0.1),
        gastrocnemius_medialis=(2.6, 0.3),
        soleus=(0.2, 0.1),
        fibularis_longus=(0.3, 0.2),
    )
    assert "pattern_one_nerve" not in patterns(found)


SELECTIVE = {
    "gastrocnemius_medialis": (3.1, 2.9),
    "biceps_femoris": (2.6, 2.4),
    "vastus_lateralis": (0.4, 0.2),
    "tibialis_anterior": (0.3, 0.9),
}


def test_some_bright_and_some_spared_muscles_are_selective() -> None:
    assert patterns(muscles(**SELECTIVE)) == {"pattern_selective"}


@pytest.mark.parametrize(
    "change",
    [
        {"biceps_femoris": (1.6, 1.2)},  # one bright muscle
        {"vastus_lateralis": (1.4, 1.5)},  # one spared muscle
        {"vastus_lateralis": (2.4, 0.2)},  # bright on one side, spared on the other
    ],
)
def test_each_condition_of_selective_is_needed(change: dict) -> None:
    assert "pattern_selective" not in patterns(muscles(**(SELECTIVE | change)))


def test_nothing_is_said_of_few_muscles_or_of_none_raised() -> None:
    assert distribution(muscles(biceps_brachii=(3.0, 0.1), deltoid=(2.9,))) == ()
    assert distribution(muscles(biceps_brachii=(0.3, 0.1), deltoid=(0.2, 1.9))) == ()


def test_the_contrast_is_the_largest_less_the_smallest() -> None:
    (conclusion,) = distribution(muscles(**C6))
    assert conclusion.measurements[0].value == pytest.approx(3.0)


def test_a_muscle_seen_twice_counts_once_with_its_highest_score() -> None:
    twice = [*muscles(**C6), Compared("biceps_brachii", LEFT, 0.1, None, FrameRef("1.9"))]
    assert "pattern_one_root" in patterns(twice)
    assert len(distribution(twice)[0].evidence) == 8


def test_a_thin_muscle_is_called_thin() -> None:
    thin = [Compared("rectus_femoris", LEFT, 2.6, -2.8, FrameRef("1.8"))]
    assert "Rectus femoris left (z 2.6, thin)" in distribution([*muscles(**C6), *thin])[0].text


def test_the_supply_speaks_of_muscles_that_the_catalogue_has() -> None:
    known = {each.key for each in anatomy.structures("muscle")}
    assert SUPPLY.keys() <= known
    assert all(supply.roots for supply in SUPPLY.values())
    assert {root[0] for supply in SUPPLY.values() for root in supply.roots} == set("CTLS")


def test_the_roots_of_a_muscle_follow_each_other() -> None:
    order = [
        f"{letter}{number}"
        for letter, last in (("C", 8), ("T", 12), ("L", 5), ("S", 5))
        for number in range(1, last + 1)
    ]
    for structure, supply in SUPPLY.items():
        places = sorted(order.index(root) for root in supply.roots)
        assert places == list(range(places[0], places[-1] + 1)), structure


def test_a_muscle_of_two_nerves_is_no_evidence_for_one() -> None:
    assert not SUPPLY["iliopsoas"].nerves
    assert not SUPPLY["flexor_digitorum_profundus"].nerves
