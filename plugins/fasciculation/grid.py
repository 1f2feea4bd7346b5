"""Where to look in a clip, and on how coarse a picture: the working grid of blocks.

Displacement is estimated on blocks of a picture reduced to about 0.2 mm per pixel: speckle is still resolved, and a
twitch of 0.3 mm is more than one pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from plugins.images import Box, Clip, Spacing

Floats = npt.NDArray[np.float32]

WORK_MM = 0.2
"""Pixel of the working picture where there is a calibration."""
BLOCK = 8
"""Side of a block in working pixels: 1.6 mm, half the width of the narrowest twitch published."""
WORK_SIDE = 240
"""Longer side of the working picture in pixels where there is no calibration."""
MAX_SIDE = 360
"""The working picture is never larger, so that a very wide field does not cost more time than a minute has."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Blocks over the tissue box of a clip."""

    box: Box
    """Tissue region in the picture."""
    spacing: Spacing | None
    work: tuple[int, int]
    """Rows and columns of the working picture."""
    blocks: tuple[int, int]
    """Rows and columns of blocks."""

    @property
    def pixel(self) -> tuple[float, float]:
        """Picture pixels per working pixel (row, column)."""
        return (self.box.row1 - self.box.row0) / self.work[0], (self.box.column1 - self.box.column0) / self.work[1]

    @property
    def unit(self) -> tuple[float, float]:
        """Length of a working pixel (row, column): millimetres, or picture pixels times 0.1 where not calibrated.

        Without calibration a working pixel counts as ``WORK_MM``, so that thresholds keep their meaning roughly.
        """
        if self.spacing is None:
            return WORK_MM, WORK_MM
        return self.pixel[0] * self.spacing.row_mm, self.pixel[1] * self.spacing.column_mm

    @property
    def block_mm(self) -> tuple[float, float]:
        """Height and width of a block."""
        return self.unit[0] * self.work[0] / self.blocks[0], self.unit[1] * self.work[1] / self.blocks[1]

    def reduced(self, frame: npt.NDArray[np.uint8]) -> Floats:
        """One frame's tissue box as a working picture."""
        part = frame[self.box.row0 : self.box.row1, self.box.column0 : self.box.column1]
        small = cv2.resize(part, (self.work[1], self.work[0]), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.float32)

    def centre(self, row: float, column: float) -> tuple[float, float]:
        """Block coordinates (0.5 is the middle of the first block) to a (column, row) point of the picture."""
        high = (self.box.row1 - self.box.row0) / self.blocks[0]
        wide = (self.box.column1 - self.box.column0) / self.blocks[1]
        return self.box.column0 + column * wide, self.box.row0 + row * high


def grid_of(clip: Clip) -> Grid:
    """The working grid of a clip: its tissue region where it has one, else the whole picture."""
    rows, columns = clip.frames.shape
    region = clip.tissue
    box = region.box if region else Box(0, 0, columns, rows)
    box = Box(max(box.column0, 0), max(box.row0, 0), min(box.column1, columns), min(box.row1, rows))
    spacing = region.spacing if region else None
    high, wide = box.row1 - box.row0, box.column1 - box.column0
    if spacing is None:
        factor = max(1.0, max(high, wide) / WORK_SIDE)
        work = (round(high / factor), round(wide / factor))
    else:
        work = (
            round(high / max(1.0, WORK_MM / spacing.row_mm)),
            round(wide / max(1.0, WORK_MM / spacing.column_mm)),
        )
    shrink = max(1.0, max(work) / MAX_SIDE)
    work = (max(round(work[0] / shrink), 3 * BLOCK), max(round(work[1] / shrink), 3 * BLOCK))
    return Grid(box, spacing, work, (work[0] // BLOCK, work[1] // BLOCK))
