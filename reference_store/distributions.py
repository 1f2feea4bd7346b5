"""LMS and quantile models: z, limits, and what their own estimation error does to both.

Formulas
--------
LMS (Cole & Green 1992): ``w = ((y/M)^L - 1)/(L S)``. Quantile models: w is the normal deviate of the level, linear
between the fitted quantiles, never beyond the outermost. Where the document carries the covariance C of all its
coefficients, the delta method gives the variance ``v(y) = g'C g`` of w with ``g`` its gradient, and
``h = v(median)`` is the leverage: the error of the median in units of the population's variance there. Then
``z = w / sqrt(1 + h)``, as the linear model divides by the SD of a new observation, with the uncertainty
``sqrt(v(y) / (1 + h))``; and the limit that nominally lies at w = f lies at ``f sqrt(1 + v(f))``, which is where a new
person falls outside as often as f says (a normal deviate plus an independent normal error). Without covariance
h = v = 0 and nothing is said of the uncertainty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

from reference_store.documents import Model
from reference_store.scores import Score
from reference_store.terms import design, linear

_NORMAL = NormalDist()
_NEARLY_LOG = 1e-4
"""Powers this close to zero use the series: the quotient would lose its digits."""

Known = dict[str, float | None]


def _variance(gradient: Sequence[float], covariance: Sequence[Sequence[float]]) -> float:
    """``g'C g``; most entries of a quantile model's gradient are zero and cost nothing. Never below zero."""
    used = [(index, value) for index, value in enumerate(gradient) if value]
    return max(sum(a * b * covariance[i][j] for i, a in used for j, b in used), 0.0)


@dataclass(frozen=True, slots=True)
class Lms:
    """An LMS model at one subject's covariates."""

    power: float
    median: float
    spread: float
    median_row: tuple[float, ...]
    spread_row: tuple[float, ...]
    """The design row of ln S; ``(1,)`` where S is one number."""
    covariance: tuple[tuple[float, ...], ...]
    """In the order of M's terms, ln S's terms, L; empty when the document does not give it."""

    def deviate(self, value: float) -> float:
        """``w`` of a value above zero."""
        log = math.log(value / self.median)
        return (log if self.power == 0 else math.expm1(self.power * log) / self.power) / self.spread

    def value(self, deviate: float) -> float | None:
        """The value at ``w``; ``None`` where the model has none."""
        if self.power == 0:
            return self.median * math.exp(self.spread * deviate)
        base = 1 + self.power * self.spread * deviate
        return self.median * base ** (1 / self.power) if base > 0 else None

    def variance(self, value: float) -> float:
        """``v`` at a value, zero without covariance."""
        if not self.covariance:
            return 0.0
        log, w = math.log(value / self.median), self.deviate(value)
        growth = math.exp(self.power * log)
        by_median = -growth / (self.median * self.spread)
        if abs(self.power) < _NEARLY_LOG:
            by_power = (log**2 / 2 + self.power * log**3 / 3) / self.spread
        else:
            by_power = (log * growth / self.spread - w) / self.power
        gradient = [by_median * x for x in self.median_row] + [-w * x for x in self.spread_row] + [by_power]
        return _variance(gradient, self.covariance)

    @property
    def leverage(self) -> float:
        """``h``: variance of the median in units of the population's variance; infinite where there is no median."""
        return self.variance(self.median) if self.median > 0 else math.inf

    def limit(self, deviate: float) -> float | None:
        """Where a new person falls outside as often as the normal deviate says."""
        nominal = self.value(deviate)
        return None if nominal is None else self.value(deviate * math.sqrt(1 + self.variance(nominal)))


def lms_at(model: Model, known: Known) -> Lms:
    """The model at a subject's covariates. Raises ``KeyError`` naming a missing covariate."""
    spread_row = tuple(design(model.sd_terms, known)) or (1.0,)
    spread = math.exp(linear(model.sd_terms, known)) if model.sd_terms else model.residual_sd
    if spread is None:
        raise ValueError("a model without spread is refused when it is read")
    row = tuple(design(model.terms, known))
    return Lms(model.boxcox_lambda or 0.0, linear(model.terms, known), spread, row, spread_row, model.covariance)


def by_lms(model: Model, value: float, known: Known) -> Score:
    """A value, in the document's unit, against an LMS model."""
    here = lms_at(model, known)
    if here.median <= 0:
        return Score(warnings=(f"a median of {here.median:g}: LMS needs numbers above zero",))
    new = math.sqrt(1 + here.leverage)
    z = here.deviate(value) / new if value > 0 else None
    low, high = here.value(-new), here.value(new)
    return Score(
        z=z,
        z_sd=math.sqrt(here.variance(value)) / new if model.covariance and z is not None else None,
        percentile=None if z is None else 100 * _NORMAL.cdf(z),
        expected=here.median,
        sd=None if low is None or high is None else (high - low) / 2,
        lower=here.limit(-model.flag_z),
        upper=here.limit(model.flag_z),
        limits=f"LMS, ± {model.flag_z:.3g} SD{_widened(model)}",
        warnings=() if z is not None else (f"{value:g} has no place in LMS, which needs numbers above zero: no z",),
    )


def _widened(model: Model) -> str:
    return ", widened by their own uncertainty" if model.covariance else ""


@dataclass(frozen=True, slots=True)
class Level:
    """One fitted quantile at one subject's covariates."""

    value: float
    deviate: float
    percent: float
    row: tuple[float, ...]
    """Its design row within the coefficients of all quantiles, zeros elsewhere."""


def levels_at(model: Model, known: Known) -> tuple[Level, ...]:
    """All quantiles, ascending in level and in value. Raises ``KeyError`` naming a missing covariate.

    Fitted quantiles may cross far from the data; sorting them is the accepted repair (Chernozhukov 2010).
    """
    total, start, found = sum(len(quantile.terms) for quantile in model.quantiles), 0, []
    for quantile in model.quantiles:
        row = design(quantile.terms, known)
        padded = (*[0.0] * start, *row, *[0.0] * (total - start - len(row)))
        found.append((linear(quantile.terms, known), padded))
        start += len(row)
    percents = [quantile.percent for quantile in model.quantiles]
    return tuple(
        Level(value, _NORMAL.inv_cdf(percent / 100), percent, row)
        for (value, row), percent in zip(sorted(found, key=lambda pair: pair[0]), percents, strict=True)
    )


def _median(levels: Sequence[Level]) -> int:
    return [level.percent for level in levels].index(50.0)


def quantile_leverage(model: Model, levels: Sequence[Level]) -> float:
    """``h``: variance of the median over the squared SD that its neighbours show; infinite where they coincide."""
    middle = _median(levels)
    below, above = levels[max(middle - 1, 0)], levels[min(middle + 1, len(levels) - 1)]
    sd = (above.value - below.value) / (above.deviate - below.deviate)
    return _variance(levels[middle].row, model.covariance) / sd**2 if sd > 0 else math.inf


def by_quantiles(model: Model, value: float, known: Known) -> Score:
    """A value, in the document's unit, against a quantile model."""
    levels = levels_at(model, known)
    first, last = levels[0], levels[-1]
    new = math.sqrt(1 + quantile_leverage(model, levels)) if model.covariance else 1.0
    found = _between(model, value, levels)
    z = None if found is None else found[0] / new
    return Score(
        z=z,
        z_sd=None if found is None or found[1] is None else found[1] / new,
        percentile=None if z is None else 100 * _NORMAL.cdf(z),
        expected=levels[_median(levels)].value,
        sd=_half_width(levels, new),
        lower=_outer_limit(model, first, levels[1]),
        upper=_outer_limit(model, last, levels[-2]),
        limits=f"{first.percent:g}th and {last.percent:g}th percentile{_widened(model)}",
        warnings=() if z is not None else (f"beyond the {first.percent:g}th or {last.percent:g}th percentile: no z",),
    )


def _between(model: Model, value: float, levels: Sequence[Level]) -> tuple[float, float | None] | None:
    """``w`` and its SD, or ``None`` beyond the outermost quantiles."""
    if not levels[0].value <= value <= levels[-1].value:
        return None
    low, high = next((low, high) for low, high in pairwise(levels) if value <= high.value)
    width, step = high.value - low.value, high.deviate - low.deviate
    if width == 0:
        return low.deviate, None
    share = (value - low.value) / width
    w = low.deviate + step * share
    if not model.covariance:
        return w, None
    slope = step / width
    gradient = [-slope * ((1 - share) * a + share * b) for a, b in zip(low.row, high.row, strict=True)]
    return w, math.sqrt(_variance(gradient, model.covariance))


def _half_width(levels: Sequence[Level], deviate: float) -> float | None:
    """Half of the distance between ``w`` = ± deviate: what an SD is to values that are not normal."""
    ends = [_value_at(levels, sign * deviate) for sign in (-1, 1)]
    return None if ends[0] is None or ends[1] is None else (ends[1] - ends[0]) / 2


def _value_at(levels: Sequence[Level], deviate: float) -> float | None:
    for low, high in pairwise(levels):
        if low.deviate <= deviate <= high.deviate:
            share = (deviate - low.deviate) / (high.deviate - low.deviate)
            return low.value + share * (high.value - low.value)
    return None


def _outer_limit(model: Model, outermost: Level, inner: Level) -> float:
    """The outermost quantile, moved outwards by what its own error costs: ``f (sqrt(b² + s²) - b)``.

    ``b`` is the SD that the outermost two quantiles show, ``s`` the error of the outermost: with ``v = s²/b²`` the
    same rule as for LMS.
    """
    if not model.covariance:
        return outermost.value
    sd = (outermost.value - inner.value) / (outermost.deviate - inner.deviate)
    error = math.sqrt(_variance(outermost.row, model.covariance))
    return outermost.value + outermost.deviate * (math.hypot(sd, error) - sd)
