"""Are the millimetres of a scanner's images true? Targets of a phantom, whose size or distance the maker states.

A target is a bright wire or a dark (or bright) cylinder near a place that a person points at. Its edge lies half-way
between the grey level of its core and of its surroundings; its size is taken across its centre, down and across; the
distance of two targets is that of their centres, which speckle and blur move far less than edges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_SMOOTH_MM = 0.1
OFF_SHARE = 0.02
"""A distance that is off by more makes an area wrong by four per cent: as much as two people's outlines differ."""
_NEAR = 0.5
"""The core is looked for within this share of the window's half-width."""


@dataclass(frozen=True, slots=True)
class Target:
    """One target as the image shows it."""

    row: float
    column: float
    """Centre in pixels."""
    height_mm: float
    width_mm: float
    contrast: float
    """Core minus surroundings in grey levels: below zero for a dark cylinder."""


def target(
    grey: NDArray[Any], spacing_mm: tuple[float, float], at: tuple[float, float], window_mm: float = 6.0
) -> Target:
    """Find the target nearest to ``at`` (row, column in pixels) within a window of so many millimetres.

    Raises
    ------
    ValueError
        When nothing there stands out from its surroundings, or it does not end inside the window.
    """
    half = [max(int(window_mm / 2 / step), 4) for step in spacing_mm]
    first = [max(round(place) - size, 0) for place, size in zip(at, half, strict=True)]
    last = [round(place) + size + 1 for place, size in zip(at, half, strict=True)]
    window = np.asarray(grey[first[0] : last[0], first[1] : last[1]], dtype=np.float64)
    if min(window.shape, default=0) < 8:
        raise ValueError(f"row {at[0]:g}, column {at[1]:g} lies outside the tissue region")
    smooth = ndimage.gaussian_filter(window, [_SMOOTH_MM / step for step in spacing_mm])
    around, noise = _surroundings(smooth)
    core = _core(smooth - around, (at[0] - first[0], at[1] - first[1]))
    contrast = float(smooth[core] - around)
    if abs(contrast) < max(3 * noise, 5.0):
        raise ValueError(f"nothing stands out near row {at[0]:g}, column {at[1]:g}")
    labels, _ = ndimage.label((smooth - around) / contrast > 0.5)
    mask = labels == labels[core]
    if mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any():
        raise ValueError(f"what lies at row {at[0]:g}, column {at[1]:g} does not end within {window_mm:g} mm")
    row, column = ndimage.center_of_mass(mask)
    across, down = mask[round(row)], mask[:, round(column)]
    return Target(
        first[0] + float(row),
        first[1] + float(column),
        float(down.sum() * spacing_mm[0]),
        float(across.sum() * spacing_mm[1]),
        contrast,
    )


def _surroundings(smooth: NDArray[np.float64]) -> tuple[float, float]:
    """Median of the window's border, a quarter wide, and its robust SD."""
    rows, columns = smooth.shape
    border = np.ones(smooth.shape, dtype=bool)
    border[rows // 4 : rows - rows // 4, columns // 4 : columns - columns // 4] = False
    values = smooth[border]
    middle = float(np.median(values))
    return middle, 1.4826 * float(np.median(np.abs(values - middle)))


def _core(difference: NDArray[np.float64], at: tuple[float, float]) -> tuple[int, int]:
    """Where the picture differs most from its surroundings, near the place that was pointed at."""
    rows, columns = np.indices(difference.shape)
    half = [_NEAR * size / 2 for size in difference.shape]
    near = (np.abs(rows - at[0]) <= half[0]) & (np.abs(columns - at[1]) <= half[1])
    row, column = np.unravel_index(int(np.argmax(np.where(near, np.abs(difference), -1.0))), difference.shape)
    return int(row), int(column)


def apart_mm(first: Target, second: Target, spacing_mm: tuple[float, float]) -> float:
    """Distance of two centres."""
    return math.hypot((first.row - second.row) * spacing_mm[0], (first.column - second.column) * spacing_mm[1])
