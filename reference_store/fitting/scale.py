"""On which scale values are symmetric, and whether their spread changes with age: both chosen together.

A spread that grows with age where the mean grows too looks like skew, and the other way round; chosen one after the
other, the first takes the other's place. So as measured, square root and logarithm are each judged with a constant and
with a changing spread, by likelihood, the changing spread paying the 5 % point of its one parameter. No test of
skewness stands before: at 60 subjects it misses so often that half as many people again lie above the limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import statsmodels.api as sm
from scipy import optimize, stats

from reference_store.documents import Term
from reference_store.fitting.cohort import Cohort, Floats
from reference_store.fitting.shapes import Shape, matrix, terms_of

_ROUNDS = 6
_PRICE = float(stats.chi2.ppf(0.95, 1))
"""Deviance that one more parameter must earn."""
_PREFERENCE = 1.0
"""Deviance that another scale than as measured must earn: with little evidence values stay as they are."""
_SCORINGS = 12
_SIMPLE = (("identity", 1.0), ("sqrt", 0.5), ("log", 0.0))


@dataclass(frozen=True, slots=True)
class Transform:
    """A scale on which residuals are symmetric."""

    name: str = "identity"
    power: float | None = None

    def of(self, values: Floats) -> Floats:
        """Values, all above zero, on this scale."""
        if self.name == "identity":
            return values
        if self.name == "sqrt":
            return np.sqrt(values)
        if self.name == "log" or not self.power:
            return np.log(values)
        return np.asarray((values**self.power - 1) / self.power)


def averages(cohort: Cohort, transform: Transform) -> Floats:
    """Each subject's value on a scale, averaged over sides, shape (n,)."""
    return np.array([transform.of(values).mean() for values in cohort.sides])


def choose_scale(
    cohort: Cohort, shape: Shape, transform: Transform | None = None, spread: bool | None = None
) -> tuple[Transform, bool]:
    """Scale and whether the spread changes; what is given is kept."""
    design, values = matrix(terms_of(shape, cohort), cohort), averages(cohort, Transform())
    ages = np.column_stack([np.ones(len(values)), cohort.column("age_y") / 10 - 5])

    def price(power: float, changes: bool) -> float:
        return _deviance(values, design, ages, power, changes) + _PRICE * changes + _PREFERENCE * (power != 1)

    spreads = (False, True) if spread is None else (spread,)
    scales = [(transform.name, _power(transform))] if transform else list(_SIMPLE)
    best, name, changes = min((price(power, changes), name, changes) for name, power in scales for changes in spreads)
    if transform:
        return transform, changes
    free = optimize.minimize_scalar(
        lambda power: price(power, changes), bounds=(-1.0, 1.5), method="bounded", options={"xatol": 0.02}
    )
    if free.fun + _PRICE < best and not 0 <= free.x <= 1:
        return Transform("boxcox", round(float(free.x), 2)), changes
    return Transform(name), changes


def _power(transform: Transform) -> float:
    return {"identity": 1.0, "sqrt": 0.5, "log": 0.0}.get(transform.name, transform.power or 0.0)


def _deviance(values: Floats, design: Floats, ages: Floats, power: float, changes: bool) -> float:
    """Minus twice the log likelihood of the values as measured (with the Jacobian of the scale), up to a constant."""
    scaled = Transform("boxcox", power).of(values)
    if changes:
        residuals, spreads, _ = _changing_spread(scaled, design, ages, 2)
    else:
        residuals = scaled - design @ np.linalg.lstsq(design, scaled, rcond=None)[0]
        spreads = np.full(len(values), np.sqrt(np.mean(residuals**2)))
    fit = np.sum(2 * np.log(spreads) + (residuals / spreads) ** 2)
    return float(fit - 2 * (power - 1) * np.log(values).sum())


def changing(residuals: Floats, diagonal: Floats, cohort: Cohort) -> float:
    """P value of a trend of the spread with age: Koenker's studentised Breusch-Pagan test, one degree of freedom."""
    squares = residuals**2 / (1 - diagonal)
    ages = sm.add_constant(cohort.column("age_y"))
    return float(stats.chi2.sf(len(squares) * sm.OLS(squares, ages).fit().rsquared, 1))


def hats(design: Floats, weights: Floats) -> Floats:
    """The diagonal of the hat matrix of weighted least squares, shape (n,)."""
    root = design * np.sqrt(weights)[:, np.newaxis]
    orthogonal, _ = np.linalg.qr(root)
    return np.asarray((orthogonal**2).sum(axis=1))


def weighted(values: Floats, design: Floats, cohort: Cohort) -> tuple[Any, Floats, tuple[Term, ...]]:
    """Weighted least squares with log SD linear in age; squared residuals by a gamma model (Harvey 1976)."""
    centre = round(float(cohort.column("age_y").mean()))
    ages = np.column_stack([np.ones(len(values)), (cohort.column("age_y") - centre) / 10])
    _, spreads, slopes = _changing_spread(values, design, ages, _ROUNDS)
    terms = (Term("intercept", float(slopes[0] / 2)), Term("age_y", float(slopes[1] / 2), float(centre), 10.0))
    return sm.WLS(values, design, weights=1 / spreads**2).fit(cov_type="fixed scale"), spreads, terms


def _changing_spread(values: Floats, design: Floats, ages: Floats, rounds: int) -> tuple[Floats, Floats, Floats]:
    """Residuals, SD of each subject, and intercept and slope of the log variance.

    The gamma model with log link needs no weights in its scoring steps, so each is one small product.
    """
    weights, slopes = np.ones(len(values)), np.zeros(2)
    solve = np.linalg.pinv(ages)
    residuals = values
    for _ in range(rounds):
        root = np.sqrt(weights)
        coefficients, *_ = np.linalg.lstsq(design * root[:, np.newaxis], values * root, rcond=None)
        residuals = values - design @ coefficients
        squares = np.maximum(residuals**2 / (1 - hats(design, weights)), 1e-12)
        slopes = np.array([np.log(squares.mean()), 0.0])
        for _ in range(_SCORINGS):
            expected = np.exp(ages @ slopes)
            slopes = slopes + solve @ ((squares - expected) / expected)
        weights = np.exp(-ages @ slopes)
    return residuals, np.exp(ages @ slopes / 2), slopes
