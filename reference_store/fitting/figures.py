"""The figures of a fit's report: what is normal by age and sex, and how far people lie from it."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import stats

from reference_store.documents import Document
from reference_store.fitting.cohort import Cohort, Floats
from reference_store.fitting.linear import LinearFit
from reference_store.fitting.wide import WideFit
from reference_store.plots import Curve, Scatter, figure
from reference_store.predicting import score
from reference_store.scores import Score
from reference_store.terms import covariates
from reference_store.units import UNIT_OF
from reference_store.values import Subject

SEXES = (("F", "Women"), ("M", "Men"))
_MEASURES = {
    "muscle_echo_intensity": "echo intensity",
    "nerve_csa": "cross-sectional area",
    "muscle_thickness": "thickness",
    "muscle_csa": "cross-sectional area",
}
_UNITS = {"[arb'U]": "grey levels", "mm2": "mm²", "1": ""}
_LINES = ((0.0, "zero"), (2.0, "limit"), (-2.0, "limit"))


def measure_of(quantity: str) -> str:
    """A quantity in words."""
    return _MEASURES.get(quantity, quantity.replace("_", " "))


def unit_of(quantity: str) -> str:
    """The unit of a quantity in words."""
    unit = UNIT_OF[quantity]
    return _UNITS.get(unit, unit)


def curves(fit: LinearFit | WideFit, document: Document | None) -> str:
    """Data by age, one figure a sex on the same axes; with a document what it expects, and its limits."""
    cohort = fit.cohort
    drawn = [(words, dots, _limit_curves(document, cohort, sex, dots)) for sex, words, dots in _dots(cohort)]
    across = [x for _, dots, _ in drawn for x, _ in dots]
    up = [y for _, dots, lines in drawn for y in (*(y for _, y in dots), *(y for c in lines for _, y in c.points))]
    spans = ((min(across), max(across)), (min(up), max(up)))
    unit = unit_of(cohort.group.quantity)
    label = measure_of(cohort.group.quantity) + (f" [{unit}]" if unit else "")
    bands = [
        figure(words, "age [years]", label, [*lines[:1], Scatter(tuple(dots)), *lines[1:]], spans)
        for words, dots, lines in drawn
    ]
    return f'<div class="row">{"".join(bands)}</div>'


def _dots(cohort: Cohort) -> Iterator[tuple[str, str, list[tuple[float, float]]]]:
    for sex, words in SEXES:
        dots = [
            (person.age_years or 0.0, float(value))
            for person, values in zip(cohort.subjects, cohort.sides, strict=True)
            for value in values
            if person.sex == sex
        ]
        if dots:
            yield sex, words, dots


def typical(cohort: Cohort, sex: str, age: float) -> Subject:
    """A subject of that age and sex with the mean height and weight of the sex."""

    def mean(name: str) -> float | None:
        values = cohort.column(name)[cohort.column("sex_male") == (sex == "M")]
        values = values[~np.isnan(values)]
        return float(values.mean()) if len(values) else None

    return Subject(age, sex, mean("height_cm"), mean("weight_kg"))


def _limit_curves(
    document: Document | None, cohort: Cohort, sex: str, dots: Sequence[tuple[float, float]]
) -> list[Curve]:
    """Band first, then the expected value and the limits."""
    if document is None:
        return []
    lines: dict[str, list[tuple[float, float]]] = {"expected": [], "lower limit": [], "upper limit": []}
    for age in np.linspace(min(age for age, _ in dots), max(age for age, _ in dots), 60):
        found = score(document, 1.0, covariates(typical(cohort, sex, float(age))))
        for name, value in zip(lines, (found.expected, found.lower, found.upper), strict=True):
            if value is not None:
                lines[name].append((float(age), value))
    band = Curve((*lines["lower limit"], *reversed(lines["upper limit"])), "band")
    return [
        band,
        *(Curve(tuple(at), "mean" if name == "expected" else "limit", name) for name, at in lines.items() if at),
    ]


def normal_ranges(fit: LinearFit | WideFit, document: Document) -> str:
    """The same in numbers: expected value and limits at every tenth year that was measured."""
    cohort = fit.cohort
    ages = cohort.column("age_y")
    rows = []
    for age in range(int(np.ceil(ages.min() / 10)) * 10, int(ages.max()) + 1, 10):
        cells = [_range(score(document, 1.0, covariates(typical(cohort, sex, float(age))))) for sex, _ in SEXES]
        rows.append(f"<tr><td>{age} years</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    head = "<tr><th>age</th><th>women: expected (limits)</th><th>men: expected (limits)</th></tr>"
    return f"<table>{head}{''.join(rows)}</table>"


def _range(found: Score) -> str:
    ends = [("–" if end is None else f"{end:.3g}") for end in (found.lower, found.upper)]
    return "–" if found.expected is None else f"{found.expected:.3g} ({ends[0]} to {ends[1]})"


def by_age(cohort: Cohort, residuals: Floats) -> str:
    """Distances in SD against age; who lies beyond 3 is marked and named."""
    ages = cohort.column("age_y")
    far = np.abs(residuals) > 3
    parts: list[Curve | Scatter] = [
        *(Curve(((float(ages.min()), z), (float(ages.max()), z)), style) for z, style in _LINES),
        Scatter(_pairs(ages[~far], residuals[~far])),
        Scatter(_pairs(ages[far], residuals[far]), "far", tuple(np.array(cohort.keys)[far])),
    ]
    shown = [part for part in parts if part.points]
    return figure("Distance from the expected value", "age [years]", "SD", shown)


def against_normal(residuals: Floats) -> str:
    """Observed against expected normal deviates."""
    ordered = np.sort(residuals)
    deviates = stats.norm.ppf((np.arange(1, len(ordered) + 1) - 0.375) / (len(ordered) + 0.25))
    ends = (float(deviates[0]), float(deviates[-1]))
    line = Curve(((ends[0], ends[0]), (ends[1], ends[1])), "zero")
    parts: list[Curve | Scatter] = [line, Scatter(_pairs(deviates, ordered))]
    return figure("Normal distribution?", "expected deviate", "observed deviate", parts)


def progress_bar(n: int, targets: Sequence[int]) -> str:
    """How far a cohort has come towards its targets."""
    full = max(*targets, n)
    marks = "".join(
        f'<s style="left:{100 * target / full:.1f}%"></s><em style="left:{100 * target / full:.1f}%">{target}</em>'
        for target in targets
    )
    return (
        f'<div class="bar" role="img" aria-label="{n} persons"><i style="width:{100 * n / full:.1f}%"></i>{marks}</div>'
    )


def cards(facts: Sequence[tuple[str, str]]) -> str:
    """A few numbers, large, each with what it is."""
    each = "".join(f'<div class="card"><b>{html.escape(a)}</b><span>{html.escape(b)}</span></div>' for a, b in facts)
    return f'<div class="cards">{each}</div>'


def _pairs(x: Floats, y: Floats) -> tuple[tuple[float, float], ...]:
    return tuple((float(a), float(b)) for a, b in zip(x, y, strict=True))
