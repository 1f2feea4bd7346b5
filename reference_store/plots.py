"""Plots as SVG text: no script, no font, no library, so that a report opens anywhere and prints."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

STYLE = """
body{font:15px/1.45 system-ui,sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;color:#1b2430}
h1{font-size:1.4em}h2{font-size:1.1em;margin-top:1.8em}.row{display:flex;flex-wrap:wrap;gap:12px}
svg{width:460px;max-width:100%;border:1px solid #d5dbe3}.grid{stroke:#e8ecf1}.tick{font-size:11px;fill:#4a5666}
.axis{font-size:12px;fill:#1b2430}.title{font-size:13px;font-weight:600}.dot{fill:#2b6cb0;fill-opacity:.55}
.far{fill:#c05621}.mean{fill:none;stroke:#1b2430;stroke-width:2}
.limit{fill:none;stroke:#c05621;stroke-width:1.6;stroke-dasharray:6 4}.zero{fill:none;stroke:#4a5666}
table{border-collapse:collapse;margin:.6em 0}td,th{border:1px solid #d5dbe3;padding:3px 9px;text-align:right}
th{background:#f3f6f9}td:first-child,th:first-child{text-align:left}.lack{background:#fdebdc}
.note{background:#fff8e6;border-left:4px solid #d69e2e;padding:.5em .9em}
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
    """A class of the report's style sheet: ``mean``, ``limit``, ``zero``."""
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
    for part in parts:
        placed = [place(x, y) for x, y in part.points]
        body.extend(_curve(part, placed) if isinstance(part, Curve) else _dots(part, placed))
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
    drawn = [f'<polyline class="{part.style}" points="{path}"/>']
    if part.label and placed:
        x, y = placed[-1]
        drawn.append(f'<text class="tick" x="{x - 2}" y="{y - 5}" text-anchor="end">{html.escape(part.label)}</text>')
    return drawn


def _dots(part: Scatter, placed: Sequence[tuple[float, float]]) -> list[str]:
    titles = part.titles or ("",) * len(placed)
    return [
        f'<circle class="{part.style}" cx="{x}" cy="{y}" r="3">'
        + (f"<title>{html.escape(title)}</title>" if title else "")
        + "</circle>"
        for (x, y), title in zip(placed, titles, strict=True)
    ]
