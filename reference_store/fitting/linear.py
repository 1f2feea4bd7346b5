"""The linear model of a cohort: transform, coefficients, their covariance, and a spread that may change with age.

Subjects are independent, sides are not: the mean is fitted to each subject's average, and the variance between the
sides of one subject is added back, so that the SD is that of a single side of a new subject and the degrees of freedom
are those of the subjects. Equals a random subject effect for balanced sides.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import statsmodels.api as sm
from scipy import optimize, stats

from reference_store.documents import Term
from reference_store.fitting.cohort import Cohort, Floats
from reference_store.fitting.shapes import Candidate, Shape, choose, matrix, terms_of

_ROUNDS = 6
_SPREAD_P = 0.05
"""A change of spread with age is modelled below this; it costs one parameter."""
_SKEW_P = 0.01


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


@dataclass(frozen=True, slots=True, eq=False)
class LinearFit:
    """What was fitted, on the transformed scale."""

    cohort: Cohort
    shape: Shape
    candidates: tuple[Candidate, ...]
    transform: Transform
    terms: tuple[Term, ...]
    covariance: Floats
    residual_sd: float
    """Of a single side of a new subject, at the mean age when the spread changes."""
    degrees: int
    sd_terms: tuple[Term, ...]
    side_sd: float | None
    """SD between the sides of one subject; ``None`` when nobody has two."""
    design: Floats
    averages: Floats
    """Each subject's value, averaged over sides, shape (n,)."""
    fitted: Floats
    spreads: Floats
    """SD at each subject, shape (n,)."""
    skew_p: float
    spread_p: float
    normal_p: float
    """Shapiro-Wilk on the standardised residuals."""

    @property
    def standardised(self) -> Floats:
        """Residuals of the subjects' averages in units of the SD there, shape (n,)."""
        return np.asarray((self.averages - self.fitted) / self.spreads)


def fit(
    cohort: Cohort, shape: Shape | None = None, transform: Transform | None = None, spread: bool | None = None
) -> LinearFit:
    """Fit, choosing what is not given. Raises ``ValueError`` for too few subjects or values that cannot be."""
    if any((values <= 0).any() for values in cohort.sides):
        raise ValueError("a value of zero or less is not a measurement of size or brightness")
    raw = _averages(cohort, Transform())
    chosen, candidates = (shape, ()) if shape else choose(cohort, raw)
    skew_p = _skewness(raw, matrix(terms_of(chosen, cohort), cohort))
    scale = transform or _transform(cohort, chosen, skew_p)
    if not shape and scale.name != "identity":
        chosen, candidates = choose(cohort, _averages(cohort, scale))
    fitted = _fit(cohort, chosen, scale, spread)
    return replace(fitted, candidates=candidates, skew_p=skew_p)


def _averages(cohort: Cohort, transform: Transform) -> Floats:
    return np.array([transform.of(values).mean() for values in cohort.sides])


def _side_variance(cohort: Cohort, transform: Transform) -> float | None:
    several = [transform.of(values) for values in cohort.sides if len(values) > 1]
    if not several:
        return None
    squares = sum(float(((values - values.mean()) ** 2).sum()) for values in several)
    return squares / sum(len(values) - 1 for values in several)


def _skewness(values: Floats, design: Floats) -> float:
    if len(values) < 20:
        return 1.0
    return float(stats.skewtest(sm.OLS(values, design).fit().resid).pvalue)


def _transform(cohort: Cohort, shape: Shape, skew_p: float) -> Transform:
    """The identity unless residuals are skewed; then the simplest power inside the 95 % interval of Box-Cox."""
    if skew_p >= _SKEW_P:
        return Transform()
    design = matrix(terms_of(shape, cohort), cohort)
    values = np.array([values.mean() for values in cohort.sides])

    def loss(power: float) -> float:
        scaled = Transform("boxcox", power).of(values)
        residuals = sm.OLS(scaled, design).fit().resid
        return float(0.5 * len(values) * np.log(np.mean(residuals**2)) - (power - 1) * np.log(values).sum())

    best = optimize.minimize_scalar(loss, bounds=(-1.0, 1.5), method="bounded")
    limit = best.fun + stats.chi2.ppf(0.95, 1) / 2
    for name, power in (("identity", 1.0), ("log", 0.0), ("sqrt", 0.5)):
        if loss(power) <= limit:
            return Transform(name)
    return Transform("boxcox", round(float(best.x), 2))


def _fit(cohort: Cohort, shape: Shape, scale: Transform, spread: bool | None) -> LinearFit:
    terms, values = terms_of(shape, cohort), _averages(cohort, scale)
    design = matrix(terms, cohort)
    sides = _side_variance(cohort, scale)
    share = float(np.mean([1 - 1 / len(side) for side in cohort.sides]))
    plain = sm.OLS(values, design).fit()
    spread_p = _changing(plain.resid, _hats(design, np.ones(len(values))), cohort)
    result, spreads = plain, np.full(len(values), np.sqrt(plain.scale))
    sd_terms: tuple[Term, ...] = ()
    if spread or (spread is None and spread_p < _SPREAD_P):
        result, spreads, sd_terms = _weighted(values, design, cohort)
    single = spreads * np.sqrt(1 + (sides or 0.0) * share / float(np.mean(spreads**2)))
    if sd_terms:  # the sides' share scales the whole curve, which on the log scale moves its intercept
        shift = float(np.log(np.mean(single / spreads)))
        sd_terms = (replace(sd_terms[0], coefficient=sd_terms[0].coefficient + shift), *sd_terms[1:])
    coefficients = np.asarray(result.params)
    standardised = (values - design @ coefficients) / spreads
    return LinearFit(
        cohort=cohort,
        shape=shape,
        candidates=(),
        transform=scale,
        terms=tuple(replace(term, coefficient=float(c)) for term, c in zip(terms, coefficients, strict=True)),
        covariance=np.asarray(result.cov_params()),
        residual_sd=float(np.mean(single)) if sd_terms else float(single[0]),
        degrees=len(values) - design.shape[1] - (1 if sd_terms else 0),
        sd_terms=sd_terms,
        side_sd=None if sides is None else float(np.sqrt(sides)),
        design=design,
        averages=values,
        fitted=design @ coefficients,
        spreads=spreads,
        skew_p=1.0,
        spread_p=spread_p,
        normal_p=float(stats.shapiro(standardised).pvalue),
    )


def _changing(residuals: Floats, hats: Floats, cohort: Cohort) -> float:
    """P value of a trend of the spread with age: Koenker's studentised Breusch-Pagan test, one degree of freedom."""
    squares = residuals**2 / (1 - hats)
    ages = sm.add_constant(cohort.column("age_y"))
    return float(stats.chi2.sf(len(squares) * sm.OLS(squares, ages).fit().rsquared, 1))


def _hats(design: Floats, weights: Floats) -> Floats:
    """The diagonal of the hat matrix of weighted least squares, shape (n,)."""
    root = design * np.sqrt(weights)[:, np.newaxis]
    orthogonal, _ = np.linalg.qr(root)
    return np.asarray((orthogonal**2).sum(axis=1))


def _weighted(values: Floats, design: Floats, cohort: Cohort) -> tuple[Any, Floats, tuple[Term, ...]]:
    """Weighted least squares with log SD linear in age; squared residuals by a gamma model (Harvey 1976)."""
    centre = round(float(cohort.column("age_y").mean()))
    ages = np.column_stack([np.ones(len(values)), (cohort.column("age_y") - centre) / 10])
    weights, slopes = np.ones(len(values)), np.zeros(2)
    for _ in range(_ROUNDS):
        result = sm.WLS(values, design, weights=weights).fit()
        hats = _hats(design, weights)
        squares = np.maximum(np.asarray(result.resid) ** 2 / (1 - hats), 1e-12)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a link that is stable here since no square is zero
            slopes = np.asarray(sm.GLM(squares, ages, family=sm.families.Gamma(sm.families.links.Log())).fit().params)
        weights = np.exp(-ages @ slopes)
    spreads = np.exp(ages @ slopes / 2)
    terms = (Term("intercept", float(slopes[0] / 2)), Term("age_y", float(slopes[1] / 2), float(centre), 10.0))
    return sm.WLS(values, design, weights=1 / spreads**2).fit(cov_type="fixed scale"), spreads, terms
