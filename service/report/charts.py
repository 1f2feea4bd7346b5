"""A small plot in a field of a canvas: lines, points, bars, event rasters, bands and limits with labelled axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from plugins.contract import Chart, Series
from service.report.canvas import AMBER, CYCLE, FAINT, MUTED, WHITE, XY, Canvas, Colour, Place
from service.report.letters import width_of

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class _Axes:
    """The plot's rectangle and the ranges that it shows."""

    x: float
    y: float
    width: float
    height: float
    low: XY
    high: XY
    downwards: bool = False
    """Named rows read from the top, as a list does."""

    def place(self, x: float, y: float) -> XY:
        """Canvas position of a value, clipped to the plot."""
        across = (x - self.low[0]) / (self.high[0] - self.low[0])
        up = (y - self.low[1]) / (self.high[1] - self.low[1])
        up = 1 - up if self.downwards else up
        return self.x + min(max(across, 0), 1) * self.width, self.y + (1 - min(max(up, 0), 1)) * self.height


def ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Round numbers that cover a range in about ``count`` steps."""
    if not math.isfinite(high - low) or high <= low:
        return [low]
    raw = (high - low) / count
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(step * magnitude for step in _STEPS if step * magnitude >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def draw_chart(canvas: Canvas, chart: Chart, place: Place) -> None:
    """Draw a chart into a rectangle."""
    x, y, width, height = place
    rows = chart.y_names
    left = 28 + max([width_of(name, 17) for name in rows] or [46.0]) + 8
    legend = list({one.label: one for one in reversed(chart.series) if one.label}.values())[::-1]
    top = 34 if legend else 10
    low, high = _range(chart)
    axes = _Axes(x + left, y + top, max(width - left - 16, 40), max(height - top - 56, 40), low, high, bool(rows))
    _grid(canvas, chart, axes)
    for series in chart.series:
        _DRAW.get(series.kind, _line)(canvas, axes, series, _colour(chart, series))
    _legend(canvas, axes, chart, legend)


def _colour(chart: Chart, series: Series) -> Colour:
    """Series of one label are one thing, and have one colour; that of a limit is no other's in its chart."""
    if series.kind == "limit":
        return AMBER
    others = [one for one in chart.series if one.kind != "limit"]
    colours = CYCLE if len(others) == len(chart.series) else tuple(colour for colour in CYCLE if colour != AMBER)
    alike = (one is series or (bool(one.label) and one.label == series.label) for one in others)
    return colours[list(alike).index(True) % len(colours)]


def _range(chart: Chart) -> tuple[XY, XY]:
    """What the axes show: all values with a little air; bars and rates from zero, named rows by their number."""
    across = [value for one in chart.series for value in one.x if math.isfinite(value)] or [0.0, 1.0]
    up = [value for one in chart.series for value in (*one.y, *one.y2) if math.isfinite(value)] or [0.0, 1.0]
    if any(one.kind == "bars" for one in chart.series):
        up.append(0.0)
        step = min((b - a for a, b in zip(sorted(across), sorted(across)[1:], strict=False) if b > a), default=1.0)
        across += [min(across) - step * 0.6, max(across) + step * 0.6]
    if chart.y_names:
        up = [-0.5, len(chart.y_names) - 0.5]
    x0, x1, y0, y1 = min(across), max(across), min(up), max(up)
    x0 = 0.0 if 0 < x0 < x1 / 2 else x0  # times and counts begin at nothing
    x1 += 0.03 * (x1 - x0) if chart.y_names and any(one.kind == "points" for one in chart.series) else 0.0
    x1, y1 = x1 if x1 > x0 else x0 + 1, y1 if y1 > y0 else y0 + 1
    air = 0.0 if chart.y_names else (y1 - y0) * 0.06
    return (x0, y0 - (air if y0 else 0)), (x1, y1 + air)


def _grid(canvas: Canvas, chart: Chart, axes: _Axes) -> None:
    bottom = axes.y + axes.height
    for value in ticks(axes.low[0], axes.high[0], max(3, round(axes.width / 110))):
        column = axes.place(value, axes.low[1])[0]
        canvas.line([(column, bottom), (column, bottom + 5)], MUTED, width=1)
        canvas.text((column, bottom + 8), f"{value:g}", 16, MUTED, anchor="ma")
    if chart.y_names:
        for index, name in enumerate(chart.y_names):
            canvas.text((axes.x - 10, axes.place(0, index)[1]), name, 17, WHITE, anchor="rm")
    else:
        for value in ticks(axes.low[1], axes.high[1], max(3, round(axes.height / 60))):
            row = axes.place(axes.low[0], value)[1]
            canvas.line([(axes.x, row), (axes.x + axes.width, row)], FAINT, width=1)
            canvas.text((axes.x - 8, row), f"{value:g}", 16, MUTED, anchor="rm")
        canvas.text((axes.x - 62, axes.y + axes.height / 2), chart.y_label, 17, MUTED, turned=True)
    canvas.line([(axes.x, bottom), (axes.x + axes.width, bottom)], MUTED, width=1)
    canvas.text((axes.x + axes.width / 2, bottom + 30), chart.x_label, 17, MUTED, anchor="ma")


def _points_of(axes: _Axes, series: Series) -> list[XY]:
    pairs = zip(series.x, series.y, strict=False)
    return [axes.place(x, y) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]


def _line(canvas: Canvas, axes: _Axes, series: Series, colour: Colour) -> None:
    canvas.line(_points_of(axes, series), colour, width=2)


def _dots(canvas: Canvas, axes: _Axes, series: Series, colour: Colour) -> None:
    for point in _points_of(axes, series):
        canvas.dot(point, 5, colour, edge=1)


def _bars(canvas: Canvas, axes: _Axes, series: Series, colour: Colour) -> None:
    steps = sorted({round(b - a, 9) for a, b in zip(sorted(series.x), sorted(series.x)[1:], strict=False)} - {0.0})
    half = (steps[0] if steps else 1.0) * 0.4
    for x, y in zip(series.x, series.y, strict=False):
        (x0, y0), (x1, y1) = axes.place(x - half, max(y, 0)), axes.place(x + half, min(y, 0))
        canvas.box(x0, y0, max(x1, x0 + 1), y1, colour)


def _raster(canvas: Canvas, axes: _Axes, series: Series, colour: Colour) -> None:
    """One upright stroke per event in the row of its thing."""
    for x, row in zip(series.x, series.y, strict=False):
        canvas.line([axes.place(x, row - 0.32), axes.place(x, row + 0.32)], colour, width=2)


def _band(canvas: Canvas, axes: _Axes, series: Series, colour: Colour) -> None:
    low = [axes.place(x, y) for x, y in zip(series.x, series.y, strict=False)]
    high = [axes.place(x, y) for x, y in zip(series.x, series.y2, strict=False)]
    if len(low) > 1 and len(low) == len(high):
        canvas.area([*low, *reversed(high)], colour, 0.22)


def _limit(canvas: Canvas, axes: _Axes, series: Series, colour: Colour) -> None:
    """A dashed line: through its points, or across the whole plot where only a height is given."""
    if len(series.x) > 1:
        canvas.line(_points_of(axes, series), colour, width=2, dash=9)
        return
    for value in series.y:
        canvas.line([axes.place(axes.low[0], value), axes.place(axes.high[0], value)], colour, width=2, dash=9)


_DRAW = {"line": _line, "points": _dots, "bars": _bars, "raster": _raster, "band": _band, "limit": _limit}


def _legend(canvas: Canvas, axes: _Axes, chart: Chart, labelled: Sequence[Series]) -> None:
    """Labels in a row above the plot, as far as they fit."""
    x = axes.x
    for series in labelled:
        colour = _colour(chart, series)
        if x + 26 + width_of(series.label, 16) > axes.x + axes.width:
            return
        dash = 6.0 if series.kind == "limit" else 0.0
        canvas.line([(x, axes.y - 18), (x + 18, axes.y - 18)], colour, width=3, dash=dash)
        canvas.text((x + 25, axes.y - 18), series.label, 16, MUTED, anchor="lm")
        x += 25 + width_of(series.label, 16) + 22
