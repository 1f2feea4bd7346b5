"""From what someone drew to a closed outline, and from an outline to the pixels it holds.

The rule for pixels is ImageJ's: a pixel belongs to a region when its *centre* lies inside the outline
(PolygonFiller of ImageJ 1.52u and later). Points are ``(column, row)`` with the pixel's edge as origin, so the
centre of pixel ``[r, c]`` is ``(c + 0.5, r + 0.5)``. A centre that lies exactly on a left or top border is inside, on
a right or bottom border outside: regions that share a border share no pixel and miss none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from plugins.images import Mask, Outline, Point, Region, RegionShape

ELLIPSE_STEP_PX = 0.5
"""Longest chord of an ellipse drawn as a polygon."""
ROUNDING_PX = 1.0
"""How far outside the picture a drawn point may lie through rounding alone; it is moved to the border."""


class RegionInvalid(ValueError):
    """A drawing that encloses nothing that could be measured; the text says why."""


def outline_of(region: Region, shape: tuple[int, int]) -> Outline | None:
    """Closed outline of a drawn polygon, ellipse or box; ``None`` for a caliper or a point, which enclose nothing.

    Parameters
    ----------
    shape:
        Rows and columns of the picture.

    Raises
    ------
    RegionInvalid
        When the drawing leaves the picture, crosses itself, or encloses no area.
    """
    if region.shape is RegionShape.POLYGON:
        outline = checked(region.points, shape)
        if _crosses_itself(np.asarray(outline[:-1], float)):
            raise RegionInvalid("the outline of the drawn region crosses itself")
        return outline
    if region.shape is RegionShape.ELLIPSE:
        points = _ellipse(region.points)
    elif region.shape is RegionShape.BOX:
        points = _box(region.points)
    else:
        return None
    return checked(points, shape)


def checked(points: Sequence[Point], shape: tuple[int, int]) -> Outline:
    """Close a polygon, and refuse it when it leaves the picture or encloses no area."""
    rows, columns = shape
    corners = _without_repeats(points)
    if len(corners) < 3:
        raise RegionInvalid(f"the drawn region has {len(corners)} different corners; it needs three or more")
    array = np.asarray(corners, float)
    if not np.isfinite(array).all():
        raise RegionInvalid("the drawn region holds a coordinate that is not a number")
    limits = np.array([columns, rows], float)
    if (array < -ROUNDING_PX).any() or (array > limits + ROUNDING_PX).any():
        raise RegionInvalid(f"the drawn region leaves the picture of {columns} by {rows} pixels")
    array = np.clip(array, 0.0, limits)
    if area_px(array) < 1.0:
        raise RegionInvalid("the drawn region encloses less than one pixel")
    return closed([(float(column), float(row)) for column, row in array])


def closed(points: Sequence[Point]) -> Outline:
    """The polygon with its first point repeated at the end."""
    ring = tuple((float(column), float(row)) for column, row in points)
    return ring if ring[0] == ring[-1] else (*ring, ring[0])


def mask_of(outline: Sequence[Point], shape: tuple[int, int]) -> Mask:
    """Pixels of a picture (rows, columns) whose centre lies inside the outline, by the even-odd rule.

    Every edge that crosses a row's centre line flips the row from that column on; each pixel is then inside after an
    odd number of flips. Exact up to the rounding of one division per crossing.
    """
    rows, columns = shape
    start = np.asarray(outline, float)
    end = np.roll(start, -1, axis=0)
    flips = np.zeros((rows, columns + 1), np.int32)
    # An edge crosses the centre line of row r when one end lies on or above r + 0.5 and the other below it.
    first = np.ceil(np.minimum(start[:, 1], end[:, 1]) - 0.5).astype(int).clip(0, rows)
    stop = np.ceil(np.maximum(start[:, 1], end[:, 1]) - 0.5).astype(int).clip(0, rows)
    count = stop - first
    edge = np.repeat(np.arange(len(start)), count)
    row = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    along = (row + 0.5 - start[edge, 1]) / (end[edge, 1] - start[edge, 1])
    crossing = start[edge, 0] + along * (end[edge, 0] - start[edge, 0])
    np.add.at(flips, (row, np.ceil(crossing - 0.5).astype(int).clip(0, columns)), 1)
    held = slice(int(first.min(initial=rows)), int(stop.max(initial=0)))
    inside: Mask = np.zeros(shape, bool)
    inside[held] = np.cumsum(flips[held, :columns], axis=1) % 2 == 1
    return inside


def extent_of(mask: Mask) -> tuple[slice, slice]:
    """The rows and columns of a picture between the first and the last that hold a pixel of the mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def area_px(points: Sequence[Point] | npt.NDArray[np.float64]) -> float:
    """Area enclosed, in square pixels, by the shoelace formula."""
    column, row = np.asarray(points, float).T
    return float(abs(np.dot(column, np.roll(row, -1)) - np.dot(row, np.roll(column, -1))) / 2)


def inside_point(outline: Sequence[Point], point: Point) -> bool:
    """Whether the outline encloses the point (even-odd rule)."""
    start = np.asarray(outline, float)
    end = np.roll(start, -1, axis=0)
    spans = (start[:, 1] <= point[1]) != (end[:, 1] <= point[1])
    rise = np.where(spans, end[:, 1] - start[:, 1], 1.0)
    crossing = start[:, 0] + (point[1] - start[:, 1]) / rise * (end[:, 0] - start[:, 0])
    return bool(np.count_nonzero(spans & (crossing > point[0])) % 2)


def _without_repeats(points: Sequence[Point]) -> list[Point]:
    """Corners without immediate repeats and without the closing one."""
    corners = [point for index, point in enumerate(points) if index == 0 or point != points[index - 1]]
    return corners[:-1] if len(corners) > 1 and corners[0] == corners[-1] else corners


def _box(points: Sequence[Point]) -> list[Point]:
    """The rectangle around two opposite corners, or around all corners given."""
    if len(points) < 2:
        raise RegionInvalid("a box needs two opposite corners")
    array = np.asarray(points, float)
    (left, top), (right, bottom) = array.min(axis=0), array.max(axis=0)
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _ellipse(points: Sequence[Point]) -> list[Point]:
    """A fine polygon along the ellipse whose four axis ends are given: major, then minor (PS3.3 C.18.6.1.2).

    The corners lie a hair outside the ellipse so that the polygon has exactly the ellipse's area.
    """
    if len(points) != 4:
        raise RegionInvalid(f"an ellipse needs its four axis ends, not {len(points)} points")
    ends = np.asarray(points, float)
    centre, major, minor = ends.mean(axis=0), (ends[0] - ends[1]) / 2, (ends[2] - ends[3]) / 2
    longest = max(float(np.hypot(*major)), float(np.hypot(*minor)))
    count = int(np.clip(np.ceil(2 * np.pi * longest / ELLIPSE_STEP_PX), 32, 720))
    angle = np.arange(count) * (2 * np.pi / count)
    swell = np.sqrt((2 * np.pi / count) / np.sin(2 * np.pi / count))
    ring = centre + swell * (np.outer(np.cos(angle), major) + np.outer(np.sin(angle), minor))
    return [(float(column), float(row)) for column, row in ring]


def _crosses_itself(array: npt.NDArray[np.float64]) -> bool:
    """Whether two edges that are not neighbours properly cross; a few hundred edges at a time against all."""
    count = len(array)
    start, end = array, np.roll(array, -1, axis=0)
    for first in range(0, count, 256):
        here = np.arange(first, min(first + 256, count))
        parted = _side(start[here], end[here], start) * _side(start[here], end[here], end) < 0
        parted &= (_side(start, end, start[here]) * _side(start, end, end[here]) < 0).T
        neighbours = (here[:, np.newaxis] - np.arange(count)) % count
        if (parted & (neighbours > 1) & (neighbours < count - 1)).any():
            return True
    return False


def _side(
    start: npt.NDArray[np.float64], end: npt.NDArray[np.float64], points: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """On which side of each edge (rows) each point (columns) lies: −1, 0 or 1."""
    step = end - start
    offset = points[np.newaxis] - start[:, np.newaxis]
    return np.sign(step[:, np.newaxis, 0] * offset[..., 1] - step[:, np.newaxis, 1] * offset[..., 0])
