"""The control charts of all scanners as one HTML page."""

from __future__ import annotations

import html
from collections.abc import Iterable

from reference_store.patient_watch import Watch
from reference_store.plots import STYLE, Curve, Scatter, figure
from reference_store.quality import BLOCK_SHIFT, WARN_SHIFT, Chart, Level

_WATCHED = (
    "If a scanner and its reference belong together, the middle of these values lies near z = 0, whoever the patients "
    "are. A middle beyond ± 0.3 that chance does not explain warns."
)


def page(charts: Iterable[Chart], watches: Iterable[Watch] = ()) -> str:
    """One section a scanner: what it says now, and the chart; then where its patients' values lie."""
    parts = "".join(_section(one) for one in charts) or "<p>No phantom image has been measured yet.</p>"
    head = f'<meta charset="utf-8"><title>Phantom checks</title><style>{STYLE}</style>'
    told = (
        "Each dot is one phantom image, the line their weighted average. Dashed: where a shift would change what "
        f"patients are told ({WARN_SHIFT:g} SD of the reference warns, {BLOCK_SHIFT:g} stops comparisons)."
    )
    seen = "".join(f"<li>{html.escape(' '.join(one.scanner).strip())}: {html.escape(one.text)}</li>" for one in watches)
    parts += f"<h2>Patients reported normal</h2><p>{_WATCHED}</p><ul>{seen}</ul>" if seen else ""
    body = f"<h1>Phantom checks</h1><p>{told}</p>{parts}"
    return f'<!doctype html><html lang="en"><head>{head}</head><body><main>{body}</main></body></html>\n'


def _section(one: Chart) -> str:
    name = html.escape(" ".join(part for part in one.scanner if part))
    good = "" if one.level in (Level.WARN, Level.BLOCK) else " good"
    said = f'<h2>{name}</h2><div class="note{good}"><p><b>{one.level}</b>: {html.escape(one.text)}</p></div>'
    return said + (
        figure("Mean grey level of the phantom", "image number", "grey level", _parts(one)) if one.points else ""
    )


def _parts(one: Chart) -> list[Curve | Scatter]:
    plain = tuple((float(i), point.value) for i, point in enumerate(one.points, start=1) if not point.signals)
    far = tuple((float(i), point.value) for i, point in enumerate(one.points, start=1) if point.signals)
    titles = tuple("; ".join(point.signals) for point in one.points if point.signals)
    average = tuple((float(i), p.ewma) for i, p in enumerate(one.points, start=1) if p.ewma is not None)
    parts: list[Curve | Scatter] = [Scatter(plain), Scatter(far, "far", titles), Curve(average, "mean")]
    if one.centre is not None:
        last = float(len(one.points))
        for shift in (-BLOCK_SHIFT, -WARN_SHIFT, 0.0, WARN_SHIFT, BLOCK_SHIFT):
            level = one.centre + shift * one.reference_sd
            name = {WARN_SHIFT: "warns", BLOCK_SHIFT: "stops"}.get(abs(shift), "baseline")
            parts.append(Curve(((1.0, level), (last, level)), "limit" if shift else "zero", name))
    return [part for part in parts if part.points]
