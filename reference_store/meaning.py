"""What a JSON Schema cannot say: contradictions inside one reference document."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference_store.documents import Divisor, Document, Family, Model, Status, Term
from reference_store.units import UNIT_OF, base_unit

_NEEDS_COVARIANCE = (
    "coefficients without covariance: the SD of a new observation needs the covariance of the coefficients, one row "
    'and column each (invented or published linear numbers may instead say z_definition "(y-mu)/residual_sd")'
)
_SHAPES = {"quantiles": ': [{"percent": 50, "terms": [...]}, ...]', "upper_limit": ": a number"}
_FITTED = (Family.LINEAR, Family.LMS, Family.QUANTILE)
"""Families whose coefficients a site estimates; each then needs their covariance and a limit of leverage."""
_UNSIGNED = (Status.SYNTHETIC, Status.PUBLISHED, Status.RETIRED)


def contradictions(document: Document, raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (field, problem) for everything in which the document contradicts itself."""
    yield from _unit(document)
    yield from _lock(document)
    yield from _ranges(document)
    yield from _terms("model.terms", document.model.terms)
    yield from _terms("model.sd_model.terms", document.model.sd_terms)
    yield from _family(document)
    for number, quantile in enumerate(document.model.quantiles):
        yield from _terms(f"model.quantiles.{number}.terms", quantile.terms)
    yield from _covariance(document)
    yield from _transform(document)
    yield from _percentiles(document)
    yield from _standard_errors(document, raw)


def _unit(document: Document) -> Iterator[tuple[str, str]]:
    expected = UNIT_OF[document.quantity]
    if document.quantity != "texture" and base_unit(document.unit) != expected:
        yield "unit", f"{document.quantity} is measured in {expected}, not in {document.unit!r}"


def _lock(document: Document) -> Iterator[tuple[str, str]]:
    lock = document.lock
    grey = document.quantity in ("muscle_echo_intensity", "texture")
    if grey and not lock.device_bound:
        yield "acquisition.device_bound", "grey levels belong to one device and setting: device_bound must be true"
    if lock.device_bound:
        for name, value in (("manufacturer", lock.manufacturer), ("model_name", lock.model)):
            if not value:
                yield f"acquisition.{name}", "a device-bound document must name it"


def _ranges(document: Document) -> Iterator[tuple[str, str]]:
    validity = document.validity
    named = (
        ("age_y", validity.age_years),
        ("height_cm", validity.height_cm),
        ("weight_kg", validity.weight_kg),
        ("bmi", validity.bmi),
    )
    for name, limits in named:
        if limits and not 0 <= limits[0] < limits[1]:
            yield f"validity.{name}", f"{list(limits)} is not a range from lowest to highest"
    if document.model.family in _FITTED and document.status not in _UNSIGNED and validity.max_leverage is None:
        yield "validity.max_leverage", "a site's regression must say how far from its data it may be used"


def _terms(field: str, terms: tuple[Term, ...]) -> Iterator[tuple[str, str]]:
    seen = set()
    for number, term in enumerate(terms):
        key = (term.name, term.basis if term.name == "age_spline" else 0)
        if key in seen:
            yield f"{field}.{number}.name", f"{term.name} stands twice"
        seen.add(key)
        if term.name != "age_spline":
            continue
        if len(term.knots) < 3 or any(a >= b for a, b in pairwise(term.knots)):
            yield f"{field}.{number}.knots", "a natural spline needs at least three ascending knots"
        elif term.basis > len(term.knots) - 3:
            yield f"{field}.{number}.basis", f"{len(term.knots)} knots give columns 0 to {len(term.knots) - 3}"


def _family(document: Document) -> Iterator[tuple[str, str]]:
    model = document.model
    spread = model.residual_sd is not None or bool(model.sd_terms)
    wanted: dict[Family, tuple[tuple[str, bool], ...]] = {
        Family.LINEAR: (("terms", bool(model.terms)), ("residual_sd", spread)),
        Family.CONSTANT: (("terms", bool(model.terms)), ("residual_sd", spread)),
        Family.LMS: (("terms", bool(model.terms)), ("residual_sd", spread)),
        Family.QUANTILE: (("quantiles", bool(model.quantiles)),),
        Family.PERCENTILES: (("percentiles", bool(model.percentiles)),),
        Family.UPPER_LIMIT: (("upper_limit", model.upper_limit is not None),),
    }
    for name, there in wanted[model.family]:
        if not there:
            yield f"model.{name}", f"family {model.family} needs it{_SHAPES.get(name, '')}"
    if model.family is Family.CONSTANT and [term.name for term in model.terms] != ["intercept"]:
        yield "model.terms", "family normal_constant has one term, the intercept"
    if model.family is Family.LMS and model.boxcox_lambda is None:
        yield "model.boxcox_lambda", "family lms needs L"
    if model.family is Family.QUANTILE and 50.0 not in [quantile.percent for quantile in model.quantiles]:
        yield "model.quantiles", "the median (percent 50) must be among the quantiles"


def _covariance(document: Document) -> Iterator[tuple[str, str]]:
    model = document.model
    if not model.covariance:
        signed = document.status not in _UNSIGNED
        asked = model.divisor is Divisor.PREDICTION or signed or document.validity.max_leverage is not None
        if model.family in _FITTED and asked:
            yield "model.cov", _NEEDS_COVARIANCE
        return
    names = coefficients(model)
    size = len(names)
    if len(model.covariance) != size or any(len(row) != size for row in model.covariance):
        order = "" if model.family is Family.LINEAR else f" (in this order: {', '.join(names)})"
        yield "model.cov", f"{size} coefficients need {size} rows of {size} numbers{order}: {_NEEDS_COVARIANCE}"
        return
    matrix = np.array(model.covariance)
    if not np.allclose(matrix, matrix.T, rtol=1e-6, atol=1e-12):
        yield "model.cov", "a covariance is symmetric"
    elif not _is_covariance(matrix):
        yield "model.cov", "a covariance has no negative eigenvalue: a variance would be negative"


def _is_covariance(matrix: NDArray[np.float64]) -> bool:
    """No direction has a negative variance; by correlations, since the variance of an age³ coefficient is tiny."""
    variances = np.diag(matrix)
    if (variances < 0).any() or matrix[variances == 0].any():
        return False
    scale = np.sqrt(np.where(variances > 0, variances, 1.0))
    return bool(np.linalg.eigvalsh(matrix / np.outer(scale, scale)).min() >= -1e-6)


def coefficients(model: Model) -> tuple[str, ...]:
    """What the rows and columns of the covariance belong to, in words and in order."""
    if model.family is Family.QUANTILE:
        return tuple(f"{quantile.percent:g} % {term.name}" for quantile in model.quantiles for term in quantile.terms)
    names = tuple(term.name for term in model.terms)
    if model.family is not Family.LMS:
        return names
    return (*names, *(f"ln S {term.name}" for term in model.sd_terms or (Term("intercept", 0.0),)), "L")


def _transform(document: Document) -> Iterator[tuple[str, str]]:
    model = document.model
    if model.transform == "boxcox" and model.boxcox_lambda is None:
        yield "model.boxcox_lambda", "response_transform boxcox needs it"
    if model.transform != "identity" and model.family not in (Family.LINEAR, Family.CONSTANT):
        yield "model.response_transform", f"family {model.family} takes no transform"


def _percentiles(document: Document) -> Iterator[tuple[str, str]]:
    values = document.model.percentiles
    if any(not math.isfinite(percent) or not 0 < percent < 100 for percent, _ in values):
        yield "model.percentiles", 'names are numbers between 0 and 100, such as "2.5"'
    elif any(low[1] > high[1] for low, high in pairwise(values)):
        yield "model.percentiles", "a higher percentile has a lower value"


def _standard_errors(document: Document, raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    covariance = document.model.covariance
    for number, term in enumerate(raw["model"].get("terms", ())):
        if "se" in term and covariance and not math.isclose(term["se"] ** 2, covariance[number][number], rel_tol=0.02):
            yield f"model.terms.{number}.se", "its square is not the variance that stands in cov"
