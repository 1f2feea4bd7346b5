"""Models for larger cohorts: LMS from 200 subjects, quantile regression from 400.

LMS (Cole & Green 1992) by maximum likelihood: M linear in the chosen columns, ln S linear in age, L one number.
Quantile regression (Koenker 2005) by linear programming: no assumption about the shape, and so many
subjects.
One value a subject is used (the first side): both models speak of single sides, and sides are not independent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import statsmodels.api as sm
from scipy import optimize, sparse

from reference_store.documents import Quantile, Term
from reference_store.fitting.cohort import Cohort, Floats
from reference_store.fitting.shapes import Candidate, Shape, choose, matrix, terms_of

LMS_FROM, QUANTILES_FROM = 200, 400
_PERCENTS = (2.5, 10.0, 25.0, 50.0, 75.0, 90.0, 97.5)


@dataclass(frozen=True, slots=True, eq=False)
class WideFit:
    """An LMS or a quantile model."""

    cohort: Cohort
    shape: Shape
    candidates: tuple[Candidate, ...]
    median_terms: tuple[Term, ...] = ()
    sd_terms: tuple[Term, ...] = ()
    power: float = 1.0
    quantiles: tuple[Quantile, ...] = ()


def _values(cohort: Cohort) -> Floats:
    return np.array([values[0] for values in cohort.sides])


def lms(cohort: Cohort) -> WideFit:
    """Fit LMS. Raises ``ValueError`` for too few subjects, or when the likelihood has no maximum."""
    if len(cohort) < LMS_FROM:
        raise ValueError(f"{len(cohort)} subjects are too few for LMS: at least {LMS_FROM}")
    values = _values(cohort)
    shape, candidates = choose(cohort, values)
    terms = terms_of(shape, cohort)
    design = matrix(terms, cohort)
    centre = round(float(cohort.column("age_y").mean()))
    ages = np.column_stack([np.ones(len(values)), (cohort.column("age_y") - centre) / 10])
    start = sm.OLS(values, design).fit()
    first = np.concatenate([start.params, [np.log(np.sqrt(start.scale) / values.mean()), 0.0], [1.0]])
    count = design.shape[1]

    def loss(x: Floats) -> float:
        medians, log_spreads, power = design @ x[:count], ages @ x[count:-1], x[-1]
        if (medians <= 0).any():
            return 1e12
        logs = np.log(values / medians)
        z = (np.expm1(power * logs) / power if abs(power) > 1e-4 else logs) / np.exp(log_spreads)
        return float(np.sum(z**2 / 2 + log_spreads - power * logs))

    scale = np.maximum(np.abs(first), 0.1)
    found = optimize.minimize(lambda x: loss(x * scale), first / scale, method="BFGS", options={"gtol": 1e-3})
    if not np.isfinite(found.fun) or found.fun >= 1e12:
        raise ValueError("the LMS likelihood has no maximum here; fit the linear model")
    best = found.x * scale
    return WideFit(
        cohort,
        shape,
        candidates,
        tuple(replace(term, coefficient=float(c)) for term, c in zip(terms, best[:count], strict=True)),
        (Term("intercept", float(best[-3])), Term("age_y", float(best[-2]), float(centre), 10.0)),
        float(best[-1]),
    )


def _quantile(values: Floats, design: Floats, level: float) -> Floats:
    """Coefficients of one regression quantile, exactly, as the linear programme that it is (Koenker & Bassett 1978).

    Iterative reweighting does not always converge; the simplex does.
    """
    n, columns = design.shape
    cost = np.concatenate([np.zeros(columns), np.full(n, level), np.full(n, 1 - level)])
    equal = sparse.hstack([sparse.csr_matrix(design), sparse.identity(n), -sparse.identity(n)], format="csr")
    bounds = [(None, None)] * columns + [(0, None)] * (2 * n)
    found = optimize.linprog(cost, A_eq=equal, b_eq=values, bounds=bounds, method="highs")
    if not found.success:
        raise ValueError(f"the {level:.1%} quantile could not be fitted: {found.message}")
    return np.asarray(found.x[:columns])


def quantiles(cohort: Cohort) -> WideFit:
    """Fit quantile regressions. Raises ``ValueError`` for too few subjects."""
    if len(cohort) < QUANTILES_FROM:
        raise ValueError(f"{len(cohort)} subjects are too few for quantile regression: at least {QUANTILES_FROM}")
    values = _values(cohort)
    shape, candidates = choose(cohort, values)
    terms = terms_of(shape, cohort)
    design = matrix(terms, cohort)
    fitted = tuple(
        Quantile(
            percent,
            tuple(
                replace(term, coefficient=float(c))
                for term, c in zip(terms, _quantile(values, design, percent / 100), strict=True)
            ),
        )
        for percent in _PERCENTS
    )
    return WideFit(cohort, shape, candidates, quantiles=fitted)
