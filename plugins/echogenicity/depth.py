"""How the echo changes with depth: thirds, slope, profile, and the echo of the deep border.

Depth runs along the beam (down the picture) from the region's upper border in each column, so that a slanted muscle
is compared layer by layer. A steep fall is attenuation: the reason why a bright muscle can look normal in the mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from plugins.contract import Grey, Mask, Spacing
from plugins.echogenicity.borders import Borders
from plugins.outlines import extent_of

LOWEST_COLUMN_PX = 6
LOWEST_COLUMN_SHARE = 0.5
"""Columns in which the region is lower than this many pixels, or this share of its tallest column, are left out: at
the rounded ends of a muscle its border's echo fills them."""
PROFILE_STEP_MM = 1.0
FEWEST_OF_STEP, LEAST_STEP_SHARE = 5, 0.1
"""Pixels, and the share of what the fullest step has, under which a step of the profile is left out: a corner of the
region that reaches deepest is not that depth's echo."""
BORDER_BLUR_MM = 1.0
"""Left out of thirds and slope at the upper and lower border, where the fasciae's echo reaches in through blur."""
LARGEST_BLUR_SHARE = 0.15
"""But never more than this share of a column's height."""
BORDER_ABOVE_MM = 1.0
BORDER_BELOW_MM = 4.0
"""The deep border's echo is sought from this far above to this far below the outline's lower edge."""
BORDER_WIDTH_MM = 3.0
"""Columns averaged before the peak is taken: the peak of single speckles would be bright anywhere."""


@dataclass(frozen=True, slots=True)
class DepthFigures:
    """Mean grey levels by depth; ``slope_per_cm`` is ``None`` without a pixel spacing."""

    superficial_third: float
    middle_third: float
    deep_third: float
    slope_per_cm: float | None
    profile_mm: tuple[float, ...] = field(default=(), repr=False)
    """Depths of the profile's steps below the upper border (their middles)."""
    profile: tuple[float, ...] = field(default=(), repr=False)


def depth_figures(grey: Grey, mask: Mask, used: Mask, spacing: Spacing | None) -> DepthFigures | None:
    """Thirds and slope of the pixels ``used`` of the region ``mask``; ``None`` for a region too low for thirds.

    Thirds are of what remains of each column without its outermost millimetre above and below. The slope is the
    least-squares line through all those pixels' grey levels over depth.
    """
    held = extent_of(mask)  # what lies around the region counts for nothing
    grey, mask, used = grey[held], mask[held], used[held]
    height = mask.sum(axis=0)
    lowest = max(LOWEST_COLUMN_PX, LOWEST_COLUMN_SHARE * float(height.max(initial=0)))
    tall = mask & (height >= lowest)[np.newaxis]
    order = np.asarray(np.cumsum(mask, axis=0), np.float64) - 0.5
    blur = LARGEST_BLUR_SHARE * height
    if spacing is not None:
        blur = np.minimum(blur, BORDER_BLUR_MM / spacing.row_mm)
    take = tall & used & (order > blur) & (order < height - blur)
    share = ((order - blur) / np.maximum(height - 2 * blur, 1e-9))[take]
    values = grey[take].astype(float)
    third = np.minimum((share * 3).astype(int), 2)
    counts = np.bincount(third, minlength=3)
    if (counts == 0).any():
        return None
    means = np.bincount(third, values, minlength=3) / counts
    depth_mm = order[take] * spacing.row_mm if spacing is not None else None
    slope = None if depth_mm is None else _slope(depth_mm / 10, values)
    at, profile = ((), ()) if depth_mm is None else _profile(depth_mm, values)
    return DepthFigures(float(means[0]), float(means[1]), float(means[2]), slope, at, profile)


def deep_border_echo(grey: Grey, borders: Borders, spacing: Spacing) -> float | None:
    """Peak grey level at the deep border, median over the central columns, after averaging along the border.

    ``None`` when less than a millimetre of picture lies below the border.
    """
    part = borders.central()
    offsets = np.arange(-BORDER_ABOVE_MM, BORDER_BELOW_MM, spacing.row_mm) / spacing.row_mm
    rows = np.floor(part.bottom[np.newaxis] + offsets[:, np.newaxis]).astype(int)
    if len(part.columns) == 0 or (part.bottom + 1.0 / spacing.row_mm).max() > grey.shape[0]:
        return None
    below = rows < grey.shape[0]
    band = grey[rows.clip(0, grey.shape[0] - 1), part.columns.astype(int)[np.newaxis]].astype(np.float32)
    band[~below] = 0
    width = max(1, round(BORDER_WIDTH_MM / spacing.column_mm))
    smooth = cv2.blur(band, (min(width, band.shape[1]), 1), borderType=cv2.BORDER_REPLICATE)
    return float(np.median(smooth.max(axis=0)))


def _slope(depth_cm: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> float | None:
    centred = depth_cm - depth_cm.mean()
    spread = float(centred @ centred)
    return float(centred @ (values - values.mean())) / spread if spread > 0 else None


def _profile(
    depth_mm: npt.NDArray[np.float64], values: npt.NDArray[np.float64]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean grey level in steps of ``PROFILE_STEP_MM``."""
    step = (depth_mm / PROFILE_STEP_MM).astype(int)
    counts = np.bincount(step)
    sums = np.bincount(step, values)
    held = np.flatnonzero(counts >= max(FEWEST_OF_STEP, LEAST_STEP_SHARE * int(counts.max())))
    return (
        tuple(float((at + 0.5) * PROFILE_STEP_MM) for at in held),
        tuple(float(sums[at] / counts[at]) for at in held),
    )
