"""The linear model of a cohort: transform, coefficients, their covariance, and a spread that may change with age.

Subjects are independent, sides are not: the mean is fitted to each subject's average, and the variance between the
sides of one subject is added back, so that the SD is that of a single side of a new subject and the degrees of freedom
are those of the subjects. Equals a random subject effect for balanced sides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import statsmodels.api as sm
from scipy import stats

from reference_store.documents import Term
from reference_store.fitting.cohort import Cohort, Floats
from reference_store.fitting.scale import Transform, averages, changing, choose_scale, hats, weighted
from reference_store.fitting.shapes import Candidate, Shape, choose, matrix, terms_of


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

    @property
    def leverages(self) -> Floats:
        """``x' Cov x`` in units of the residual variance at each subject, shape (n,)."""
        spread = self.spreads if self.sd_terms else np.full(len(self.cohort), self.residual_sd)
        return np.asarray(np.einsum("ij,jk,ik->i", self.design, self.covariance, self.design) / spread**2)


def fit(
    cohort: Cohort, shape: Shape | None = None, transform: Transform | None = None, spread: bool | None = None
) -> LinearFit:
    """Fit, choosing what is not given. Raises ``ValueError`` for too few subjects or values that cannot be."""
    if any((values <= 0).any() for values in cohort.sides):
        raise ValueError("a value of zero or less is not a measurement of size or brightness")
    raw = averages(cohort, Transform())
    chosen, candidates = (shape, ()) if shape else choose(cohort, raw)
    skew_p = _skewness(raw, matrix(terms_of(chosen, cohort), cohort))
    scale, changing = choose_scale(cohort, chosen, transform, spread)
    if not shape and scale.name != "identity":
        chosen, candidates = choose(cohort, averages(cohort, scale))
    fitted = _fit(cohort, chosen, scale, changing)
    return replace(fitted, candidates=candidates, skew_p=skew_p)


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


def _fit(cohort: Cohort, shape: Shape, scale: Transform, spread: bool) -> LinearFit:
    terms, values = terms_of(shape, cohort), averages(cohort, scale)
    design = matrix(terms, cohort)
    sides = _side_variance(cohort, scale)
    share = float(np.mean([1 - 1 / len(side) for side in cohort.sides]))
    plain = sm.OLS(values, design).fit()
    spread_p = changing(np.asarray(plain.resid), hats(design, np.ones(len(values))), cohort)
    result, spreads = plain, np.full(len(values), np.sqrt(plain.scale))
    sd_terms: tuple[Term, ...] = ()
    if spread:
        result, spreads, sd_terms = weighted(values, design, cohort)
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
