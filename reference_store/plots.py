"""Plots as SVG text: no script, no font, no library, so that a report opens anywhere and prints."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

STYLE = """
:root{--ink:#16202c;--soft:#52606f;--line:#dbe2ea;--blue:#2a6fb0;--band:#dcebf8;--warm:#b4540a;--warmbg:#fdf0e2}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;color:var(--ink);
background:#eef2f6;margin:0;padding:28px 16px}
main{max-width:1040px;margin:auto;background:#fff;padding:36px 44px 44px;border-radius:14px;
box-shadow:0 1px 3px #16202c22,0 8px 28px #16202c14}
h1{font-size:1.65em;line-height:1.25;margin:0 0 .2em}h2{font-size:1.15em;margin:2.2em 0 .5em;padding-bottom:.25em;
border-bottom:2px solid var(--line)}p{margin:.5em 0;max-width:78ch}.sub{color:var(--soft);margin:0 0 1.2em}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:1.2em 0}
.card{border:1px solid var(--line);border-radius:10px;padding:10px 14px}
.card b{display:block;font-size:1.45em;line-height:1.3}.card span{color:var(--soft);font-size:.86em}
.row{display:flex;flex-wrap:wrap;gap:16px;margin:.8em 0}.row>*{flex:1 1 440px;min-width:0}
svg{width:100%;height:auto;max-width:600px;border:1px solid var(--line);border-radius:10px;background:#fff}
.grid{stroke:#edf1f5}.tick{font-size:11px;fill:var(--soft)}.axis{font-size:12px;fill:var(--ink)}
.title{font-size:14px;font-weight:600;fill:var(--ink)}.dot{fill:var(--blue);fill-opacity:.6}
.far{fill:var(--warm)}.band{fill:var(--band);stroke:none}.mean{fill:none;stroke:#173f66;stroke-width:2.2}
.limit{fill:none;stroke:var(--warm);stroke-width:1.6;stroke-dasharray:6 4}.zero{fill:none;stroke:var(--soft)}
.name{font-size:11px;fill:var(--soft);paint-order:stroke;stroke:#fff;stroke-width:3px}
table{border-collapse:collapse;margin:.8em 0;font-variant-numeric:tabular-nums}
td,th{border-bottom:1px solid var(--line);padding:5px 14px;text-align:right}
thead th,tr:first-child th{background:#f5f8fb;font-weight:600}td:first-child,th:first-child{text-align:left}
.lack{background:var(--warmbg);color:var(--warm)}.chosen td{font-weight:600;background:#f0f7ee}
.note{background:var(--warmbg);border-left:5px solid #d98324;border-radius:6px;padding:.7em 1.1em}
.good{background:#eef7ec;border-left-color:#3f8f3a}.note ul{margin:.3em 0;padding-left:1.3em}
.bar{position:relative;height:14px;border-radius:7px;background:#e6ecf2;margin:1.1em 0 2.1em;max-width:620px}
.bar i{position:absolute;left:0;top:0;bottom:0;border-radius:7px;background:var(--blue)}
.bar s{position:absolute;top:-3px;bottom:-3px;width:2px;background:var(--ink);text-decoration:none}
.bar em{position:absolute;top:18px;font-style:normal;font-size:.8em;color:var(--soft);transform:translateX(-50%);
white-space:nowrap}
code{font-size:.86em;overflow-wrap:anywhere}
@media print{body{background:#fff;padding:0}main{box-shadow:none;padding:0;max-width:none}
h2{break-after:avoid}svg,table,.card{break-inside:avoid}.row>*{flex:1 1 45%}}
"""
"""The style sheet of every page with plots."""
WIDTH, HEIGHT = 460, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 30, 46
_TICKS = 6


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through points in data coordinates."""

    points: tuple[tuple[float, float], ...]
    style: str
    """A class of the report's style sheet: ``mean``, ``limit``, ``zero``; ``band`` fills what it encloses."""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Scatter:
    """Dots in data coordinates."""

    points: tuple[tuple[float, float], ...]
    style: str = "dot"
    titles: tuple[str, ...] = ()
    """What is shown when the pointer rests on a dot."""


def ticks(low: float, high: float) -> list[float]:
    """Round numbers inside a range."""
    span = (high - low) or 1.0
    power = 10 ** math.floor(math.log10(span / _TICKS))
    step = next(factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= _TICKS)
    first = math.ceil(low / step)
    return [round((first + index) * step, 10) for index in range(int((high - first * step) / step) + 1)]


def figure(
    title: str,
    x_label: str,
    y_label: str,
    parts: Sequence[Curve | Scatter],
    spans: tuple[tuple[float, float], tuple[float, float]] | None = None,
) -> str:
    """One figure; its axes span everything that is drawn, and at least ``spans`` (across, up) where they are given."""
    points = [point for part in parts for point in part.points]
    low_x, high_x = _span([*(x for x, _ in points), *(spans[0] if spans else ())])
    low_y, high_y = _span([*(y for _, y in points), *(spans[1] if spans else ())])

    def place(x: float, y: float) -> tuple[float, float]:
        across = _LEFT + (x - low_x) / (high_x - low_x) * (WIDTH - _LEFT - _RIGHT)
        down = HEIGHT - _BOTTOM - (y - low_y) / (high_y - low_y) * (HEIGHT - _TOP - _BOTTOM)
        return round(across, 1), round(down, 1)

    body = [f'<text class="title" x="{_LEFT}" y="18">{html.escape(title)}</text>']
    for tick in ticks(low_x, high_x):
        x, _ = place(tick, low_y)
        body.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>')
        body.append(f'<text class="tick" x="{x}" y="{HEIGHT - _BOTTOM + 15}" text-anchor="middle">{tick:g}</text>')
    for tick in ticks(low_y, high_y):
        _, y = place(low_x, tick)
        body.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        body.append(f'<text class="tick" x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{tick:g}</text>')
    names: list[str] = []
    for part in parts:
        placed = [place(x, y) for x, y in part.points]
        body.extend(_curve(part, placed) if isinstance(part, Curve) else _dots(part, placed))
        if isinstance(part, Curve) and part.label and placed:
            names.append(_name(part, placed))
    body.extend(names)
    middle = (HEIGHT - _BOTTOM + _TOP) / 2
    across = (WIDTH - _RIGHT + _LEFT) / 2
    body.append(f'<text class="axis" x="{across}" y="{HEIGHT - 8}" text-anchor="middle">{html.escape(x_label)}</text>')
    turn = f'transform="rotate(-90 14 {middle})"'
    body.append(f'<text class="axis" x="14" y="{middle}" text-anchor="middle" {turn}>{html.escape(y_label)}</text>')
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}">{"".join(body)}</svg>'


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = 0.04 * (high - low) or 1.0
    return low - margin, high + margin


def _curve(part: Curve, placed: Sequence[tuple[float, float]]) -> list[str]:
    path = " ".join(f"{x},{y}" for x, y in placed)
    shape = "polygon" if part.style == "band" else "polyline"
    return [f'<{shape} class="{part.style}" points="{path}"/>']


def _name(part: Curve, placed: Sequence[tuple[float, float]]) -> str:
    """What a line is, written at its end, above everything else that is drawn."""
    x, y = placed[-1]
    return f'<text class="name" x="{x - 2}" y="{y - 6}" text-anchor="end">{html.escape(part.label)}</text>'


def _dots(part: Scatter, placed: Sequence[tuple[float, float]]) -> list[str]:
    titles = part.titles or ("",) * len(placed)
    return [
        f'<circle class="{part.style}" cx="{x}" cy="{y}" r="3">'
        + (f"<title>{html.escape(title)}</title>" if title else "")
        + "</circle>"
        for (x, y), title in zip(placed, titles, strict=True)
    ]
