"""Where to look in a clip, and on how coarse a picture: the working grid of blocks.

Displacement is estimated on blocks of a picture reduced to about 0.2 mm per pixel: speckle is still resolved, and a
twitch of 0.3 mm is more than one pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from plugins.images import Box, Clip, Spacing

Floats = npt.NDArray[np.float32]

WORK_MM = 0.2
"""Wanted pixel of the working picture; the picture is reduced by the nearest whole number, which is quick."""
BLOCK = 8
"""Side of a block in working pixels: about 1.6 mm, half the width of the narrowest twitch to be found."""
WORK_SIDE = 240
"""Wanted longer side of the working picture where there is no calibration."""
MAX_BLOCKS = 1400
"""More are not followed: a very wide field must not take longer than a clip lasts."""


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

    @property
    def shrink(self) -> int:
        """By how much a decoder may divide the sides of a frame (1, 2 or 4) and every working pixel stay whole."""
        numbers = [self.box.column0, self.box.row0]
        for side, work in (
            (self.box.row1 - self.box.row0, self.work[0]),
            (self.box.column1 - self.box.column0, self.work[1]),
        ):
            numbers.append(side // work if side % work == 0 else 1)
        return math.gcd(*numbers, 4)

    def shrunk(self, by: int) -> Grid:
        """The same grid for frames whose sides are divided by so much: same working picture, same blocks."""
        box = self.box
        small = Box(box.column0 // by, box.row0 // by, box.column1 // by, box.row1 // by)
        spacing = Spacing(self.spacing.row_mm * by, self.spacing.column_mm * by) if self.spacing else None
        return replace(self, box=small, spacing=spacing)

    def reduced(self, frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """One frame's tissue box as a working picture."""
        part = frame[self.box.row0 : self.box.row1, self.box.column0 : self.box.column1]
        if part.shape == self.work:
            return part
        small = cv2.resize(part, (self.work[1], self.work[0]), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.uint8)

    def centre(self, row: float, column: float) -> tuple[float, float]:
        """Block coordinates (0.5 is the middle of the first block) to a (column, row) point of the picture."""
        high = (self.box.row1 - self.box.row0) / self.blocks[0]
        wide = (self.box.column1 - self.box.column0) / self.blocks[1]
        return self.box.column0 + column * wide, self.box.row0 + row * high


def grid_of(clip: Clip) -> Grid:
    """The working grid of a clip: its tissue region where it has one, else the whole picture.

    The box is cut, evenly on both sides, to whole blocks.
    """
    rows, columns = clip.frames.shape
    region = clip.tissue
    box = region.box if region else Box(0, 0, columns, rows)
    box = Box(max(box.column0, 0), max(box.row0, 0), min(box.column1, columns), min(box.row1, rows))
    spacing = region.spacing if region else None
    high, wide = box.row1 - box.row0, box.column1 - box.column0
    if spacing is None:
        down = across = max(1, round(max(high, wide) / WORK_SIDE))
    else:
        down, across = max(1, round(WORK_MM / spacing.row_mm)), max(1, round(WORK_MM / spacing.column_mm))
    while (high // (down * BLOCK)) * (wide // (across * BLOCK)) > MAX_BLOCKS:
        down, across = down + 1, across + 1
    if min(high // (down * BLOCK), wide // (across * BLOCK)) < 3:
        # a narrow picture is reduced only as far as three blocks still lie across it
        most = max(1, min(high, wide) // (3 * BLOCK))
        down, across = min(down, most), min(across, most)
    blocks = high // (down * BLOCK), wide // (across * BLOCK)
    if min(blocks) < 3:
        # smaller than three blocks: enlarged to that
        return Grid(box, spacing, (max(high, 3 * BLOCK), max(wide, 3 * BLOCK)), (max(blocks[0], 3), max(blocks[1], 3)))
    top = _begin(box.row0, high - blocks[0] * BLOCK * down, down)
    left = _begin(box.column0, wide - blocks[1] * BLOCK * across, across)
    cut = Box(left, top, left + blocks[1] * BLOCK * across, top + blocks[0] * BLOCK * down)
    return Grid(cut, spacing, (blocks[0] * BLOCK, blocks[1] * BLOCK), blocks)


def _begin(edge: int, spare: int, factor: int) -> int:
    """Where the cut begins: in the middle, moved to where pictures that a decoder reduces have their pixels' edges."""
    middle = edge + spare // 2
    step = math.gcd(factor, 4)
    below = middle - middle % step
    return below if below >= edge else below + step if below + step <= edge + spare else middle
