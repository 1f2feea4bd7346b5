"""Which way the fascicles run, how much they agree, and the pennation angle.

The angle comes from projections: of the picture, freed of slow brightness changes, the means along parallel lines are
formed for each slant, and along the fascicles they differ most (Radon-type projection after ridge filtering did best
in the comparison of fascicle angle methods of arXiv:1912.04134). Speckle is wider than high and so favours level
lines, in some scanners more than the fascicles do theirs; but it favours both slants alike, so the score of an angle
is taken less that of its mirror image. Level fascicles therefore get no angle. Anisotropy is the coherence of the
structure tensor (Bigün 1987) summed over the region, akin to the index of Dubois 2018.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from plugins.contract import Grey, Mask, Point, Spacing
from plugins.echogenicity.texture import COARSEST_MM, PIXEL_MM, resampled

FINE_MM, BROAD_MM = 0.15, 1.0
"""Band of the picture that holds fascicles and their borders: difference of two Gaussians."""
STEEPEST_DEG = 40
COARSE_DEG = 2
"""Step of the first search; it is then refined to 1° and by a parabola."""
FLATTEST_DEG = 3.0
"""Between these angles a direction is sought; flatter ones cannot be told from the speckle's own width."""
SHORTEST_MM = 8.0
"""A projection line must run this far within the region to count."""
BLOCK_MM = 15.0
"""Width of the pieces whose angles are found apart and then combined by their median."""
LEAST_CLEARNESS = 1.8
"""Excess of the best angle over its mirror image, in median scores, under which a piece has no direction. Speckle alone
reaches 1.1 (12 simulated pieces)."""
AGREE_DEG = 6.0
"""Pieces agree when their angles lie this near to their median."""
MARGIN_MM = 1.0
"""Left out along the region's border: a fascia caught there would give its own direction."""
GRADIENT_MM = 0.2

Picture = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Fibres:
    """Direction of the fascicles."""

    angle_deg: float
    """To the horizontal of the picture; positive where fascicles rise to the right."""
    clearness: float
    """Its score less that of its mirror image, over the median score."""


@dataclass(frozen=True, slots=True)
class Band:
    """A region at a fixed pixel size, with only the detail that fascicles have, everywhere equally strong."""

    picture: Picture = field(compare=False, repr=False)
    inside: Mask = field(compare=False, repr=False)


def anisotropy_of(band: Band) -> float | None:
    """Coherence of the structure tensor over the region: 0 without any direction, 1 for parallel lines.

    √((Jxx − Jyy)² + 4 Jxy²) / (Jxx + Jyy), with gradients at 0.2 mm. ``None`` where the region is too small or
    nothing varies.
    """
    smooth = cv2.GaussianBlur(band.picture, (0, 0), GRADIENT_MM / PIXEL_MM)
    dy, dx = np.gradient(smooth)
    inner = _eroded(band.inside, MARGIN_MM)
    if inner.sum() < 100:
        return None
    xx, yy, xy = (float((a * b)[inner].sum()) for a, b in ((dx, dx), (dy, dy), (dx, dy)))
    total = xx + yy
    return float(np.hypot(xx - yy, 2 * xy) / total) if total > 0 else None


def fibres_of(band: Band) -> Fibres | None:
    """Direction of the fascicles in a longitudinal picture; ``None`` where none stands out."""
    picture, inside = band.picture, _eroded(band.inside, MARGIN_MM)
    columns = np.flatnonzero(inside.any(axis=0))
    if columns.size < SHORTEST_MM / PIXEL_MM:
        return None
    count = max(1, round((columns[-1] - columns[0]) * PIXEL_MM / BLOCK_MM))
    edges = np.linspace(columns[0], columns[-1] + 1, count + 1).astype(int)
    found = [_direction(picture[:, a:b], inside[:, a:b]) for a, b in pairwise(edges)]
    return _agreed([each for each in found if each is not None and each.clearness >= LEAST_CLEARNESS], len(found))


def _agreed(clear: list[Fibres], pieces: int) -> Fibres | None:
    """Mean of the pieces that agree, weighted by their clearness; ``None`` when most pieces do not."""
    if not clear:
        return None
    angles = np.array([each.angle_deg for each in clear])
    weights = np.array([each.clearness for each in clear])
    order = np.argsort(angles)
    middle = angles[order][np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)]
    near = np.abs(angles - middle) <= AGREE_DEG
    if near.sum() * 2 <= pieces:
        return None
    return Fibres(float(np.average(angles[near], weights=weights[near])), float(weights[near].mean()))


def pennation_deg(fibres: Fibres, deep: tuple[Point, ...], spacing: Spacing) -> float:
    """Acute angle between the fascicles and the straight line that fits the deep aponeurosis best, in degrees."""
    points = np.asarray(deep, float)
    slope = np.polyfit(points[:, 0] * spacing.column_mm, points[:, 1] * spacing.row_mm, 1)[0]
    aponeurosis = -np.degrees(np.arctan(slope))
    apart = abs(fibres.angle_deg - float(aponeurosis)) % 180
    return min(apart, 180 - apart)


def band_of(grey: Grey, mask: Mask, spacing: Spacing) -> Band | None:
    """The band of a region; ``None`` where it is too small or the pixels are too coarse."""
    if max(spacing.row_mm, spacing.column_mm) > COARSEST_MM or not mask.any():
        return None
    picture, inside = resampled(grey, mask, spacing)
    if inside.sum() < 400:
        return None
    weight = inside.astype(np.float32)
    fine = _masked_blur(picture, weight, FINE_MM / PIXEL_MM)
    band = (fine - _broad_blur(picture, weight, BROAD_MM / PIXEL_MM)) * weight
    strength = np.sqrt(_broad_blur(band**2, weight, 2 * BROAD_MM / PIXEL_MM))
    floor = 0.25 * float(np.median(strength[inside])) + 1e-3
    return Band((band / np.maximum(strength, floor) * weight).astype(np.float32), inside)


def _masked_blur(picture: Picture, weight: Picture, sigma: float) -> Picture:
    """Gaussian mean over the pixels of the region alone."""
    below = cv2.GaussianBlur(weight, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
    above = cv2.GaussianBlur(picture * weight, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
    blurred: Picture = above / np.maximum(below, 1e-6)
    return blurred


def _broad_blur(picture: Picture, weight: Picture, sigma: float) -> Picture:
    """The same on a grid four times coarser, for a sigma of ten pixels or more: a sixteenth of the work."""
    size = (max(1, picture.shape[1] // 4), max(1, picture.shape[0] // 4))
    small, held = (cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (picture * weight, weight))
    mean = _masked_blur(small / np.maximum(held, 1e-6), held, sigma / 4)
    blurred: Picture = cv2.resize(mean, picture.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return blurred


def _direction(picture: Picture, inside: Mask) -> Fibres | None:
    """Angle at which the means along parallel lines vary most beyond those of the mirrored angle.

    Speckle is wider than high, more so in some scanners: it favours level lines, but both slants alike. The
    difference of an angle and its mirror image is free of that. Refined by a parabola through the best three.
    """
    values = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    held = cv2.resize(inside.astype(np.float32), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) >= 0.5
    row, column = np.nonzero(held)
    weights = values[held].astype(float)

    def score(angle: int) -> float:
        return _projection_score(row, column, weights, float(np.radians(angle)))

    coarse = {angle: score(angle) for angle in range(-STEEPEST_DEG, STEEPEST_DEG + 1, COARSE_DEG)}
    typical = float(np.median(list(coarse.values())))
    near = max(coarse, key=lambda angle: coarse[angle] - coarse[-angle])
    if typical <= 0 or abs(near) >= STEEPEST_DEG:
        return None
    excess = {angle: score(angle) - score(-angle) for angle in range(near - COARSE_DEG, near + COARSE_DEG + 1)}
    best = max(range(near - COARSE_DEG + 1, near + COARSE_DEG), key=lambda angle: excess[angle])
    if abs(best) < FLATTEST_DEG:
        return None
    bend = excess[best - 1] - 2 * excess[best] + excess[best + 1]
    shift = 0.5 * (excess[best - 1] - excess[best + 1]) / bend if bend < 0 else 0.0
    return Fibres(best + shift, excess[best] / typical)


def _projection_score(
    row: npt.NDArray[np.intp], column: npt.NDArray[np.intp], values: npt.NDArray[np.float64], angle: float
) -> float:
    """Mean square of the means along lines that rise to the right by ``angle`` (radians), weighted by their length."""
    across = row * np.cos(angle) + column * np.sin(angle)
    line = np.floor(across - across.min()).astype(np.intp)
    length = np.bincount(line)
    sums = np.bincount(line, values)
    used = length >= SHORTEST_MM / (2 * PIXEL_MM)
    if used.sum() < 10:
        return 0.0
    return float((sums[used] ** 2 / length[used]).sum() / length[used].sum())


def _eroded(inside: Mask, margin_mm: float) -> Mask:
    size = 2 * round(margin_mm / PIXEL_MM) + 1
    padded = cv2.copyMakeBorder(inside.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    eroded: Mask = cv2.erode(padded, np.ones((size, size), np.uint8))[1:-1, 1:-1].astype(bool)
    return eroded
