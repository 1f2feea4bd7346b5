"""Bridges between devices: known lines are found, poor ones refused with numbers, none is inverted or silent."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from reference_store import bridging
from reference_store.bridging import deming, passing_bablok
from reference_store.comparison import Comparison, Question, Refusal, RefusalCode
from reference_store.observations import Observation
from reference_store.reference_set import ReferenceSet
from reference_store.synthetic import ATTESTATION, DEVICE, document
from reference_store.values import Side, Subject, View

OTHER = dataclasses.replace(DEVICE, model="SYNTH-2", serial_number="0009", software_versions=("7",), preset="MSK")
DOCUMENT = document()
OWN = dataclasses.replace(ATTESTATION, device=OTHER, preset="MSK")


def _pairs(n: int, noise: float, seed: int = 1, bend: float = 0.0) -> list[Observation]:
    """Both devices see one truth; the other shows ``0.6 × truth + 5``, and both add noise."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(n):
        truth = rng.uniform(45, 110)
        shown = 0.6 * truth + 5 + bend * (truth - 75) ** 2
        for device, value in ((DEVICE, truth), (OTHER, shown)):
            error = rng.normal(0, noise if device is DEVICE else 0.6 * noise)
            made.append(
                Observation(
                    f"s{number}",
                    "muscle_echo_intensity",
                    float(value + error),
                    "[arb'U]",
                    "biceps_brachii",
                    None,
                    Side.LEFT,
                    View.TRANSVERSE,
                    Subject(50.0, "F"),
                    device,
                    "2026-01-05",
                )
            )
    return made


def _bridge(n: int = 60, noise: float = 1.0, **changes: float):
    return bridging.fit(DOCUMENT, *bridging.pair(_pairs(n, noise, **changes), DOCUMENT))


@pytest.mark.parametrize("line", [deming, passing_bablok])
def test_both_lines_find_the_truth_with_error_in_both(line):
    slopes = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        truth = rng.uniform(40, 120, 80)
        x, y = truth + rng.normal(0, 3, 80), 10 + truth + rng.normal(0, 3, 80)
        slopes.append(line(x, y)[1])
    assert np.mean(slopes) == pytest.approx(1.0, abs=3 * np.std(slopes) / math.sqrt(40) + 0.003)
    assert line(np.arange(20.0), 3 + 0.5 * np.arange(20.0)) == pytest.approx((3, 0.5))


def test_passing_bablok_withstands_outliers():
    x = np.arange(60.0)
    y = 2 + 1.5 * x
    y[:6] += 200
    assert passing_bablok(x, y)[1] == pytest.approx(1.5, abs=0.03)
    assert abs(deming(x, y)[1] - 1.5) > 0.2


def test_a_good_bridge_is_accepted_with_its_numbers():
    bridge = _bridge()
    assert bridge.accepted and bridge.n == 60 and bridge.residual_share < 0.3
    assert bridge.slope == pytest.approx(1 / 0.6, rel=0.03)
    assert bridge.source.model == "SYNTH-2" and "accepted" in bridge.text


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"n": 30}, "fewer than 40"),
        ({"noise": 4.0}, "residual above 0.3"),
        ({"bend": 0.012}, "bias above 0.25"),
    ],
)
def test_a_poor_bridge_is_refused_with_the_numbers(changes, why):
    bridge = _bridge(**changes)
    assert not bridge.accepted and why in bridge.text and "SD" in bridge.text


def test_pairs_of_different_days_are_no_pairs():
    made = [
        dataclasses.replace(found, on="2026-02-05") if found.device is OTHER else found for found in _pairs(60, 1.0)
    ]
    _, pairs = bridging.pair(made, DOCUMENT)
    assert pairs == ()
    with pytest.raises(ValueError, match="same-day"):
        bridging.fit(DOCUMENT, *bridging.pair(made, DOCUMENT))


def _set(bridge, **changes) -> ReferenceSet:
    facts = {"activated": (DOCUMENT.release,), "attestations": (ATTESTATION, OWN), "bridges": (bridge,), **changes}
    return ReferenceSet(documents=(DOCUMENT,), **facts)


def _ask(value: float, device=OTHER) -> Question:
    return Question(
        "muscle_echo_intensity", value, "[arb'U]", "biceps_brachii", None, Side.LEFT, View.TRANSVERSE,
        Subject(50.0, "F"), device,
    )  # fmt: skip


def test_a_comparison_over_a_bridge_says_so_and_is_less_sure():
    bridge = _bridge()
    answer = _set(bridge).compare(_ask(0.6 * 80 + 5))
    direct = _set(bridge).compare(_ask(80.0, DEVICE))
    assert isinstance(answer, Comparison) and isinstance(direct, Comparison)
    assert answer.z == pytest.approx(direct.z, abs=0.25) and answer.z_sd > direct.z_sd
    assert "bridge" in answer.source and any("not this device's own" in warning for warning in answer.warnings)
    assert answer.expected is None and answer.upper_limit is None


def test_a_bridge_is_never_walked_backwards_nor_beyond_its_range_nor_without_approval():
    bridge = _bridge()
    no_bridge = _set(bridge, bridges=()).compare(_ask(50.0))
    assert isinstance(no_bridge, Refusal) and no_bridge.code is RefusalCode.NO_REFERENCE
    refused = dataclasses.replace(bridge, accepted=False)
    assert _set(refused).compare(_ask(50.0)) == no_bridge
    beyond = _set(bridge).compare(_ask(200.0))
    assert isinstance(beyond, Refusal) and beyond.code is RefusalCode.OUTSIDE_RANGE
    unsigned = _set(bridge, attestations=(ATTESTATION,)).compare(_ask(50.0))
    assert isinstance(unsigned, Refusal) and unsigned.code is RefusalCode.NOT_APPROVED
    retired = _set(bridge, retired=frozenset({DOCUMENT.release})).compare(_ask(50.0))
    assert isinstance(retired, Refusal)
    updated = dataclasses.replace(OTHER, software_versions=("8",))
    assert isinstance(_set(bridge).compare(_ask(50.0, updated)), Refusal)
    assert not hasattr(bridge, "inverse")


def test_a_bridge_survives_the_journal():
    bridge = _bridge()
    assert bridging.from_json(json.loads(json.dumps(bridging.to_json(bridge)))) == bridge


def test_a_line_that_falls_is_refused_however_well_it_fits():
    pairs = [
        dataclasses.replace(found, value=150 - found.value) if found.device is OTHER else found
        for found in _pairs(60, 0.1)
    ]
    bridge = bridging.fit(DOCUMENT, *bridging.pair(pairs, DOCUMENT))
    assert bridge.slope < 0 and not bridge.accepted and "does not rise" in bridge.text


def test_pairs_of_another_view_or_side_than_the_references_are_no_pairs():
    right = document(structure__side_rule="right")
    with pytest.raises(ValueError, match="in the file: none"):
        bridging.pair(_pairs(60, 1.0), right)
    along = [dataclasses.replace(found, view=View.LONGITUDINAL) for found in _pairs(60, 1.0)]
    with pytest.raises(ValueError, match="in the file: none"):
        bridging.pair(along, DOCUMENT)
    assert len(bridging.pair([*_pairs(60, 1.0), *along], DOCUMENT)[1]) == 60


def test_a_bridge_is_in_the_unit_of_its_reference():
    centimetres = document(
        quantity="muscle_thickness", unit="cm", model__terms=[{"name": "intercept", "coef": 7.5}],
        model__cov=[[0.01]], model__residual_sd=2.0,
    )  # fmt: skip
    pairs = [dataclasses.replace(found, quantity="muscle_thickness", unit="mm") for found in _pairs(60, 0.5)]
    bridge = bridging.fit(centimetres, *bridging.pair(pairs, centimetres))
    assert bridge.accepted and bridge.values[1] < 12 and bridge.intercept == pytest.approx(-5 / 6, abs=0.1)
