"""Local brightness inside a muscle: bright areas, dark islands, unevenness, and bright spots that cast a shadow.

All of it from one map: the mean grey level around each pixel of the region (Gaussian, SD 0.4 mm, pixels of the
region alone), on a grid of 0.2 mm. Sizes and limits are proposals from descriptions in words (Wijntjes 2021).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from plugins.contract import Box, Grey, Mask, Spacing

STEP_MM = 0.2
SMOOTH_MM = 0.4
COARSEST_MM = 0.4
FEWEST_CELLS = 300
"""12 mm²: in less there is no room for areas and islands."""
OUTSTANDING_SD = 2.0
"""A bright area lies this many SD above the darker part of the region; an island as many below the whole."""
COMPACT_MM = 2.0
"""A bright area holds a disc of this diameter; septa and fascicle borders do not."""
ISLAND_MM = (2.0, 6.0)
"""Diameters of the dark islands of a moth-eaten muscle."""
ROUND = 0.7
"""4π area / perimeter² of a round shape, at least."""
SPOT_LEVEL = 200.0
SPOT_MM = (0.8, 12.0)
SHADOW_MM = 4.0
SHADOW_SHARE = 0.5
"""Behind a calcification the echo falls to less than this share of that beside it."""

Cells = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LocalMap:
    """Local means on the grid, and which cells lie in the region."""

    means: Cells = field(compare=False, repr=False)
    inside: Mask = field(compare=False, repr=False)
    box: Box
    """What the grid covers of the picture."""


def local_map(grey: Grey, mask: Mask, used: Mask, spacing: Spacing) -> LocalMap | None:
    """The map of a region; ``None`` where pixels are coarser than 0.4 mm or the region is smaller than 12 mm²."""
    if max(spacing.row_mm, spacing.column_mm) > COARSEST_MM or not used.any():
        return None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    window = np.s_[box.row0 : box.row1, box.column0 : box.column1]
    weight = used[window].astype(np.float32)
    below, above = (_smoothed(picture, spacing) for picture in (weight, grey[window] * weight))
    size = (
        max(1, round((box.column1 - box.column0) * spacing.column_mm / STEP_MM)),
        max(1, round((box.row1 - box.row0) * spacing.row_mm / STEP_MM)),
    )
    means = cv2.resize(above / np.maximum(below, 1e-6), size, interpolation=cv2.INTER_LINEAR)
    inside = cv2.resize(mask[window].astype(np.float32), size, interpolation=cv2.INTER_AREA) >= 0.5
    return LocalMap(means, inside, box) if inside.sum() >= FEWEST_CELLS else None


def _smoothed(picture: Cells, spacing: Spacing) -> Cells:
    smoothed: Cells = cv2.GaussianBlur(
        picture,
        (0, 0),
        sigmaX=SMOOTH_MM / spacing.column_mm,
        sigmaY=SMOOTH_MM / spacing.row_mm,
        borderType=cv2.BORDER_CONSTANT,
    )
    return smoothed


def local_figures(local: LocalMap) -> dict[str, float]:
    """Unevenness, share of bright areas, number of dark islands, number of spots with a shadow."""
    values = local.means[local.inside]
    mean = float(values.mean())
    figures = {
        "bright_area_share": 100 * _bright_share(local),
        "dark_island_count": float(_dark_islands(local)),
        "shadowing_spot_count": float(_shadowing_spots(local)),
    }
    if mean > 0:
        figures["local_variation"] = 100 * float(values.std()) / mean
    return figures


def _bright_share(local: LocalMap) -> float:
    """Share of compact areas above the median by twice the spread that the darker half would have if symmetric.

    The darker half stands for the tissue that is not affected; taking the whole would let the bright areas raise
    the limit that they are measured against. Septa are bright too, but thin: an opening takes them away.
    """
    values = local.means[local.inside]
    middle = float(np.median(values))
    spread = float(np.sqrt(np.mean((values[values <= middle] - middle) ** 2)))
    bright = (local.inside & (local.means > middle + OUTSTANDING_SD * spread + 1.0)).astype(np.uint8)
    size = round(COMPACT_MM / STEP_MM)
    compact = cv2.morphologyEx(bright, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    return float(compact.sum()) / values.size


def _dark_islands(local: LocalMap) -> int:
    """Round pieces of a fascicle group's size that are darker than the median by a set number of spreads.

    Each is measured at half of its own depth, so that smoothing does not widen it.
    """
    values = local.means[local.inside]
    middle = float(np.median(values))
    spread = float(np.sqrt(np.mean((values[values >= middle] - middle) ** 2)))
    dark = local.inside & (local.means < middle - OUTSTANDING_SD * spread - 1.0)
    number, labels, stats, _ = cv2.connectedComponentsWithStats(dark.astype(np.uint8), connectivity=4)
    count = 0
    for label in range(1, number):
        if stats[label, cv2.CC_STAT_AREA] * STEP_MM**2 < np.pi / 4 * ISLAND_MM[0] ** 2:
            continue
        piece = labels == label
        core = piece & (local.means <= (middle + float(local.means[piece].min())) / 2)
        contours = cv2.findContours(core.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
        count += sum(_is_island(contour) for contour in contours)
    return count


def _is_island(contour: npt.NDArray[np.int32]) -> bool:
    """Whether a contour, which runs through cell centres half a cell inside the piece, is round and of the size."""
    inner = cv2.arcLength(contour, True)
    area = cv2.contourArea(contour) + inner / 2 + 1
    diameter_mm = 2 * np.sqrt(area / np.pi) * STEP_MM
    return bool(ISLAND_MM[0] <= diameter_mm <= ISLAND_MM[1] and 4 * np.pi * area / (inner + np.pi) ** 2 > ROUND)


def _shadowing_spots(local: LocalMap) -> int:
    """Very bright pieces behind which the echo falls to less than half of that beside them."""
    bright = (local.inside & (local.means > SPOT_LEVEL)).astype(np.uint8)
    number, _, stats, _ = cv2.connectedComponentsWithStats(bright, connectivity=8)
    found = 0
    for left, top, width, height, _ in stats[1:number]:
        if not SPOT_MM[0] <= width * STEP_MM <= SPOT_MM[1]:
            continue
        start = top + height + round(1.0 / STEP_MM)
        stop = start + round(SHADOW_MM / STEP_MM)
        behind = _mean(local, start, stop, left, left + width)
        beside = [
            _mean(local, start, stop, left - 2 * width, left - width // 2),
            _mean(local, start, stop, left + width + width // 2, left + 3 * width),
        ]
        known = [value for value in beside if value is not None]
        if behind is not None and known and behind < SHADOW_SHARE * float(np.mean(known)):
            found += 1
    return found


def _mean(local: LocalMap, top: int, bottom: int, left: int, right: int) -> float | None:
    """Mean of the cells of the region in a rectangle; ``None`` where it holds fewer than ten."""
    part = np.s_[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    inside = local.inside[part]
    return float(local.means[part][inside].mean()) if inside.sum() >= 10 else None
