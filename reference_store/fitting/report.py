"""The report of a fit, as one HTML page that a clinician understands and a statistician can check."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

import numpy as np
from scipy import stats

from reference_store.collecting import Exclusion
from reference_store.documents import Document
from reference_store.fitting.cohort import Cohort, Floats
from reference_store.fitting.linear import LinearFit
from reference_store.fitting.sensitivity import Influence, coverage, influences, lacking, wide_influences
from reference_store.fitting.tolerance import factor, limit_error
from reference_store.fitting.wide import WideFit
from reference_store.plots import STYLE, Curve, Scatter, figure
from reference_store.predicting import score
from reference_store.scores import Score
from reference_store.terms import covariates
from reference_store.values import Subject

_SEXES = (("F", "Women"), ("M", "Men"))
_MEASURES = {
    "muscle_echo_intensity": "echo intensity",
    "nerve_csa": "cross-sectional area",
    "muscle_thickness": "thickness",
    "muscle_csa": "cross-sectional area",
}
_UNITS = {"[arb'U]": "grey level", "mm2": "mm²"}


def page(fit: LinearFit | WideFit, document: Document | None, exclusions: Iterable[Exclusion] = ()) -> str:
    """The whole page. Without a document (too few subjects) it says what is lacking."""
    cohort = fit.cohort
    group = cohort.group
    measure = f"{_MEASURES.get(group.quantity, group.quantity)} of {group.place.replace('_', ' ')}"
    parts = [
        f"<h1>Reference values: {html.escape(measure)}</h1>",
        f"<p>{html.escape(group.scanner)}. {len(cohort)} healthy subjects; the reference is of a single side.</p>",
        _verdict(cohort, document),
        "<h2>What is normal here</h2>" if document else "",
        _curves(fit, document) if document else "",
        "<h2>Who was measured</h2>",
        _coverage(cohort),
        "<h2>How the model was chosen</h2>",
        _choice(fit),
        "<h2>Does the model fit?</h2>",
        _residuals(fit) if isinstance(fit, LinearFit) else _held(fit, document),
        "<h2>How sure are the limits?</h2>",
        _certainty(fit) if isinstance(fit, LinearFit) else _wide_certainty(fit, document),
        "<h2>Left out</h2>",
        _left_out(cohort, tuple(exclusions)),
        _identity(document) if document else "",
    ]
    head = f'<meta charset="utf-8"><title>{html.escape(measure)}</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def _verdict(cohort: Cohort, document: Document | None) -> str:
    gaps = lacking(cohort)
    lines = "".join(f"<li>{html.escape(gap)}</li>" for gap in gaps)
    if document is None:
        words = "Too few subjects for a reference: no patient can be compared yet. What is lacking:"
    elif gaps:
        words = "A provisional reference. It may be used after activation and is marked provisional. What is lacking:"
    else:
        words = "Enough subjects. Validate the reference on 20 further controls before activation."
    return f'<div class="note"><p>{words}</p><ul>{lines}</ul></div>'


def _typical(cohort: Cohort, sex: str, age: float) -> Subject:
    """A subject of that age and sex with the mean height and weight of the sex."""

    def mean(name: str) -> float | None:
        values = cohort.column(name)[cohort.column("sex_male") == (sex == "M")]
        values = values[~np.isnan(values)]
        return float(values.mean()) if len(values) else None

    return Subject(age, sex, mean("height_cm"), mean("weight_kg"))


def _curves(fit: LinearFit | WideFit, document: Document) -> str:
    cohort = fit.cohort
    figures = []
    everything = np.concatenate(cohort.sides)
    ages_all = cohort.column("age_y")
    spans = ((float(ages_all.min()), float(ages_all.max())), (float(everything.min()), float(everything.max())))
    for sex, words in _SEXES:
        dots = [
            (person.age_years or 0.0, float(value))
            for person, values in zip(cohort.subjects, cohort.sides, strict=True)
            for value in values
            if person.sex == sex
        ]
        if not dots:
            continue
        ages = np.linspace(min(age for age, _ in dots), max(age for age, _ in dots), 60)
        curves = _limit_curves(document, [_typical(cohort, sex, float(age)) for age in ages])
        label = f"{_MEASURES.get(document.quantity, document.quantity)} [{_UNITS.get(document.unit, document.unit)}]"
        figures.append(figure(words, "age [years]", label, [Scatter(tuple(dots)), *curves], spans))
    told = (
        "Each dot is one side of one person, the line is what is expected, and between the dashed lines lie 95 of 100 "
        "healthy people of that age and sex (of average build)."
    )
    return f'<p>{told} Limits: {html.escape(_limits(document))}.</p><div class="row">{"".join(figures)}</div>'


def _limit_curves(document: Document, people: Sequence[Subject]) -> list[Curve]:
    lines: dict[str, list[tuple[float, float]]] = {"expected": [], "lower": [], "upper": []}
    for person in people:
        found = score(document, 1.0, covariates(person))
        for name, value in (("expected", found.expected), ("lower", found.lower), ("upper", found.upper)):
            if value is not None:
                lines[name].append((person.age_years or 0.0, value))
    return [Curve(tuple(points), "mean" if name == "expected" else "limit") for name, points in lines.items()]


def _limits(document: Document) -> str:
    person = Subject(sum(document.validity.age_years or (50.0, 50.0)) / 2, "F", 170.0, 70.0)
    return score(document, 1.0, covariates(person)).limits


def _coverage(cohort: Cohort) -> str:
    cells = coverage(cohort)
    rows = []
    for decade in dict.fromkeys(cell.decade for cell in cells):
        mine = [cell for cell in cells if cell.decade == decade]
        marks = "".join(
            f'<td class="lack">{cell.n} (lacks {cell.lacking})</td>' if cell.lacking else f"<td>{cell.n}</td>"
            for cell in mine
        )
        rows.append(f"<tr><td>{decade} years</td>{marks}</tr>")
    return f"<table><tr><th>age</th><th>women</th><th>men</th></tr>{''.join(rows)}</table>"


def _choice(fit: LinearFit | WideFit) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(c.shape.words)}{' — chosen' if c.shape == fit.shape else ''}</td>"
        f"<td>{c.rmse:.4g}</td><td>{c.standard_error:.2g}</td></tr>"
        for c in sorted(fit.candidates, key=lambda c: c.rmse)
    )
    words = (
        "At most six shapes, fixed before any value was seen, were judged by predicting subjects they had not seen "
        "(ten-fold cross-validation, five times); of those within one standard error of the best, the simplest was "
        "taken."
    )
    head = "<tr><th>model</th><th>prediction error</th><th>standard error</th></tr>"
    return f"<p>{words}</p><table>{head}{rows}</table>{_scale(fit)}"


def _scale(fit: LinearFit | WideFit) -> str:
    if isinstance(fit, WideFit):
        kind = "quantile regression" if fit.quantiles else f"LMS with L = {fit.power:.2f}"
        return f"<p>Model: {kind}.</p>"
    power = f" with power {fit.transform.power:g}" if fit.transform.power is not None else ""
    skewed = f"on the {fit.transform.name} scale{power}, since they are skewed"
    scale = "as measured" if fit.transform.name == "identity" else skewed
    spread = "changes with age and is modelled so" if fit.sd_terms else "is the same at every age"
    sides = f" SD between the sides of one person: {fit.side_sd:.3g}." if fit.side_sd is not None else ""
    return (
        f"<p>Values {scale} (skewness p = {fit.skew_p:.2g}). The spread {spread} (p = {fit.spread_p:.2g}).{sides} "
        "Both sides of a person count as one person.</p>"
    )


def _residuals(fit: LinearFit) -> str:
    figures = _by_age(fit.cohort, fit.standardised) + _against_normal(fit.standardised)
    words = (
        "Left: how far each person lies from what the model expects, in SD; there should be no trend and no funnel, "
        "and about one in twenty outside ±2. Right: if the values are normally distributed, the dots follow the line "
        f"(Shapiro-Wilk p = {fit.normal_p:.2g})."
    )
    return f'<p>{words}</p><div class="row">{figures}</div>'


def _by_age(cohort: Cohort, residuals: Floats) -> str:
    ages = cohort.column("age_y")
    far = np.abs(residuals) > 3
    parts: list[Curve | Scatter] = [
        Scatter(_pairs(ages[~far], residuals[~far])),
        Scatter(_pairs(ages[far], residuals[far]), "far", tuple(np.array(cohort.keys)[far])),
        *(Curve(((float(ages.min()), z), (float(ages.max()), z)), style) for z, style in _LINES),
    ]
    return figure("Distance from the expected value", "age [years]", "SD", [part for part in parts if part.points])


def _against_normal(residuals: Floats) -> str:
    ordered = np.sort(residuals)
    deviates = stats.norm.ppf((np.arange(1, len(ordered) + 1) - 0.375) / (len(ordered) + 0.25))
    ends = (float(deviates[0]), float(deviates[-1]))
    line = Curve(((ends[0], ends[0]), (ends[1], ends[1])), "zero")
    parts: list[Curve | Scatter] = [Scatter(_pairs(deviates, ordered)), line]
    return figure("Normal distribution?", "expected deviate", "observed deviate", parts)


def _scores(fit: WideFit, document: Document | None) -> list[tuple[float, Score]]:
    """Everyone's first side against the document: value and what it says."""
    if document is None:
        return []
    people = zip(fit.cohort.subjects, fit.cohort.sides, strict=True)
    return [(float(sides[0]), score(document, float(sides[0]), covariates(person))) for person, sides in people]


def _held(fit: WideFit, document: Document | None) -> str:
    """Of an LMS or quantile model: distances where there is a z, and who lies outside in each third of the ages."""
    found = _scores(fit, document)
    z = np.array([np.nan if one.z is None else one.z for _, one in found])
    inside = ~np.isnan(z)
    shown = Cohort(
        fit.cohort.group,
        tuple(np.array(fit.cohort.keys)[inside]),
        tuple(person for person, there in zip(fit.cohort.subjects, inside, strict=True) if there),
        tuple(sides for sides, there in zip(fit.cohort.sides, inside, strict=True) if there),
    )
    figures = _by_age(shown, z[inside]) + ("" if fit.quantiles else _against_normal(z))
    rows = []
    for words, members in _thirds(fit.cohort):
        verdicts = [found[index][1].outside(found[index][0]) for index in members]
        cells = "".join(f"<td>{100 * verdicts.count(side) / len(verdicts):.1f} %</td>" for side in ("below", "above"))
        rows.append(f"<tr><td>{words}</td><td>{len(verdicts)}</td>{cells}</tr>")
    told = (
        "How far one side of each person lies from what the model expects, in SD; there should be no trend and no "
        "funnel. In every third of the ages about 2.5 % should lie below and 2.5 % above the limits."
    )
    if fit.quantiles:
        told += " Who lies beyond the outermost fitted percentile has no distance and is counted in the table only."
    head = "<tr><th>age</th><th>persons</th><th>below</th><th>above</th></tr>"
    return f'<p>{told}</p><div class="row">{figures}</div><table>{head}{"".join(rows)}</table>'


def _thirds(cohort: Cohort) -> list[tuple[str, list[int]]]:
    ages = cohort.column("age_y")
    parts = np.array_split(np.argsort(ages, kind="stable"), 3)
    return [(f"{ages[p].min():.0f} to {ages[p].max():.0f} years", [int(i) for i in p]) for p in parts]


_LINES = ((0.0, "zero"), (2.0, "limit"), (-2.0, "limit"))


def _pairs(x: Floats, y: Floats) -> tuple[tuple[float, float], ...]:
    return tuple((float(a), float(b)) for a, b in zip(x, y, strict=True))


def _certainty(fit: LinearFit) -> str:
    n = len(fit.cohort)
    words = (
        f"With {n} subjects the upper limit has a standard error of {limit_error(n):.2f} SD. To be 95 % sure that "
        f"95 % of healthy people lie below, the limit would have to lie at mean + {factor(n):.2f} SD."
    )
    return f"<p>{words}</p>{_influence(influences(fit))}"


def _wide_certainty(fit: WideFit, document: Document | None) -> str:
    found = _scores(fit, document)
    errors = [one.z_sd for _, one in found if one.z_sd is not None]
    words = (
        f"With {len(fit.cohort)} subjects the z of a person like those measured has a standard error of "
        f"{np.median(errors):.2f} (in half of them), and at most {max(errors):.2f}. The limits lie as much further "
        "out as it takes that 2.5 of 100 new healthy people fall outside on each side. To be 95 % sure that 95 % of "
        f"healthy people lie below, a limit would have to lie where z is {fit.tolerance_k:.2f} (in half of them)."
    )
    return f"<p>{words}</p>{_influence(wide_influences(fit, [one.z for _, one in found]))}"


def _influence(found: Sequence[Influence]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(o.key)}</td><td>{o.shift:.2f}</td>"
        f"<td>{'beyond' if o.residual is None else f'{o.residual:+.2f}'}</td></tr>"
        for o in found[:5]
    )
    head = "<tr><th>subject</th><th>limit moves by [SD]</th><th>distance [SD]</th></tr>"
    told = "How far a limit would move if one person were left out. Nobody is left out for it: look at the pictures."
    return f"<p>{told}</p><table>{head}{rows}</table>"


def _left_out(cohort: Cohort, exclusions: Sequence[Exclusion]) -> str:
    rows = [f"<li>{html.escape(key)}: {html.escape(reason)}</li>" for key, reason in cohort.dropped]
    rows += [
        f"<li>observation {html.escape(one.observation)}: {html.escape(one.reason)} "
        f"({html.escape(one.by)}, {one.on})</li>"
        for one in exclusions
    ]
    return f"<ul>{''.join(rows)}</ul>" if rows else "<p>Nobody.</p>"


def _identity(document: Document) -> str:
    return (
        f"<h2>Document</h2><p>{html.escape(document.release)}, status {document.status}, "
        f"content hash <code>{document.content_hash}</code>.</p>"
    )
