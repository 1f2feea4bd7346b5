"""A subject's expected value, its spread, z and limits, from one document: pure arithmetic, or a refusal.

Formulas
--------
Linear and constant models, on the transformed scale: ``mu = x'b``, ``z = (t(y) - mu) / sd`` with
``sd = sqrt(s² + x' Cov x)`` (a new observation) or ``sd = s`` as the document's ``z_definition`` says, and
``s = exp(terms)`` when the spread is modelled. Uncertainty of z: ``sqrt(x' Cov x / sd² + z² / (2 df))``, the error of
the mean and of the SD that were estimated from a finite sample; where the document states the SD of repeated
measurement, that share of the SD is added as squares are. LMS and quantile models: :mod:`.distributions`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

from reference_store.distributions import by_lms, by_quantiles, levels_at, lms_at, quantile_leverage
from reference_store.documents import Divisor, Document, Family, Model
from reference_store.scores import Score
from reference_store.terms import design, linear, quadratic

_NORMAL = NormalDist()
_FALLBACK_PERCENTS = (2.5, 97.5)
_BEYOND = "the model gives no number here"


def leverage(model: Model, known: dict[str, float | None]) -> float | None:
    """How far the subject lies from those measured: the variance of the expected value in units of the population's.

    ``None`` when the document does not tell how sure its coefficients are.
    """
    if not model.covariance:
        return None
    try:
        if model.family is Family.LMS:
            return lms_at(model, known).leverage
        if model.family is Family.QUANTILE:
            return quantile_leverage(model, levels_at(model, known))
        return quadratic(design(model.terms, known), model.covariance) / _residual_sd(model, known) ** 2
    except ArithmeticError:
        return math.inf


def score(document: Document, value: float, known: dict[str, float | None]) -> Score:
    """Compare a value, in the document's unit, at known covariates. Raises ``KeyError`` naming a missing covariate.

    Where numbers leave what a computer can hold (an absurd value, coefficients that explode) the score says nothing.
    """
    try:
        found = _score(document, value, known)
    except (ArithmeticError, ValueError):
        return Score(warnings=(_BEYOND,))
    return _as_measured(document.model, found) if found.finite else Score(warnings=(_BEYOND,))


def _as_measured(model: Model, found: Score) -> Score:
    """With the error of repeated measurement, where the document states it, in the uncertainty of z."""
    if found.z_sd is None or not found.sd or not model.measurement_error_sd:
        return found
    return replace(found, z_sd=math.hypot(found.z_sd, model.measurement_error_sd / found.sd))


def _score(document: Document, value: float, known: dict[str, float | None]) -> Score:
    model = document.model
    if model.family is Family.UPPER_LIMIT:
        return Score(upper=model.upper_limit, limits="upper limit of normal")
    if model.family is Family.PERCENTILES:
        return _with_percentiles(Score(), model, value)
    if model.family is Family.QUANTILE:
        return by_quantiles(model, value, known)
    if model.family is Family.LMS:
        return by_lms(model, value, known)
    return _with_percentiles(_by_normal(document, value, known), model, value)


def _residual_sd(model: Model, known: dict[str, float | None]) -> float:
    if model.sd_terms:
        return math.exp(linear(model.sd_terms, known))
    if model.residual_sd is None:
        raise ValueError("a model without residual SD is refused when it is read")
    return model.residual_sd


def _by_normal(document: Document, value: float, known: dict[str, float | None]) -> Score:
    model = document.model
    mean, residual = linear(model.terms, known), _residual_sd(model, known)
    estimation = _estimation_variance(document, known, residual)
    divisor = residual
    if model.divisor is Divisor.PREDICTION:
        divisor = math.sqrt(residual**2 + (estimation or 0.0))
    transformed = transform(model, value)
    z = None if transformed is None else (transformed - mean) / divisor
    return Score(
        z=z,
        z_sd=None if z is None else _uncertainty(z, estimation, divisor, _degrees(document)),
        percentile=None if z is None else 100 * _NORMAL.cdf(z),
        expected=inverse(model, mean),
        sd=_spread(model, mean, divisor),
        lower=inverse(model, mean - model.flag_z * divisor),
        upper=inverse(model, mean + model.flag_z * divisor),
        limits=_limit_words(model),
        warnings=(f"{value:g} has no {model.transform}: no z",) if z is None else (),
    )


def _limit_words(model: Model) -> str:
    middle = "mean" if model.transform == "identity" else "median"
    scale = "" if model.transform == "identity" else f" on the {model.transform} scale"
    return f"{middle} ± {model.flag_z:.3g} SD{scale}"


def _degrees(document: Document) -> int | None:
    if document.model.residual_df:
        return document.model.residual_df
    return document.population.n - 1 if document.population.n and document.population.n > 1 else None


def _estimation_variance(document: Document, known: dict[str, float | None], residual: float) -> float | None:
    """Variance of the expected value itself; for a plain mean ``s²/n``; ``None`` when nothing tells."""
    model = document.model
    if model.covariance:
        return quadratic(design(model.terms, known), model.covariance)
    if model.family is Family.CONSTANT and document.population.n:
        return residual**2 / document.population.n
    return None


def _uncertainty(z: float, estimation: float | None, divisor: float, degrees: int | None) -> float | None:
    if estimation is None or not degrees:
        return None
    return math.sqrt(estimation / divisor**2 + z**2 / (2 * degrees))


def _spread(model: Model, mean: float, divisor: float) -> float | None:
    """SD in the measured unit; with a transform, half of the distance between mean ± 1 SD carried back."""
    if model.transform == "identity":
        return divisor
    low, high = inverse(model, mean - divisor), inverse(model, mean + divisor)
    return None if low is None or high is None else (high - low) / 2


def transform(model: Model, value: float) -> float | None:
    """The value on the model's scale; ``None`` where it has none (the logarithm of zero)."""
    if model.transform == "identity":
        return value
    if model.transform == "sqrt":
        return math.sqrt(value) if value >= 0 else None
    if value <= 0:
        return None
    power = model.boxcox_lambda or 0.0
    if model.transform == "log" or power == 0:
        return math.log(value)
    return (math.pow(value, power) - 1) / power


def inverse(model: Model, value: float) -> float | None:
    """Back from the model's scale to the measured unit; ``None`` where nothing maps there."""
    if model.transform == "identity":
        return value
    if model.transform == "sqrt":
        return value * value if value >= 0 else 0.0
    power = model.boxcox_lambda or 0.0
    if model.transform == "log" or power == 0:
        return math.exp(value)
    base = power * value + 1
    return math.pow(base, 1 / power) if base > 0 else None


def _with_percentiles(score_: Score, model: Model, value: float) -> Score:
    """Let published percentiles make the limits, and say where they and the normal curve disagree."""
    if not model.percentiles and model.upper_limit is None:
        return score_
    levels = dict(model.percentiles)
    low, high = (levels.get(percent) for percent in _FALLBACK_PERCENTS)
    words = "2.5th and 97.5th percentile, as published"
    if high is None:
        low, high, words = None, model.upper_limit, "upper limit of normal, as published"
    if high is None and levels:
        (low_name, low), (high_name, high) = model.percentiles[0], model.percentiles[-1]
        words = f"{low_name:g}th and {high_name:g}th percentile, as published"
    warnings, percentile = score_.warnings, score_.percentile
    result = Score(lower=low, upper=high)
    if score_.z is not None and (result.outside(value) is None) != (abs(score_.z) <= 1.96):
        warnings += ("z and the published percentiles disagree here (skewed values): the limits are the percentiles",)
        percentile = None
    return Score(score_.z, score_.z_sd, percentile, score_.expected, score_.sd, low, high, words, warnings)
