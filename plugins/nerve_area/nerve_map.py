"""Pages of an exam: left and right side by side at one scale, and a map of the limb with all sites."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plugins.contract import Box, Chart, Line, Page, Panel, Series, Side
from plugins.images import Spacing
from plugins.nerve_area import along
from plugins.nerve_area.exam import Area, Exam
from plugins.nerve_area.pages import CONVENTION

PANELS = 6
"""Most panels on a page."""
ROOM_MM = 3.0


def pages(exam: Exam) -> tuple[Page, ...]:
    """The map of each limb, then the pairs of sides."""
    maps = (_map("Nerve map: arm and neck", exam, (*along.ARM, *along.NECK)), _map("Nerve map: leg", exam, along.LEG))
    return (*(page for page in maps if page is not None), *_pairs(exam))


def _map(title: str, exam: Exam, order: Sequence[str]) -> Page | None:
    """Every site a row from distal to proximal, its area in per cent of its upper limit, a colour a side."""
    areas = [area for area in exam.areas if area.site in order]
    rows = sorted({(a.structure, order.index(a.site or "")) for a in areas}, key=lambda row: (row[0], row[1]))
    if not rows:
        return None
    names = {(a.structure, order.index(a.site or "")): a.unsided for a in areas}
    series = [Series("limit", (100.0, 100.0), (-0.5, len(rows) - 0.5), label="upper limit")]
    for side in exam.sides:
        mine = [a for a in areas if a.side is side and a.limit]
        if mine:
            x = tuple(100 * a.mm2 / (a.limit or 1.0) for a in mine)
            y = tuple(float(rows.index((a.structure, order.index(a.site or "")))) for a in mine)
            series.append(Series("points", x, y, label=str(side)))
    chart = Chart(title, "area, % of the upper limit", "", tuple(series), tuple(names[row] for row in rows))
    return Page(title, (Panel(chart=chart), Panel("areas", text=tuple(_line(area) for area in areas))), (CONVENTION,))


def _line(area: Area) -> str:
    if area.comparison is None or area.limit is None:
        return f"{area.place}: {area.mm2:.1f} mm², not compared"
    word = "above" if area.enlarged else "within"
    return f"{area.place}: {area.mm2:.1f} mm², {word} {area.limit:.1f} ({area.comparison.source})"


def _pairs(exam: Exam) -> list[Page]:
    """Right and left of the same nerve and site, cut to the same size in mm."""
    panels: list[Panel] = []
    for right in exam.areas:
        left = next(iter(exam.find((right.structure,), (right.site,), Side.LEFT)), None) if right.site else None
        if right.side is not Side.RIGHT or left is None or right.spacing is None or left.spacing is None:
            continue
        half = max(_half_mm(right, right.spacing), _half_mm(left, left.spacing)) + ROOM_MM
        panels.extend((_panel(right, right.spacing, half), _panel(left, left.spacing, half)))
    groups = [panels[first : first + PANELS] for first in range(0, len(panels), PANELS)]
    return [Page("Nerve area: right and left", tuple(group), (CONVENTION,)) for group in groups]


def _half_mm(area: Area, spacing: Spacing) -> float:
    """Half the larger extent of the outline."""
    extent = np.ptp(np.asarray(area.outline, float), axis=0) * (spacing.column_mm, spacing.row_mm)
    return float(extent.max()) / 2


def _panel(area: Area, spacing: Spacing, half_mm: float) -> Panel:
    """The outline in a square of a given half side around its middle, as far as the picture reaches."""
    points = np.asarray(area.outline, float)
    column, row = (points.min(axis=0) + points.max(axis=0)) / 2
    reach_column, reach_row = half_mm / spacing.column_mm, half_mm / spacing.row_mm
    rows, columns = area.shape
    box = Box(
        max(0, int(column - reach_column)),
        max(0, int(row - reach_row)),
        min(columns, int(np.ceil(column + reach_column))),
        min(rows, int(np.ceil(row + reach_row))),
    )
    limit = f"upper limit {area.limit:.1f} mm²" if area.limit is not None else "not compared"
    return Panel(f"{area.place}: {area.mm2:.1f} mm²", area.image, box, (Line(area.outline),), text=(limit,))
