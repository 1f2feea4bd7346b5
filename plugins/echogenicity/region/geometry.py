"""From rows of a working image to outlines in the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plugins.images import Box, Outline, Point

Rows = npt.NDArray[np.float64]

ROWS, COLUMNS = 256, 128
"""The working image: columns are squeezed because fasciae are nearly level."""
LINE_POINTS = 49
"""Points a line is given with: one every 2 % of the width, finer than a fascia bends."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A muscle between two fasciae, in rows of the working image, one value for each of its columns."""

    superficial: Rows
    deep: Rows
    inner_top: Rows
    """Where the muscle begins below the superficial fascia's centre."""
    inner_bottom: Rows
    first: int = 0
    """First column the layer is seen in."""
    stop: int = COLUMNS

    @property
    def thickness(self) -> float:
        """Median distance of the two centres in rows of the working image."""
        part = slice(self.first, self.stop)
        return float(np.median(self.deep[part] - self.superficial[part]))


def line_points(rows: Rows, layer: Layer, box: Box) -> tuple[Point, ...]:
    """A line of the working image as points of the picture, left to right over the columns it is seen in."""
    left, right = layer.first, layer.stop
    columns = np.linspace(left, right, LINE_POINTS)
    # the working image's column i is centred at i + 0.5; beyond the outermost centres the slope goes on
    centres = np.arange(rows.size) + 0.5
    values = np.interp(columns, centres[left:right], rows[left:right])
    if right - left >= 2:
        values[0] -= 0.5 * (rows[left + 1] - rows[left])
        values[-1] += 0.5 * (rows[right - 1] - rows[right - 2])
    x = box.column0 + columns * (box.column1 - box.column0) / COLUMNS
    y = box.row0 + np.clip(values, 0, ROWS) * (box.row1 - box.row0) / ROWS
    return tuple((round(float(a), 3), round(float(b), 3)) for a, b in zip(x, y, strict=True))


def outline_of(layer: Layer, box: Box) -> Outline:
    """The closed polygon between the inner edges."""
    top = line_points(layer.inner_top, layer, box)
    bottom = line_points(layer.inner_bottom, layer, box)
    return (*top, *reversed(bottom), top[0])
