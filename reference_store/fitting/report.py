"""The report of a fit, as one HTML page that a clinician understands and a statistician can check."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

import numpy as np

from reference_store.collecting import TARGETS, Exclusion
from reference_store.documents import Document
from reference_store.fitting.cohort import Cohort
from reference_store.fitting.figures import (
    against_normal,
    by_age,
    cards,
    curves,
    measure_of,
    normal_ranges,
    progress_bar,
    typical,
    unit_of,
)
from reference_store.fitting.linear import LinearFit
from reference_store.fitting.sensitivity import Influence, coverage, influences, lacking, wide_influences
from reference_store.fitting.tolerance import factor, limit_error
from reference_store.fitting.wide import WideFit
from reference_store.plots import STYLE
from reference_store.predicting import score
from reference_store.scores import Score
from reference_store.terms import covariates
from reference_store.values import Subject

_SCALES = {"sqrt": "square-root", "log": "logarithmic", "boxcox": "power (Box-Cox)"}


def page(
    fit: LinearFit | WideFit, document: Document | None, exclusions: Iterable[Exclusion] = (), why: str = ""
) -> str:
    """The whole page. Without a document it shows the data and says ``why`` there is none, and what is lacking."""
    cohort = fit.cohort
    group = cohort.group
    measure = f"{measure_of(group.quantity)} of {group.place.replace('_', ' ')}"
    parts = [
        f"<h1>Reference values: {html.escape(measure)}</h1>",
        f'<p class="sub">{html.escape(group.scanner)}; {group.view} view</p>',
        _verdict(cohort, document, why),
        cards(_facts(fit, document)),
        progress_bar(len(cohort), TARGETS),
        "<h2>What is normal here</h2>" if document else "<h2>What was measured so far</h2>",
        _normal(fit, document),
        "<h2>Who was measured, and who is lacking</h2>",
        _coverage(cohort),
        "<h2>Does the model fit?</h2>",
        _residuals(fit) if isinstance(fit, LinearFit) else _held(fit, document),
        "<h2>How sure are the limits?</h2>",
        _certainty(fit) if isinstance(fit, LinearFit) else _wide_certainty(fit, document),
        "<h2>How the model was chosen</h2>",
        _choice(fit),
        "<h2>Left out</h2>",
        _left_out(cohort, tuple(exclusions)),
        _identity(document) if document else "",
    ]
    view = '<meta name="viewport" content="width=device-width,initial-scale=1">'
    head = f'<meta charset="utf-8">{view}<title>{html.escape(measure)}</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body><main>{"".join(parts)}</main></body></html>\n'


def _facts(fit: LinearFit | WideFit, document: Document | None) -> list[tuple[str, str]]:
    """What a reader wants to know first."""
    cohort = fit.cohort
    ages, sides = cohort.column("age_y"), sum(len(values) for values in cohort.sides)
    men = sum(person.sex == "M" for person in cohort.subjects)
    facts = [
        (str(len(cohort)), f"persons: {len(cohort) - men} women, {men} men; {sides} sides"),
        (f"{ages.min():.0f} to {ages.max():.0f}", "years of age"),
    ]
    if document:
        middle = score(document, 1.0, covariates(typical(cohort, "F", float(np.median(ages)))))
        if middle.sd is not None:
            unit = unit_of(cohort.group.quantity)
            facts.append(
                (f"± {middle.sd:.3g}", f"{unit}: SD of a healthy woman of {np.median(ages):.0f} years".strip())
            )
        facts.append((str(document.status), "until 20 further controls have confirmed it"))
    return facts


def _verdict(cohort: Cohort, document: Document | None, why: str) -> str:
    gaps = lacking(cohort)
    lines = "".join(f"<li>{html.escape(gap)}</li>" for gap in gaps)
    style = "note"
    if document is None:
        reason = html.escape(why or "Too few subjects for a reference")
        words = f"<b>Not a reference yet: no patient can be compared.</b> {reason}."
        words += " What is lacking:" if gaps else ""
    elif gaps:
        words = "<b>A provisional reference.</b> It may be used after activation, and says so. What is lacking:"
    else:
        style = "note good"
        words = "<b>Enough subjects.</b> Validate the reference on 20 further controls before activation."
    return f'<div class="{style}"><p>{words}</p>{f"<ul>{lines}</ul>" if lines else ""}</div>'


def _normal(fit: LinearFit | WideFit, document: Document | None) -> str:
    if document is None:
        told = "Each dot is one side of one person. Lines and limits are drawn when there are enough persons."
        return f"<p>{told}</p>{curves(fit, None)}"
    told = (
        "Each dot is one side of one person, the line is what is expected, and in the shaded band between the limits "
        "lie 95 of 100 healthy people of that age and sex (of average build). Limits: "
        f"{html.escape(_limits(document))}."
    )
    return f"<p>{told}</p>{curves(fit, document)}{normal_ranges(fit, document)}"


def _limits(document: Document) -> str:
    person = Subject(sum(document.validity.age_years or (50.0, 50.0)) / 2, "F", 170.0, 70.0)
    words = score(document, 1.0, covariates(person)).limits
    return words.replace(
        f"the {document.model.transform} scale", f"a {_SCALES.get(document.model.transform, '')} scale"
    )


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
        f"<tr{' class=chosen' if c.shape == fit.shape else ''}>"
        f"<td>{html.escape(c.shape.words)}{': chosen' if c.shape == fit.shape else ''}</td>"
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
    skewed = f"are judged on a {_SCALES.get(fit.transform.name)} scale{power}, on which they are more symmetric"
    scale = "are judged as measured" if fit.transform.name == "identity" else skewed
    spread = "changes with age and is modelled so" if fit.sd_terms else "is the same at every age"
    sides = f" SD between the sides of one person: {fit.side_sd:.3g}." if fit.side_sd is not None else ""
    return (
        f"<p>Values {scale} (skewness as measured: p = {fit.skew_p:.2g}). The spread {spread} "
        f"(p = {fit.spread_p:.2g}).{sides} Both sides of a person count as one person.</p>"
    )


def _residuals(fit: LinearFit) -> str:
    figures = by_age(fit.cohort, fit.standardised) + against_normal(fit.standardised)
    words = (
        "Left: how far each person lies from what the model expects, in SD; there should be no trend and no funnel, "
        "and about one in twenty outside ±2. Right: if the values are normally distributed, the dots follow the line "
        f"(Shapiro-Wilk p = {fit.normal_p:.2g})."
    )
    return f'<p>{words}</p><div class="row">{figures}</div>'


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
    figures = by_age(shown, z[inside]) + ("" if fit.quantiles else against_normal(z))
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
