"""The tables of docs/references.md: false positives of fitted references, and the harm of the wrong way.

Run it as a program; about ten minutes on one core. Deterministic.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable

import numpy as np

from reference_store.documents import Document
from reference_store.fitting import linear, making, shapes, wide
from reference_store.fitting.cohort import Cohort, of_values
from reference_store.observations import Group
from reference_store.predicting import score
from reference_store.synthetic import Truth, both_sides, subjects, values
from reference_store.terms import covariates
from reference_store.values import Subject, View

GROUP = Group(
    "muscle_echo_intensity", "biceps_brachii", None, "EXAMPLE", "SYNTH-1", None, None, (), None, None, View.TRANSVERSE
)
PLAIN, SAME = shapes.Shape(spline=False, size=()), linear.Transform()
NEW = 1000
_MORE_OF_FEW = 5
"""Small cohorts differ most from one another, and cost least."""


def _rates(document: Document, truth: Truth, seed: int) -> tuple[float, float]:
    people = subjects(NEW, seed, (24.0, 76.0))
    found = values(truth, people, seed + 1)
    verdicts = [score(document, v, covariates(p)).outside(v) for v, p in zip(found, people, strict=True)]
    return verdicts.count("above") / NEW, verdicts.count("below") / NEW


def _row(name: str, make: Callable[[int], Document], truth: Truth, repeats: int) -> None:
    rates = np.array(
        [_rates(make(70_001 + 101 * number), truth, 9_000_001 + 103 * number) for number in range(repeats)]
    )
    mean, error = 100 * rates.mean(axis=0), 100 * rates.std(axis=0, ddof=1) / np.sqrt(repeats)
    cells = [f"{m:.2f} ({m - 1.96 * e:.2f} to {m + 1.96 * e:.2f})" for m, e in zip(mean, error, strict=True)]
    sys.stdout.write(f"| {name} | {cells[0]} | {cells[1]} |\n")
    sys.stdout.flush()


def _one(truth: Truth, n: int, seed: int) -> Cohort:
    people = subjects(n, seed)
    return of_values(GROUP, people, values(truth, people, seed + 1))


def _document(fit: linear.LinearFit | wide.WideFit) -> Document:
    return making.document(fit, "x", "1.0.0")


def _nominal(repeats: int) -> None:
    cases = {
        "linear": Truth(),
        "skewed (log-normal)": Truth(skew=0.25),
        "spread grows with age": Truth(sd_growth=0.015),
    }
    for n in (60, 120, 250):
        for name, truth in cases.items():
            cohorts = _MORE_OF_FEW * repeats if n == 60 else repeats
            _row(f"{name}, n = {n}", lambda s, t=truth, n=n: _document(linear.fit(_one(t, n, s))), truth, cohorts)
    for name, truth in cases.items():
        _row(f"LMS, {name}, n = 250", lambda s, t=truth: _document(wide.lms(_one(t, 250, s))), truth, repeats)
    for name, truth in cases.items():
        _row(
            f"quantiles, {name}, n = 500",
            lambda s, t=truth: _document(wide.quantiles(_one(t, 500, s))),
            truth,
            max(repeats // 2, 2),
        )


def _harm(repeats: int) -> None:
    truth = Truth(side_correlation=0.6)

    def plain(cohort: Cohort) -> Document:
        return _document(linear.fit(cohort, PLAIN, SAME, spread=False))

    def sides(seed: int, how: str) -> Document:
        people = subjects(60, seed)
        found = both_sides(truth, people, seed + 1)
        if how == "averaged":
            return plain(of_values(GROUP, people, found.mean(axis=1)))
        if how == "as persons":
            return plain(of_values(GROUP, people + people, found.T.ravel()))
        return plain(of_values(GROUP, people, found))

    for how in ("as sides of persons", "averaged", "as persons"):
        _row(f"60 persons, both sides {how}, judging one side", lambda s, h=how: sides(s, h), truth, repeats)
    skewed = Truth(skew=0.25)
    _row("skewed values taken as normal, n = 250", lambda s: plain(_one(skewed, 250, s)), skewed, repeats)
    widening = Truth(sd_growth=0.015)
    old = dataclasses.replace(widening, sd=widening.spread(Subject(75.0, "F")), sd_growth=0.0)
    _row("changing spread taken as constant, people of 75", lambda s: plain(_one(widening, 250, s)), old, repeats)
    for shift in (2.0, 4.0, 8.0, 16.0):
        other = dataclasses.replace(truth, intercept=truth.intercept + shift)
        _row(f"other device, {shift / 8:.2f} SD brighter", lambda s: plain(_one(truth, 250, s)), other, repeats)
    darker = dataclasses.replace(truth, intercept=truth.intercept - 16, sd=4.0)
    _row("other device, 2 SD darker, half the spread", lambda s: plain(_one(truth, 250, s)), darker, repeats)


def main() -> None:
    """Write both tables as Markdown."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    head = "above the limit, % (95 % CI)", "below, % (95 % CI)"
    for title, table in (("reference", _nominal), ("the wrong way", _harm)):
        sys.stdout.write(f"\n| {title} | {head[0]} | {head[1]} |\n|---|---|---|\n")
        table(repeats)


if __name__ == "__main__":
    main()
