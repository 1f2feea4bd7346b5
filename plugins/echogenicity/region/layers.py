"""Fasciae as bright ridges: candidates found without learning.

A fascia is a thin bright line that runs through the whole field and is nearly level. The picture is divided by its
broad local mean (which takes gain and depth compensation out), the ridge strength is the largest second derivative
across the line over three widths, and each candidate is the best path from the left edge to the right by dynamic
programming (Bellman 1957; ridges after Lindeberg 1998, edge and ridge detection with automatic scale selection).
A found path is erased and the next one sought.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from plugins.echogenicity.region.geometry import COLUMNS, ROWS, Layer, Rows
from plugins.images import Box, Grey, Mask

WIDTHS = (1.5, 2.5, 3.5)
"""Half widths of a fascia in rows of the working image."""
PATHS = 8
ERASED = 5
"""Rows on either side of a found path that the next may not use."""
BEND = 0.05
"""Cost of one row of rise, in units of a strong ridge."""

Image = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Ridge:
    """One candidate fascia."""

    rows: Rows
    """Row of the working image for each of its columns, by pixel edges."""
    strength: float
    """Mean ridge strength along it; 1 is the field's 99th percentile."""


def working_image(grey: Grey, box: Box) -> Image:
    """The field resized to the working image, grey levels 0 to 255."""
    field = grey[box.row0 : box.row1, box.column0 : box.column1].astype(np.float32)
    # smooth as much as the reduction asks for, also where one axis is enlarged and the other reduced
    return np.asarray(cv2.resize(field, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA), np.float32)


def ridge_strength(image: Image) -> Image:
    """How much each pixel lies on a bright, nearly level line; 1 is the 99th percentile."""
    flat = image / (cv2.GaussianBlur(image, (0, 0), sigmaX=16, sigmaY=20) + 8.0)
    strongest = np.zeros_like(flat)
    for sigma in WIDTHS:
        smooth = cv2.GaussianBlur(flat, (0, 0), sigmaX=1.25 * sigma, sigmaY=sigma)
        curvature = -cv2.filter2D(smooth, -1, np.array([[1.0], [-2.0], [1.0]], np.float32)) * sigma**2
        strongest = np.maximum(strongest, curvature)
    scale = float(np.quantile(strongest, 0.99))
    return np.asarray(strongest / max(scale, 1e-6), np.float32)


def best_path(score: npt.NDArray[np.floating], bend: float = BEND) -> tuple[npt.NDArray[np.intp], float]:
    """The path of highest summed score from the first column to the last, moving at most one row a column."""
    rows, columns = score.shape
    total = score[:, 0].astype(np.float64)
    moves = np.zeros((rows, columns), np.int8)
    index = np.arange(rows)
    for column in range(1, columns):
        above = np.r_[-np.inf, total[:-1]] - bend
        below = np.r_[total[1:], -np.inf] - bend
        options = np.stack((above, total, below))
        best = np.argmax(options, axis=0)
        moves[:, column] = best - 1
        total = options[best, index] + score[:, column]
    path = np.empty(columns, np.intp)
    path[-1] = int(np.argmax(total))
    for column in range(columns - 1, 0, -1):
        path[column - 1] = path[column] + moves[path[column], column]
    return path, float(total.max()) / columns


def ridges(image: Image, count: int = PATHS) -> tuple[Ridge, ...]:
    """The strongest candidate fasciae, from the top down."""
    strength = np.minimum(ridge_strength(image), 1.5)
    left, columns = strength.copy(), np.arange(COLUMNS)
    found = []
    for _ in range(count):
        path, _ = best_path(left)
        value = float(strength[path, columns].mean())
        if value < 0.15:
            break
        found.append(Ridge(rows=_refined(strength, path), strength=value))
        for offset in range(-ERASED, ERASED + 1):
            left[np.clip(path + offset, 0, ROWS - 1), columns] = -1.0
    return tuple(sorted(found, key=lambda ridge: float(np.median(ridge.rows))))


def layers_between(found: tuple[Ridge, ...]) -> tuple[tuple[Layer, float], ...]:
    """Pairs of candidates with a hand-made score 0 to 1, best first: both strong, and neighbours preferred."""
    pairs = []
    for upper in range(len(found)):
        for lower in range(upper + 1, len(found)):
            a, b = found[upper], found[lower]
            gap = b.rows - a.rows
            if gap.min() < 0.04 * ROWS or np.median(gap) < 0.10 * ROWS:
                continue
            between = max((ridge.strength for ridge in found[upper + 1 : lower]), default=0.0)
            score = min(a.strength, 1.0) * min(b.strength, 1.0) * (1.0 - 0.5 * min(between, 1.0))
            pairs.append((layer_from(a.rows, b.rows), float(np.clip(score, 0.0, 1.0))))
    return tuple(sorted(pairs, key=lambda pair: -pair[1]))


def layer_from(superficial: Rows, deep: Rows, half_width: float = 3.0) -> Layer:
    """A layer whose fasciae have one usual half width, in rows of the working image."""
    margin = np.minimum(half_width, 0.25 * (deep - superficial))
    return Layer(superficial, deep, superficial + margin, deep - margin)


def _refined(strength: Image, path: npt.NDArray[np.intp]) -> Rows:
    """Sub-pixel rows: the strength's centre of mass within two rows, smoothed along the line."""
    columns = np.arange(path.size)
    rows = np.stack([np.clip(path + offset, 0, ROWS - 1) for offset in range(-2, 3)])
    weights = strength[rows, columns].astype(np.float64) + 1e-6
    centre = (weights * (rows + 0.5)).sum(axis=0) / weights.sum(axis=0)
    smooth = cv2.GaussianBlur(centre[np.newaxis], (0, 0), sigmaX=3, borderType=cv2.BORDER_REFLECT)
    return np.asarray(smooth[0], np.float64)


def columns_seen(mask: Mask, superficial: Rows, deep: Rows) -> tuple[int, int]:
    """First and end of the columns in which both lines lie inside the field; everything when they never do.

    ``mask`` is the field's mask in its box, of any size.
    """
    height, width = mask.shape
    columns = np.clip(((np.arange(COLUMNS) + 0.5) * width / COLUMNS).astype(int), 0, width - 1)
    inside = np.ones(COLUMNS, bool)
    for rows in (superficial, deep):
        inside &= mask[np.clip((rows * height / ROWS).astype(int), 0, height - 1), columns]
    seen = np.flatnonzero(inside)
    if seen.size < COLUMNS // 4:
        return 0, COLUMNS
    return int(seen[0]), int(seen[-1]) + 1
