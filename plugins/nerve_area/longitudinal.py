"""A longitudinal image: the nerve's diameter along it, from one caliper that someone set across the nerve.

Both borders are sought as the inner edges of the bright rims: a path of steepest fall of brightness above, and of
steepest rise below, each by dynamic programming through the caliper's end. The diameter is taken at right angles to
the nerve's middle line. The profile ends where the borders' contrast is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from plugins.images import Box, Grey, Outline, Point, Spacing
from plugins.nerve_area.geometry import Array

ALONG_MM, ACROSS_MM = 0.8, 0.12
"""Smoothing along and across the nerve before borders are sought."""
SLOPE = 1.0
"""Steepest border, in mm down per mm along."""
THINNEST, THICKEST = 0.35, 2.5
"""Diameters sought, per the caliper's own."""
LOST_SHARE = 0.25
"""A border whose contrast falls below this share of its median ends the profile …"""
LOST_MM = 1.5
"""… when it stays there this long."""
SMOOTH_MM = 0.7
RIM_MM = 0.3
RIM_CONTRAST = 0.5
"""The paler rim must be brighter than the interior by this share of the picture's standard deviation (median along)."""
PROMINENT = 0.92
"""A minimum counts when it lies below this share of the lower of its two maxima."""


@dataclass(frozen=True, slots=True)
class Diameters:
    """The nerve along the picture: at every column the two borders and the diameter at right angles."""

    columns: Array
    """Picture columns of the samples (points)."""
    upper: Array
    lower: Array
    """Rows of the borders (points)."""
    diameter_mm: Array
    along_mm: Array
    """Length along the middle line from the first column."""

    @property
    def outline(self) -> Outline:
        """The band between the borders, closed."""
        top = [(float(c), float(r)) for c, r in zip(self.columns, self.upper, strict=True)]
        bottom = [(float(c), float(r)) for c, r in zip(self.columns, self.lower, strict=True)]
        return (*top, *reversed(bottom), top[0])


@dataclass(frozen=True, slots=True)
class Constriction:
    """A minimum of the diameter between two maxima."""

    at_mm: float
    diameter_mm: float
    ratio: float
    """Diameter at the minimum over the mean of the two maxima beside it."""
    point: Point


def diameters(grey: Grey, spacing: Spacing, box: Box, ends: tuple[Point, Point]) -> Diameters | None:
    """The profile through a caliper; ``None`` where no borders can be followed for two diameters.

    ``ends`` are the caliper's two points, in any order, set across the nerve.
    """
    (column_a, row_a), (column_b, row_b) = ends
    if row_a > row_b:
        (column_a, row_a), (column_b, row_b) = (column_b, row_b), (column_a, row_a)
    width_mm = float(np.hypot((column_b - column_a) * spacing.column_mm, (row_b - row_a) * spacing.row_mm))
    rise = _vertical_rise(grey[box.row0 : box.row1, box.column0 : box.column1], spacing)
    seed = int(np.clip(round((column_a + column_b) / 2 - box.column0 - 0.5), 0, rise.shape[1] - 1))
    slope = max(1, round(SLOPE * spacing.column_mm / spacing.row_mm))
    upper = _through(-rise, seed, row_a - box.row0 - 0.5, slope, None)
    band = width_mm / spacing.row_mm * np.array([THINNEST, THICKEST])
    lower = _through(rise, seed, row_b - box.row0 - 0.5, slope, (upper, float(band[0]), float(band[1])))
    columns = np.arange(rise.shape[1])
    contrast = np.minimum(-rise[upper.astype(int), columns], rise[lower.astype(int), columns])
    first, last = _extent(contrast, seed, spacing)
    if (last - first) * spacing.column_mm < 2 * width_mm:
        return None
    kept = slice(first, last + 1)
    picture = grey[box.row0 : box.row1, box.column0 : box.column1]
    if _rim_contrast(picture[:, kept], upper[kept], lower[kept], spacing) < RIM_CONTRAST:
        return None
    middles: Array = (columns[kept] + box.column0 + 0.5).astype(np.float64)
    return _measured(middles, upper[kept], lower[kept], box, spacing)


def _rim_contrast(grey: Grey, upper: Array, lower: Array, spacing: Spacing) -> float:
    """Median along the nerve of the paler rim's brightness less the interior's, in standard deviations."""
    rim = max(2, round(RIM_MM / spacing.row_mm))
    rows = np.arange(len(grey))[:, None]
    bands = (
        (rows < upper) & (rows >= upper - rim),
        (rows > lower) & (rows <= lower + rim),
        (rows > upper + 1) & (rows < lower - 1),
    )
    means = [(grey * band).sum(axis=0) / np.maximum(band.sum(axis=0), 1) for band in bands]
    return float(np.median(np.minimum(means[0], means[1]) - means[2]) / (grey.std() + 1e-6))


def constrictions(profile: Diameters) -> tuple[Constriction, ...]:
    """Every minimum between two maxima that is lower than both by a tenth or more, deepest first."""
    width = profile.diameter_mm
    found = []
    for index in range(1, len(width) - 1):
        if width[index] > width[index - 1] or width[index] >= width[index + 1]:
            continue
        left, right = float(width[: index + 1].max()), float(width[index:].max())
        if width[index] < PROMINENT * min(left, right):
            middle = (float(profile.columns[index]), float(profile.upper[index] + profile.lower[index]) / 2)
            ratio = 2 * float(width[index]) / (left + right)
            found.append(Constriction(float(profile.along_mm[index]), float(width[index]), ratio, middle))
    found.sort(key=lambda each: each.ratio)
    return _apart(found)


def _apart(found: list[Constriction]) -> tuple[Constriction, ...]:
    """One constriction a neighbourhood of two diameters."""
    kept: list[Constriction] = []
    for each in found:
        if all(abs(each.at_mm - other.at_mm) > 2 * other.diameter_mm for other in kept):
            kept.append(each)
    return tuple(kept)


def _vertical_rise(grey: Grey, spacing: Spacing) -> Array:
    """Change of brightness downwards, smoothed mostly along the columns' direction; standardised per column."""
    sigma = (ACROSS_MM / spacing.row_mm, ALONG_MM / spacing.column_mm)
    rise = ndimage.gaussian_filter(grey.astype(float), sigma, order=(1, 0))
    return np.asarray(rise / (np.sqrt(np.mean(rise**2, axis=0, keepdims=True)) + 1e-6))


def _through(score: Array, seed: int, row: float, slope: int, band: tuple[Array, float, float] | None) -> Array:
    """The path of largest score through (row, seed) to both sides, by dynamic programming.

    With ``band`` = (upper path, least, most), only rows between those distances below the upper path are open.
    """
    rows, columns = score.shape
    allowed = np.where(score > 0, score, 0.3 * score)
    if band is not None:
        distance = np.arange(rows)[:, None] - band[0][None]
        allowed = np.where((distance >= band[1]) & (distance <= band[2]), allowed, -50.0)
    path = np.empty(columns)
    near = np.abs(np.arange(rows) - row)
    start = int(np.argmax(allowed[:, seed] - near**2 / 4.0))
    for direction in (1, -1):
        order = np.arange(seed, columns) if direction == 1 else np.arange(seed, -1, -1)
        path[order] = _one_way(allowed[:, order], start, slope)
    return path


def _one_way(score: Array, start: int, slope: int) -> Array:
    """Best path over the columns of ``score`` from a given first row."""
    rows, columns = score.shape
    total = np.full(rows, -np.inf)
    total[start] = score[start, 0]
    came = np.zeros((columns, rows), np.intp)
    base = np.arange(rows)
    penalty = 0.15 * np.abs(np.arange(-slope, slope + 1))
    for column in range(1, columns):
        padded = np.pad(total, slope, constant_values=-np.inf)
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * slope + 1) - penalty
        best = windows.argmax(axis=1)
        came[column] = (base + best - slope).clip(0, rows - 1)
        total = windows[base, best] + score[:, column]
    path = np.empty(columns)
    row = int(total.argmax())
    for column in range(columns - 1, -1, -1):
        path[column] = row
        row = int(came[column, row])
    return path


def _extent(contrast: Array, seed: int, spacing: Spacing) -> tuple[int, int]:
    """First and last column, counted out from the caliper, before the weaker border's contrast is lost for long."""
    level = LOST_SHARE * float(np.median(contrast[max(0, seed - 20) : seed + 21]))
    patience = max(1, round(LOST_MM / spacing.column_mm))
    ends = []
    for direction in (-1, 1):
        column, weak, last = seed, 0, seed
        while 0 <= column < len(contrast) and weak <= patience:
            weak = 0 if contrast[column] > max(level, 0.05) else weak + 1
            last = column if weak == 0 else last
            column += direction
        ends.append(last)
    return ends[0], ends[1]


def _measured(columns: Array, upper: Array, lower: Array, box: Box, spacing: Spacing) -> Diameters:
    """Borders smoothed, and the distance between them at right angles to the middle line."""
    sigma = SMOOTH_MM / spacing.column_mm
    top, bottom = (ndimage.gaussian_filter1d(edge, sigma, mode="nearest") for edge in (upper, lower))
    middle = (top + bottom) / 2 * spacing.row_mm
    slope = np.gradient(middle, spacing.column_mm)
    diameter = (bottom - top) * spacing.row_mm / np.sqrt(1 + slope**2)
    steps = np.hypot(np.diff(middle), spacing.column_mm)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    return Diameters(columns, top + box.row0 + 0.5, bottom + box.row0 + 0.5, diameter, along)
