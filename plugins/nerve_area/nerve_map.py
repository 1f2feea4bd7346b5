"""Pages of an exam: left and right side by side at one scale, and a map of the limb with all sites."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plugins.contract import Box, Chart, Line, Page, Panel, Series, Side
from plugins.images import Spacing
from plugins.nerve_area import along
from plugins.nerve_area.exam import Area, Exam
from plugins.nerve_area.pages import CONVENTION

PANELS = 4
"""Most panels on a page: two pairs."""
WIDTH = 1.5
"""Width of such a panel's crop over its height."""
ROWS = 14
"""Most sites on a map: each takes up to two lines of text."""
ROOM_MM = 3.0


def pages(exam: Exam) -> tuple[Page, ...]:
    """The map of each limb, then the pairs of sides."""
    arm = _maps("Nerve map: arm and neck", exam, (*along.ARM, *along.NECK))
    return (*arm, *_maps("Nerve map: leg", exam, along.LEG), *_pairs(exam))


def _maps(title: str, exam: Exam, order: Sequence[str]) -> list[Page]:
    """Every site of a limb a row, nerve by nerve from distal to proximal; so many rows a page as can be read."""
    places: dict[str, list[Area]] = {}
    areas = (area for area in exam.areas if area.site in order)
    for area in sorted(areas, key=lambda area: (area.structure, order.index(area.site or ""), area.side != "right")):
        places.setdefault(area.unsided, []).append(area)
    names = list(places)
    groups = [names[first : first + ROWS] for first in range(0, len(names), ROWS)]
    return [_map(title, {name: places[name] for name in group}) for group in groups]


def _map(title: str, places: dict[str, list[Area]]) -> Page:
    """Areas in per cent of their upper limits, a colour a side; beside them the figures and sources.

    Where nothing has a limit there is nothing to plot.
    """
    rows = [(index, area) for index, name in enumerate(places) for area in places[name]]
    series = [Series("limit", (100.0, 100.0), (-0.5, len(places) - 0.5), label="upper limit")]
    for side in Side:
        mine = [(100 * area.mm2 / area.limit, float(index)) for index, area in rows if area.side is side and area.limit]
        if mine:
            series.append(Series("points", tuple(x for x, _ in mine), tuple(y for _, y in mine), label=str(side)))
    # an area is read against nothing as well as against its limit: the axis begins at zero
    series.append(Series("line", (0.0,), (0.0,)))
    labels = (name if any(area.limit for area in of) else f"{name} (no limit)" for name, of in places.items())
    chart = Chart("Area against its limit", "area, % of the upper limit", "", tuple(series), tuple(labels))
    sources = dict.fromkeys(a.comparison.source for _, a in rows if a.comparison is not None and a.limit is not None)
    text = (*(_row(name, of) for name, of in places.items()), "", *(f"Limits: {source}." for source in sources))
    plotted = (Panel(chart=chart),) if any(area.limit for _, area in rows) else ()
    return Page(title, (*plotted, Panel("Areas in mm²", text=text)), (CONVENTION,))


def _row(name: str, areas: Sequence[Area]) -> str:
    """One site: the area of each side, which of them exceed their limit, and that limit."""
    sides = ", ".join(_side(area) for area in areas)
    limits = dict.fromkeys(f"{area.limit:.1f}" for area in areas if area.limit is not None)
    return f"{name}: {sides}; " + (f"limit {' or '.join(limits)}" if limits else "not compared")


def _side(area: Area) -> str:
    side = "" if area.side is Side.UNKNOWN else f"{area.side} "
    return f"{side}{area.mm2:.1f}{' (above)' if area.enlarged else ''}"


def _pairs(exam: Exam) -> list[Page]:
    """Right and left of the same nerve and site, cut to the same size in mm."""
    panels: list[Panel] = []
    for right in exam.areas:
        left = next(iter(exam.find((right.structure,), (right.site,), Side.LEFT)), None) if right.site else None
        if right.side is not Side.RIGHT or left is None or right.spacing is None or left.spacing is None:
            continue
        wanted = max(_half_mm(right, right.spacing), _half_mm(left, left.spacing)) + ROOM_MM
        # no more than the lower picture holds: one scale on both sides counts for more than room
        half = min(wanted, right.shape[0] * right.spacing.row_mm / 2, left.shape[0] * left.spacing.row_mm / 2)
        panels.extend((_panel(right, right.spacing, half), _panel(left, left.spacing, half)))
    groups = [panels[first : first + PANELS] for first in range(0, len(panels), PANELS)]
    return [Page("Nerve area: right and left", tuple(group), (CONVENTION,), 2) for group in groups]


def _half_mm(area: Area, spacing: Spacing) -> float:
    """Half the larger extent of the outline."""
    extent = np.ptp(np.asarray(area.outline, float), axis=0) * (spacing.column_mm, spacing.row_mm)
    return float(extent.max()) / 2


def _panel(area: Area, spacing: Spacing, half_mm: float) -> Panel:
    """The outline in a crop of a given half height around its middle, moved inwards where the picture ends."""
    points = np.asarray(area.outline, float)
    column, row = (points.min(axis=0) + points.max(axis=0)) / 2
    rows, columns = area.shape
    left, right = _inside(column, WIDTH * half_mm / spacing.column_mm, columns)
    top, bottom = _inside(row, half_mm / spacing.row_mm, rows)
    limit = "not compared"
    if area.limit is not None:
        limit = f"upper limit {area.limit:.1f} mm²: {'above' if area.enlarged else 'within'}"
    box = Box(left, top, right, bottom)
    return Panel(f"{area.place}: {area.mm2:.1f} mm²", area.image, box, (Line(area.outline),), text=(limit,))


def _inside(middle: float, half: float, size: int) -> tuple[int, int]:
    """A span of two halves that lies inside the picture, so that both sides keep one scale; all of it if it is less."""
    length = min(size, int(np.ceil(2 * half)))
    start = min(max(0, int(middle - half)), size - length)
    return start, start + length
