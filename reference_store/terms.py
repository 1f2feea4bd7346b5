"""The design of a regression model: covariates of a subject, their powers, and natural splines of age."""

from __future__ import annotations

from collections.abc import Sequence

from reference_store.documents import Term
from reference_store.values import Subject

_POWERS: dict[str, tuple[str, int]] = {
    "sex_male": ("sex_male", 1),
    "age_y": ("age_y", 1),
    "age2": ("age_y", 2),
    "age3": ("age_y", 3),
    "age_spline": ("age_y", 1),
    "weight_kg": ("weight_kg", 1),
    "height_cm": ("height_cm", 1),
    "bmi": ("bmi", 1),
    "bmi2": ("bmi", 2),
    "dominance_non": ("dominance_non", 1),
    "fat_mm": ("fat_mm", 1),
}

COVARIATE_WORDS: dict[str, str] = {
    "age_y": "age",
    "sex_male": "sex",
    "height_cm": "height",
    "weight_kg": "weight",
    "bmi": "height and weight",
    "dominance_non": "handedness",
    "fat_mm": "thickness of the fat layer",
}


def covariates(subject: Subject) -> dict[str, float | None]:
    """What is known of the subject, under the names that documents use; ``None`` where it is not known."""
    sex = {"M": 1.0, "F": 0.0}.get(subject.sex or "")
    return {
        "age_y": subject.age_years,
        "sex_male": sex,
        "height_cm": subject.height_cm,
        "weight_kg": subject.weight_kg,
        "bmi": subject.bmi,
        "dominance_non": None,
        "fat_mm": None,
    }


def needed(terms: Sequence[Term]) -> tuple[str, ...]:
    """The covariates that these terms ask for, each once, in order."""
    return tuple(dict.fromkeys(_POWERS[term.name][0] for term in terms if term.name != "intercept"))


def spline_column(age: float, knots: Sequence[float], basis: int) -> float:
    """One non-linear column of the restricted (natural) cubic spline: cubic between the knots, linear outside.

    With knots t_1 … t_K, column j is ``((a-t_j)₊³ - (a-t_{K-1})₊³(t_K-t_j)/(t_K-t_{K-1}) +
    (a-t_K)₊³(t_{K-1}-t_j)/(t_K-t_{K-1})) / (t_K-t_1)²``. Source: Harrell, Regression Modeling Strategies,
    section 2.4.5. The linear column is a term of its own (``age_y``).
    """
    last, before = knots[-1], knots[-2]
    here = knots[basis]
    width = last - before

    def cube(value: float) -> float:
        return max(value, 0.0) ** 3

    inner = cube(age - here) - cube(age - before) * (last - here) / width + cube(age - last) * (before - here) / width
    return inner / (last - knots[0]) ** 2


def column(term: Term, known: dict[str, float | None]) -> float:
    """The value of one term at known covariates. Raises ``KeyError`` naming the covariate that is missing."""
    if term.name == "intercept":
        return 1.0
    name, power = _POWERS[term.name]
    value = known.get(name)
    if value is None:
        raise KeyError(name)
    if term.name == "age_spline":
        return spline_column(value, term.knots, term.basis)
    return ((value - term.centre) / term.scale) ** power


def design(terms: Sequence[Term], known: dict[str, float | None]) -> list[float]:
    """The row of the design matrix, in the order of the terms."""
    return [column(term, known) for term in terms]


def linear(terms: Sequence[Term], known: dict[str, float | None]) -> float:
    """The linear predictor."""
    return sum(term.coefficient * column(term, known) for term in terms)


def quadratic(row: Sequence[float], matrix: Sequence[Sequence[float]]) -> float:
    """``x' M x`` for a symmetric matrix."""
    return sum(
        left * right * value
        for left, values in zip(row, matrix, strict=True)
        for right, value in zip(row, values, strict=True)
    )
