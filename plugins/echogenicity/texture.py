"""Texture of a region by the definitions of the Image Biomarker Standardisation Initiative (IBSI, Zwanenburg 2020).

Co-occurrence (GLCM, distance one pixel, symmetric) and run-length (GLRLM) features in the plane, one matrix for each
of the four directions and the feature values averaged ("2D, averaged": IBSI BTW3). Before that the region is
resampled to a fixed pixel size, because every such feature depends on it, and the grey levels are put into a fixed
number of bins between the region's lowest and highest (IBSI K15C), because echo intensity has no absolute unit.

The counts come from scikit-image, whose GLCM knows no mask: pixels outside the region get a grey level of their own,
and its row and column are dropped. The feature formulas and the run lengths are checked against the values that IBSI
publishes for its digital phantom.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from skimage.feature import graycomatrix

from plugins.contract import Grey, Mask, Spacing

PIXEL_MM = 0.1
"""Side of the resampled pixel: near the native size of muscle images, so that little is invented or lost."""
BINS = 32
COARSEST_MM = 0.25
"""A picture of coarser pixels than this is not resampled: its texture would be the interpolation's."""
FEWEST_PIXELS = 400
"""Resampled pixels that a region must hold for its texture to be given (4 mm²; a proposal)."""

Levels = npt.NDArray[np.uint8]
"""Grey levels 1 to n inside the region, 0 outside."""


def resampled(grey: Grey, mask: Mask, spacing: Spacing) -> tuple[npt.NDArray[np.float32], Mask]:
    """Picture and region at ``PIXEL_MM``, by linear interpolation on a grid with the same centre (IBSI section 2.4).

    Only the region's surroundings are resampled. A pixel belongs to the region when the interpolated mask is at
    least one half there.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    window = np.s_[max(rows[0] - 1, 0) : rows[-1] + 2, max(columns[0] - 1, 0) : columns[-1] + 2]
    grey, mask = grey[window], mask[window]
    step_row, step_column = PIXEL_MM / spacing.row_mm, PIXEL_MM / spacing.column_mm
    height, width = (max(1, int(np.ceil(n / s))) for n, s in zip(grey.shape, (step_row, step_column), strict=True))
    row = (grey.shape[0] - 1) / 2 + (np.arange(height) - (height - 1) / 2) * step_row
    column = (grey.shape[1] - 1) / 2 + (np.arange(width) - (width - 1) / 2) * step_column
    map_column, map_row = np.meshgrid(column.astype(np.float32), row.astype(np.float32))
    picture = cv2.remap(grey.astype(np.float32), map_column, map_row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.remap(mask.astype(np.float32), map_column, map_row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return picture, inside >= 0.5


def binned(picture: npt.NDArray[np.float32], mask: Mask, bins: int = BINS) -> Levels | None:
    """Fixed bin number (IBSI K15C): levels 1 to ``bins`` from the region's lowest to its highest value.

    ``None`` for a region of one single value, which has no texture.
    """
    values = picture[mask]
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return None
    levels = np.minimum(np.floor(bins * (picture - low) / (high - low)), bins - 1) + 1
    return np.where(mask, levels, 0).clip(0, bins).astype(np.uint8)


def co_occurrence(levels: Levels, bins: int) -> npt.NDArray[np.float64]:
    """Symmetric normalised GLCM at distance one pixel, shape (bins, bins, 4 directions); pairs inside the region."""
    angles = [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4]
    counts = graycomatrix(levels, [1], angles, levels=bins + 1, symmetric=True)[1:, 1:, 0, :].astype(float)
    totals = counts.sum(axis=(0, 1))
    found: npt.NDArray[np.float64] = counts[:, :, totals > 0] / totals[totals > 0]
    return found


def co_occurrence_features(matrix: npt.NDArray[np.float64]) -> dict[str, float]:
    """IBSI features of a GLCM of shape (bins, bins, directions), averaged over the directions that hold pairs.

    Correlation is left out where a direction has no variance, as IBSI leaves it undefined.
    """
    level = np.arange(1, matrix.shape[0] + 1, dtype=float)
    i, j = level[:, None, None], level[None, :, None]
    distance = np.abs(i - j)
    mean = (i * matrix).sum(axis=(0, 1))
    variance = ((i - mean) ** 2 * matrix).sum(axis=(0, 1))
    logarithm = np.log2(matrix, where=matrix > 0, out=np.zeros_like(matrix))
    features = {
        "glcm_joint_maximum": matrix.max(axis=(0, 1)),
        "glcm_joint_entropy": -(matrix * logarithm).sum(axis=(0, 1)),
        "glcm_angular_second_moment": (matrix**2).sum(axis=(0, 1)),
        "glcm_contrast": (distance**2 * matrix).sum(axis=(0, 1)),
        "glcm_dissimilarity": (distance * matrix).sum(axis=(0, 1)),
        "glcm_inverse_difference": (matrix / (1 + distance)).sum(axis=(0, 1)),
        "glcm_inverse_difference_moment": (matrix / (1 + distance**2)).sum(axis=(0, 1)),
    }
    if (variance > 0).all():
        covariance = ((i - mean) * (j - mean) * matrix).sum(axis=(0, 1))
        features["glcm_correlation"] = covariance / variance
    return {name: float(values.mean()) for name, values in features.items()}


def run_lengths(levels: Levels, bins: int) -> list[npt.NDArray[np.float64]]:
    """GLRLM of each of the four directions: counts of runs by (level − 1, length − 1)."""
    rows, columns = levels.shape
    slanted = []
    for direction in (1, -1):
        sheared = np.zeros((rows, rows + columns), np.uint8)
        for row in range(rows):
            offset = row if direction == 1 else rows - row
            sheared[row, offset : offset + columns] = levels[row]
        slanted.append(sheared.T)
    return [_runs(array, bins) for array in (levels, levels.T, *slanted)]


def run_length_features(matrices: list[npt.NDArray[np.float64]], pixels: int) -> dict[str, float]:
    """IBSI features of the GLRLMs, averaged over directions; ``pixels`` is the number of pixels in the region."""
    found: dict[str, list[float]] = {}
    for matrix in matrices:
        runs = matrix.sum()
        level = np.arange(1, matrix.shape[0] + 1, dtype=float)[:, None]
        length = np.arange(1, matrix.shape[1] + 1, dtype=float)[None, :]
        share = matrix / runs
        logarithm = np.log2(share, where=share > 0, out=np.zeros_like(share))
        values = {
            "glrlm_short_runs_emphasis": (share / length**2).sum(),
            "glrlm_long_runs_emphasis": (share * length**2).sum(),
            "glrlm_grey_level_non_uniformity_normalised": (share.sum(axis=1) ** 2).sum(),
            "glrlm_run_length_non_uniformity_normalised": (share.sum(axis=0) ** 2).sum(),
            "glrlm_run_percentage": runs / pixels,
            "glrlm_grey_level_variance": (share * (level - (share * level).sum()) ** 2).sum(),
            "glrlm_run_length_variance": (share * (length - (share * length).sum()) ** 2).sum(),
            "glrlm_run_entropy": -(share * logarithm).sum(),
        }
        for name, value in values.items():
            found.setdefault(name, []).append(float(value))
    return {name: float(np.mean(values)) for name, values in found.items()}


def texture_of(grey: Grey, mask: Mask, spacing: Spacing) -> dict[str, float]:
    """All texture features of a region; empty where it is too small, too coarse or without any contrast."""
    if max(spacing.row_mm, spacing.column_mm) > COARSEST_MM:
        return {}
    picture, inside = resampled(grey, mask, spacing)
    if inside.sum() < FEWEST_PIXELS:
        return {}
    levels = binned(picture, inside)
    if levels is None:
        return {}
    return {
        **co_occurrence_features(co_occurrence(levels, BINS)),
        **run_length_features(run_lengths(levels, BINS), int(inside.sum())),
    }


def _runs(array: npt.NDArray[np.uint8], bins: int) -> npt.NDArray[np.float64]:
    """Counts of runs along the rows of an array whose zeros are outside the region."""
    padded = np.pad(np.ascontiguousarray(array), ((0, 0), (0, 1))).ravel()
    starts = np.concatenate(([0], np.flatnonzero(np.diff(padded)) + 1))
    lengths = np.diff(np.concatenate((starts, [padded.size])))
    level = padded[starts].astype(int)
    inside = level > 0
    longest = int(lengths[inside].max(initial=1))
    flat = (level[inside] - 1) * longest + lengths[inside] - 1
    return np.bincount(flat, minlength=bins * longest).reshape(bins, longest).astype(float)
