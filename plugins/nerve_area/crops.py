"""The network's view: a square crop in the seed's own frame, standardised by itself, with the seed as soft planes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from plugins.images import Grey, Mask, Spacing
from plugins.nerve_area.geometry import Array

SIDE = 64
"""Side of the network's input in samples."""
CALIPER_SPAN = 2.0
"""A caliper's crop reaches this many half axes from the centre, along each axis."""

FloatImage = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Frame:
    """A rectangle in mm, turned by ``angle``: centre, half extents along its own axes, and whether it is mirrored."""

    x_mm: float
    y_mm: float
    half_u_mm: float
    half_v_mm: float
    angle: float = 0.0
    mirrored: bool = False

    def matrix(self, spacing: Spacing) -> Array:
        """Matrix (2, 3) from crop indices (column, row) to picture indices, for ``cv2.warpAffine`` (inverse map).

        Points hold pixel edges, indices pixel centres: hence the halves.
        """
        c, s = np.cos(self.angle), np.sin(self.angle)
        u, v = 2 * self.half_u_mm / SIDE, 2 * self.half_v_mm / SIDE
        flip = -1.0 if self.mirrored else 1.0
        linear_mm = np.array([[flip * c * u, -s * v], [flip * s * u, c * v]])
        linear = linear_mm / np.array([[spacing.column_mm], [spacing.row_mm]])
        centre = np.array([self.x_mm / spacing.column_mm, self.y_mm / spacing.row_mm]) - 0.5
        offset = centre - linear @ np.full(2, SIDE / 2 - 0.5)
        return np.concatenate([linear, offset[:, None]], axis=1)

    def crop(self, grey: Grey, spacing: Spacing) -> FloatImage:
        """The picture in this frame, shape (SIDE, SIDE); black outside the picture."""
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cut: FloatImage = cv2.warpAffine(grey.astype(np.float32), self.matrix(spacing), (SIDE, SIDE), flags=flags)
        return cut

    def indices(self, x_mm: Array, y_mm: Array) -> tuple[FloatImage, FloatImage]:
        """Where places in mm lie in the crop: (column, row) indices for ``cv2.remap``."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        dx, dy = x_mm - self.x_mm, y_mm - self.y_mm
        u, v = (c * dx + s * dy) / self.half_u_mm, (-s * dx + c * dy) / self.half_v_mm
        u = -u if self.mirrored else u
        column, row = (u + 1) * SIDE / 2 - 0.5, (v + 1) * SIDE / 2 - 0.5
        return column.astype(np.float32), row.astype(np.float32)

    def sampled(self, plane: FloatImage, x_mm: Array, y_mm: Array, outside: float) -> FloatImage:
        """One answer of the network at places in mm, linearly between samples; ``outside`` beyond the crop."""
        column, row = self.indices(x_mm, y_mm)
        value: FloatImage = cv2.remap(
            plane, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=outside
        )
        return value

    def holds(self, x_mm: Array, y_mm: Array) -> Mask:
        """Which places lie in the crop."""
        column, row = self.indices(x_mm, y_mm)
        return np.asarray((np.abs(column - SIDE / 2 + 0.5) < SIDE / 2) & (np.abs(row - SIDE / 2 + 0.5) < SIDE / 2))


Mode = Literal["caliper", "point", "unmarked"]
"""What a crop shows in its middle: a nerve of known axes, a place inside a nerve, or nothing that anybody marked."""
_MODE_LEVEL: dict[Mode, float] = {"caliper": 1.0, "point": 0.0, "unmarked": 0.5}


def planes(crop: npt.NDArray[np.generic], mode: Mode, log_aspect: float) -> FloatImage:
    """The four input planes, shape (4, SIDE, SIDE): crop, soft seed, mode, shape of the crop.

    The crop is standardised by its own mean and deviation, so a change of gain or offset changes nothing. The seed
    is soft on purpose: a sharp one is copied by the network instead of being judged.
    """
    grey = crop.astype(np.float32)
    standard = (grey - grey.mean()) / (grey.std() + 1e-3)
    level, aspect = np.full_like(standard, _MODE_LEVEL[mode]), np.full_like(standard, log_aspect)
    return np.stack([standard, _soft_seed(mode), level, aspect]).astype(np.float32)


def _soft_seed(mode: Mode) -> FloatImage:
    """The mark's plane: a soft disc of the half axes, a blob, or nothing."""
    axis = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE * 2 - 1
    radius = np.hypot(axis[None], axis[:, None]) * CALIPER_SPAN
    if mode == "caliper":
        return np.asarray(1 / (1 + np.exp((radius - 1) / 0.25)), np.float32)
    if mode == "point":
        return np.asarray(np.exp(-(radius**2) / (2 * 0.25**2)), np.float32)
    return np.zeros_like(radius)
