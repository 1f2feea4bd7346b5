"""What the wrong way does to patients: the table in docs/references.md, shown on simulated cohorts of known truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from reference_store.observations import Group
from reference_store.predicting import score
from reference_store.synthetic import Truth, both_sides, subjects, values
from reference_store.terms import covariates
from reference_store.values import View

pytest.importorskip("statsmodels")

from reference_store.fitting import linear, making, shapes
from reference_store.fitting.cohort import Cohort, of_values

GROUP = Group(
    "muscle_echo_intensity", "biceps_brachii", None, "EXAMPLE", "SYNTH-1", None, None, (), None, None, View.TRANSVERSE
)
SHAPE = shapes.Shape(spline=False, size=())
TRUTH = Truth(side_correlation=0.6)


def _above(cohort: Cohort, truth: Truth, seed: int) -> float:
    """Share of 1500 healthy new sides that lie above the upper limit of a reference fitted to the cohort."""
    fit = linear.fit(cohort, SHAPE, linear.Transform(), spread=False)
    document = making.document(fit, "x", "1.0.0")
    people = subjects(1500, seed, (24.0, 76.0))
    found = values(truth, people, seed + 1)
    return float(
        np.mean([score(document, v, covariates(p)).outside(v) == "above" for v, p in zip(found, people, strict=True)])
    )


def _mean(make: Callable[[int], float], repeats: int = 16) -> tuple[float, float]:
    rates = np.array([make(100 * number) for number in range(repeats)])
    return float(rates.mean()), float(rates.std(ddof=1) / np.sqrt(repeats))


def _sides(seed: int):
    people = subjects(60, seed)
    return people, both_sides(TRUTH, people, seed + 1)


def test_averaging_sides_and_judging_single_ones_calls_too_many_abnormal():
    def averaged(seed: int) -> float:
        people, sides = _sides(seed)
        return _above(of_values(GROUP, people, sides.mean(axis=1)), TRUTH, seed + 2)

    def rightly(seed: int) -> float:
        return _above(of_values(GROUP, *_sides(seed)), TRUTH, seed + 2)

    (wrong, wrong_error), (right, right_error) = _mean(averaged), _mean(rightly)
    assert right == pytest.approx(0.025, abs=3 * right_error)
    assert wrong - right > 2 * np.hypot(wrong_error, right_error)


def test_sides_counted_as_persons_claim_a_certainty_that_is_not_there():
    """The stated standard error of the mean against the one that repeating the study shows."""
    stated, means = {"persons": [], "sides": []}, {"persons": [], "sides": []}
    for seed in range(0, 6000, 100):
        people, sides = _sides(seed)
        ways = {"persons": (people, sides), "sides": (people + people, sides.T.ravel())}
        for name, (who, what) in ways.items():
            fit = linear.fit(of_values(GROUP, who, what), SHAPE, linear.Transform(), spread=False)
            known = [1.0, (50 - fit.terms[1].centre) / 10, 0.0]
            means[name].append(float(np.dot(known, [term.coefficient for term in fit.terms])))
            stated[name].append(float(np.sqrt(known @ fit.covariance @ np.array(known))))
    ratio = {name: np.std(means[name], ddof=1) / np.mean(stated[name]) for name in means}
    assert ratio["persons"] == pytest.approx(1.0, abs=0.25)
    assert ratio["sides"] > 1.15


def test_another_devices_reference_hides_or_invents_disease():
    brighter = dataclasses.replace(TRUTH, intercept=TRUTH.intercept + 8)
    darker = dataclasses.replace(TRUTH, intercept=TRUTH.intercept - 16, sd=4.0)
    people = subjects(120, 1)
    cohort = of_values(GROUP, people, values(TRUTH, people, 2))
    assert _above(cohort, brighter, 3) == pytest.approx(0.169, abs=0.06)
    assert _above(cohort, darker, 4) == 0.0
