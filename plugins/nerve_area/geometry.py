"""Ellipses in millimetres: how a seed and an outline are described apart from pixels.

A place in millimetres is ``(column × column_mm, row × row_mm)`` of the point convention in ``plugins.images``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plugins.images import Mask, Point, Spacing

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ellipse:
    """Centre, half axes (major first) in mm, and the angle of the major axis in radians from columns to rows."""

    x_mm: float
    y_mm: float
    major_mm: float
    minor_mm: float
    angle: float

    @property
    def area_mm2(self) -> float:
        """Area enclosed."""
        return float(np.pi * self.major_mm * self.minor_mm)

    def to_plane(self, u: Array, v: Array) -> tuple[Array, Array]:
        """Millimetres (x, y) of places given along the major (u) and minor (v) axis, in mm from the centre."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        return self.x_mm + c * u - s * v, self.y_mm + s * u + c * v

    def holds(self, x_mm: Array, y_mm: Array) -> Mask:
        """Which places lie inside."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        dx, dy = x_mm - self.x_mm, y_mm - self.y_mm
        u, v = (c * dx + s * dy) / self.major_mm, (-s * dx + c * dy) / self.minor_mm
        return np.asarray(u**2 + v**2 < 1)

    def ring(self, spacing: Spacing, count: int = 72) -> tuple[Point, ...]:
        """Points along it, in the picture's points, closed; swollen a hair so that the polygon has its area."""
        angle = 2 * np.pi * np.arange(count + 1) / count
        swell = np.sqrt((2 * np.pi / count) / np.sin(2 * np.pi / count))
        x, y = self.to_plane(swell * self.major_mm * np.cos(angle), swell * self.minor_mm * np.sin(angle))
        points = [(float(a), float(b)) for a, b in zip(x / spacing.column_mm, y / spacing.row_mm, strict=True)]
        return (*points[:-1], points[0])


def from_axis_ends(points: Sequence[Point], spacing: Spacing) -> Ellipse:
    """The ellipse whose axis ends are given: major, then minor, as DICOM has it (PS3.3 C.18.6.1.2).

    On a picture with unequal spacing the drawn ellipse is still an ellipse in mm, with other axes; they are found
    from its conjugate half diameters by singular values.
    """
    ends = np.asarray(points, float) * (spacing.column_mm, spacing.row_mm)
    centre = ends.mean(axis=0)
    diameters = np.stack([ends[0] - ends[1], ends[2] - ends[3]], axis=1) / 2
    directions, half, _ = np.linalg.svd(diameters)
    return Ellipse(float(centre[0]), float(centre[1]), float(half[0]), float(half[1]), _angle(directions[:, 0]))


def of_mask(mask: Mask, spacing: Spacing) -> Ellipse:
    """The ellipse with the mask's centroid, second moments' shape, and exactly its area.

    Raises
    ------
    ValueError
        For an empty mask.
    """
    rows, columns = np.nonzero(mask)
    if not len(rows):
        raise ValueError("an empty mask has no ellipse")
    x, y = (columns + 0.5) * spacing.column_mm, (rows + 0.5) * spacing.row_mm
    # a pixel is not a point: its own second moment is side²/12
    own = np.diag([spacing.column_mm**2, spacing.row_mm**2]) / 12
    moments = np.cov(np.stack([x, y]), bias=True) + own
    values, vectors = np.linalg.eigh(moments)
    half = 2 * np.sqrt(values[::-1])
    half *= np.sqrt(len(rows) * spacing.area_mm2 / (np.pi * half[0] * half[1]))
    return Ellipse(float(x.mean()), float(y.mean()), float(half[0]), float(half[1]), _angle(vectors[:, 1]))


def _angle(direction: Array) -> float:
    """Angle of an axis, in (−π/2, π/2]: an axis has no sense."""
    angle = float(np.arctan2(direction[1], direction[0]))
    return angle - np.pi if angle > np.pi / 2 else angle + np.pi if angle <= -np.pi / 2 else angle
