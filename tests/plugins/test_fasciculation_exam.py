"""Regions and protocols over an exam; evaluation against annotations; rates by the Poisson law."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.codes import PRESENT
from plugins.contract import (
    Acquisition,
    ArrayFrames,
    Clip,
    Comparison,
    Conclusion,
    Finding,
    FrameRef,
    Measurement,
    NoReferences,
    NotAssessable,
    ReasonCode,
    Result,
    Side,
    View,
)
from plugins.fasciculation import FasciculationExam, codes
from plugins.fasciculation.evaluate import Found, annotated_in, evaluate, matches
from plugins.fasciculation.protocols import protocols
from plugins.fasciculation.rates import rate_detectable, rate_not_excluded
from reference_store import anatomy

STILL = ArrayFrames(np.zeros((2, 40, 40), np.uint8))
OUTLINE = ((1.0, 1.0), (9.0, 1.0), (9.0, 9.0), (1.0, 1.0))


def judged(structure: str, side: Side, count: int | None, plugin: str = "fasciculation") -> Result:
    acquisition = Acquisition(structure, side, None, View.TRANSVERSE, (Clip(f"1.{structure}.{side}", "1", STILL),))
    image = FrameRef(acquisition.clips[0].sop_instance_uid)
    if count is None:
        return Result(plugin, "1", acquisition, (NotAssessable(ReasonCode.MOTION, "moved", "again", image),))
    measured = Measurement("fasciculation_count", codes.COUNT, count, "{counts}")
    return Result(plugin, "1", acquisition, (Finding(image, OUTLINE, (measured,)),))


def bright(structure: str, side: Side, z: float) -> Result:
    result = judged(structure, side, 0, "echogenicity")
    finding = result.outcomes[0]
    assert isinstance(finding, Finding)
    comparison = Comparison("r", "1", "h", "test", "source", z=z)
    measured = Measurement("echo_intensity_mean", codes.COUNT, 80.0, "[arb'U]", comparison=comparison)
    return Result("echogenicity", "1", result.acquisition, (Finding(finding.image, OUTLINE, (measured,)),))


def protocol(results: Sequence[Result], key: str, muscles: str = "") -> Conclusion:
    chosen = FasciculationExam(protocols=(key,), muscles=((key, muscles),) if muscles else ())
    return chosen.summarise(results, (), NoReferences())[1]


ELEVEN = [("tongue", Side.MIDLINE)] + [
    (name, side)
    for name in ("trapezius", "biceps_brachii", "abductor_pollicis_brevis", "rectus_femoris", "tibialis_anterior")
    for side in (Side.LEFT, Side.RIGHT)
]


def test_no_protocol_is_a_default_and_nothing_is_said_without_clips() -> None:
    assert FasciculationExam().protocols == ()
    assert FasciculationExam().summarise([bright("biceps_brachii", Side.LEFT, 2.0)], (), NoReferences()) == ()


def test_every_protocol_names_muscles_of_the_catalogue_and_its_source() -> None:
    for each in protocols().values():
        assert each.citation in each.source
        assert 0 < each.sensitivity <= 100
        for slot in each.slots:
            assert anatomy.structure(slot.structure).kind == "muscle"


def test_regions_count_muscles_and_leave_the_foot_out() -> None:
    results = [
        judged("biceps_brachii", Side.LEFT, 4),
        judged("tibialis_anterior", Side.LEFT, 1),
        judged("abductor_hallucis", Side.LEFT, 9),
        judged("trapezius", Side.RIGHT, None),
    ]
    (regions,) = FasciculationExam().summarise(results, (), NoReferences())
    assert "upper limb 1 of 1" in regions.text
    assert "lower limb 0 of 1" in regions.text
    assert "Not counted" in regions.text
    assert "abductor hallucis" in regions.text
    assert "Not assessable: trapezius right" in regions.text
    assert {each.name: each.value for each in regions.measurements} == {
        "muscles_with_fasciculations": 1, "muscles_examined": 2, "fasciculations_total": 5,
    }  # fmt: skip


@pytest.mark.parametrize(("positive", "met"), [(2, False), (3, True)])
def test_three_of_eleven(positive: int, met: bool) -> None:
    results = [judged(*muscle, 5 if at < positive else 0) for at, muscle in enumerate(ELEVEN)]
    said = protocol(results, "mus3of11")
    assert said.evaluable
    assert (said.observations[0].value == PRESENT) is met
    assert "88.2" in said.source


def test_a_protocol_is_not_evaluable_while_missing_muscles_could_change_it() -> None:
    results = [judged(*muscle, 5 if at < 2 else 0) for at, muscle in enumerate(ELEVEN[:-1])]
    said = protocol(results, "mus3of11")
    assert not said.evaluable
    assert said.text == "not evaluable, missing: tibialis anterior right"
    assert not said.observations


def test_a_protocol_that_is_met_stays_met_with_muscles_missing() -> None:
    said = protocol([judged(*muscle, 5) for muscle in ELEVEN[:3]], "mus3of11")
    assert said.evaluable
    assert said.text.startswith("criterion met")
    assert "missing" in said.text


def test_a_clip_that_could_not_be_judged_is_missing_not_negative() -> None:
    results = [judged(*muscle, None if at == 0 else 5 if at < 3 else 0) for at, muscle in enumerate(ELEVEN)]
    assert "missing: tongue" in protocol(results, "mus3of11").text


def test_a_protocol_without_published_muscles_asks_for_them() -> None:
    results = [judged(*muscle, 5) for muscle in ELEVEN]
    assert not protocol(results, "mus5_2024").evaluable
    listed = "biceps_brachii:left; trapezius:left; tongue; rectus_femoris:left; tibialis_anterior:left"
    assert protocol(results, "mus5_2024", listed).evaluable


def test_arts_needs_echo_intensity_too() -> None:
    names = [slot.structure for slot in protocols()["arts2012"].slots]
    twitching = [judged(name, Side.LEFT, 3) for name in names]
    assert not protocol(twitching, "arts2012").evaluable
    scores = [bright(name, Side.LEFT, 2.0 if at < 2 else 0.0) for at, name in enumerate(names)]
    assert protocol([*twitching, *scores], "arts2012").text.startswith("criterion met")
    dark = [bright(name, Side.LEFT, 0.0) for name in names]
    assert protocol([*twitching, *dark], "arts2012").text.startswith("criterion not met")


def test_an_unknown_protocol_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no fasciculation protocol 'mine'"):
        protocol([judged("tongue", Side.MIDLINE, 1)], "mine")


def test_rates_are_those_of_the_published_table() -> None:
    """3.9, 7.8 and 23 per minute for two events with probability 0.9; three over the time for none seen."""
    assert rate_detectable(1.0) == pytest.approx(3.89, abs=0.01)
    assert rate_detectable(0.5) == pytest.approx(7.78, abs=0.01)
    assert rate_detectable(1 / 6) == pytest.approx(23.3, abs=0.1)
    assert rate_not_excluded(0, 1.0) == pytest.approx(-np.log(0.05))


@given(st.integers(0, 200), st.floats(0.1, 30))
def test_a_rate_that_cannot_be_excluded_lies_above_the_one_seen(count: int, minutes: float) -> None:
    assert rate_not_excluded(count, minutes) > count / minutes
    assert rate_not_excluded(count + 1, minutes) > rate_not_excluded(count, minutes)


@given(
    st.lists(st.floats(0, 60), max_size=12, unique=True),
    st.lists(st.floats(0, 60), max_size=12, unique=True),
)
def test_matching_is_one_to_one_and_within_the_tolerance(one: list[float], other: list[float]) -> None:
    pairs = matches(one, other, 0.15)
    assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)
    assert all(abs(one[a] - other[b]) <= 0.15 for a, b in pairs)
    assert len(matches(other, one, 0.15)) == len(pairs)


def test_evaluation_counts_and_times() -> None:
    table = annotated_in("clip,peak_s\na,1.0\na,2.0\na,3.0\nb,\nc,1.5\n")
    found = [Found("a", (1.05, 2.02, 5.0), 60.0), Found("b", (), 60.0), Found("c", (), 5.0, False, "it moves")]
    result = evaluate(table, found)
    assert (result.precision.hits, result.precision.of) == (2, 3)
    assert (result.recall.hits, result.recall.of) == (2, 3)
    assert result.false_per_minute == pytest.approx(0.5)
    assert result.timing_bias_s == pytest.approx(0.035)
    assert result.not_assessable == ("c",)
    assert "precision 0.667 (2 of 3" in str(result)
    assert "left out of these figures: c: it moves" in str(result)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_annotations_may_come_from_a_spreadsheet(separator: str) -> None:
    text = "\ufeffclip,peak_s\r\na.dcm,1,25\r\na.dcm,3\r\nb,\r\n".replace(",", separator).replace("1;25", "1,25")
    (one, other) = annotated_in(text.replace("1\t25", "1,25"))
    assert (one.clip, one.peaks_s, other.peaks_s) == ("a.dcm", (1.25, 3.0), ())


def test_annotations_may_be_intervals_and_say_what_is_wrong() -> None:
    assert annotated_in("clip,start_s,end_s\na,1.0,1.4\n")[0].peaks_s == (1.2,)
    with pytest.raises(ValueError, match="needs 'clip'"):
        annotated_in("file,time\n")
    with pytest.raises(ValueError, match="line 2"):
        annotated_in("clip,peak_s\na,soon\n")
    with pytest.raises(ValueError, match="not analysed: a"):
        evaluate(annotated_in("clip,peak_s\na,1\n"), [])
