"""The few model shapes that are considered, fixed before any value is seen, and the choice among them.

Age is linear or a natural spline with two inner knots, sex is always there, body size is nothing, BMI, or height and
weight. Six candidates, chosen by repeated cross-validation; of those within one standard error of the best, the
simplest (Breiman's rule), so that noise is not taken for structure. No stepwise search, no deletion by influence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reference_store.documents import Term
from reference_store.fitting.cohort import Cohort, Floats
from reference_store.terms import spline_column

_KNOT_QUANTILES = (0.05, 0.35, 0.65, 0.95)
"""Harrell, Regression Modeling Strategies, table 2.3, four knots: two inner, two at the ends."""
_FOLDS, _REPEATS = 10, 5
_FEWEST_YEARS = 5.0


@dataclass(frozen=True, slots=True)
class Shape:
    """One candidate: which columns."""

    spline: bool
    size: tuple[str, ...]

    @property
    def words(self) -> str:
        """In words for the report."""
        size = " + ".join({"bmi": "BMI", "height_cm": "height", "weight_kg": "weight"}[name] for name in self.size)
        return f"age ({'natural spline' if self.spline else 'linear'}) + sex{' + ' + size if size else ''}"


SHAPES = tuple(Shape(spline, size) for size in ((), ("bmi",), ("height_cm", "weight_kg")) for spline in (False, True))
"""All candidates, simplest first within a size."""


def terms_of(shape: Shape, cohort: Cohort) -> tuple[Term, ...]:
    """The columns, with centres and knots from the covariates (never from the values); coefficients still zero."""
    ages = cohort.column("age_y")
    terms = [Term("intercept", 0.0), Term("age_y", 0.0, round(float(np.mean(ages))), 10.0), Term("sex_male", 0.0)]
    if shape.spline:
        knots = tuple(float(knot) for knot in np.round(np.quantile(ages, _KNOT_QUANTILES), 1))
        terms += [Term("age_spline", 0.0, knots=knots, basis=basis) for basis in range(len(knots) - 2)]
    for name in shape.size:
        terms.append(Term(name, 0.0, round(float(np.mean(cohort.column(name)))), 10.0))
    return tuple(terms)


def matrix(terms: Sequence[Term], cohort: Cohort) -> Floats:
    """The design matrix, shape (n, terms), the same columns as :func:`reference_store.terms.design` makes."""
    columns = []
    for term in terms:
        if term.name == "intercept":
            columns.append(np.ones(len(cohort)))
        elif term.name == "age_spline":
            ages = cohort.column("age_y")
            columns.append(np.array([spline_column(float(age), term.knots, term.basis) for age in ages]))
        else:
            columns.append((cohort.column(term.name) - term.centre) / term.scale)
    return np.column_stack(columns)


def possible(cohort: Cohort) -> tuple[Shape, ...]:
    """Those whose covariates everyone has, and for which there are ten subjects a column."""
    ages = cohort.column("age_y")
    knots = np.round(np.quantile(ages, _KNOT_QUANTILES), 1)
    splines = bool(np.all(np.diff(knots) > 1))
    return tuple(
        shape
        for shape in SHAPES
        if (splines or not shape.spline)
        and not any(np.isnan(cohort.column(name)).any() for name in shape.size)
        and len(cohort) >= 10 * (3 + 2 * shape.spline + len(shape.size))
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A shape with what cross-validation says of it."""

    shape: Shape
    rmse: float
    """Root mean squared error of prediction of held-out subjects."""
    standard_error: float


def choose(cohort: Cohort, values: Floats, seed: int = 20260101) -> tuple[Shape, tuple[Candidate, ...]]:
    """The shape, and every candidate with its error. Deterministic for a seed. ``values`` have shape (n,)."""
    ages = cohort.column("age_y")
    if len(ages) and np.ptp(ages) < _FEWEST_YEARS:
        raise ValueError(f"the ages span {np.ptp(ages):.1f} years: no change with age can be fitted to so few")
    sexes = {person.sex for person in cohort.subjects}
    if len(sexes) == 1:
        raise ValueError(f"all subjects are {'men' if 'M' in sexes else 'women'}: both sexes are needed")
    if len(values) and np.ptp(values) == 0:
        raise ValueError("the values are all the same: nothing can be fitted to them")
    shapes = possible(cohort)
    if not shapes:
        raise ValueError("too few subjects for any regression: at least 30 with age and sex are needed")
    folds = _folds(len(cohort), seed)
    candidates = tuple(_judge(shape, cohort, values, folds) for shape in shapes)
    best = min(candidates, key=lambda candidate: candidate.rmse)
    good = [c for c in candidates if c.rmse <= best.rmse + best.standard_error]
    return min(good, key=lambda c: (len(c.shape.size) + 2 * c.shape.spline, c.rmse)).shape, candidates


def _folds(n: int, seed: int) -> tuple[NDArray[np.intp], ...]:
    rng = np.random.default_rng(seed)
    return tuple(part for _ in range(_REPEATS) for part in np.array_split(rng.permutation(n), _FOLDS))


def _judge(shape: Shape, cohort: Cohort, values: Floats, folds: Sequence[NDArray[np.intp]]) -> Candidate:
    design = matrix(terms_of(shape, cohort), cohort)
    squared = np.zeros((_REPEATS, len(cohort)))
    for number, held in enumerate(folds):
        inside = np.setdiff1d(np.arange(len(cohort)), held)
        coefficients, *_ = np.linalg.lstsq(design[inside], values[inside], rcond=None)
        squared[number // _FOLDS, held] = (values[held] - design[held] @ coefficients) ** 2
    per_subject = squared.mean(axis=0)
    rmse = float(np.sqrt(per_subject.mean()))
    error = float(per_subject.std(ddof=1) / np.sqrt(len(cohort)) / (2 * rmse)) if rmse else 0.0
    return Candidate(shape, rmse, error)
