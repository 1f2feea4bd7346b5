"""Displacement of every block from one frame to the next: Lucas and Kanade's least squares, on two levels if need be.

Of the methods compared on the same clips (see README.md) this one had the least bias at the sub-pixel motions of a
twitch: dense inverse search gave back 0.3 of a motion of half a pixel, sparse pyramidal Lucas-Kanade 0.6 to 0.8.
Lucas and Kanade, IJCAI 1981; the two-level form follows Bouguet 2001.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from plugins.fasciculation.frames import telling
from plugins.fasciculation.gradients import BlockSums
from plugins.fasciculation.grid import Floats, Grid

_BLUR = 0.8
"""SD of the smoothing before differentiation, in working pixels."""
_STIFF = 1.0
"""Added to the structure tensor (grey levels squared): a block without texture does not move."""
_FAR = 0.6
"""Displacement in working pixels, mean of three by three blocks, from which one linear step may not reach."""
_UNLIKE = 0.2
"""Squared change over squared gradient from which a block may have moved out of reach of the linear step ..."""
_JUMP = 4.0
"""... if that is so many times what it usually is there: noise alone makes it large where there is little texture."""
_FAR_SHARE = 0.01
"""Share of the blocks that must have moved so far before the coarse level is asked, and then around them alone."""
_DENSE = 0.3
"""Share of a block's neighbourhood that must be so before it is looked at again: a single block is noise."""
_MARGIN = 2
"""Blocks around the far ones that are looked at again with them."""
_MEMORY = 0.05
"""Weight of the newest picture in what is usual."""
_LIMIT = 2.5
"""No block moves further than so many working pixels of its level between two frames."""
_CHUNK = 16
"""Pairs of pictures whose small systems are solved together: numpy takes longer to begin than to compute them."""


@dataclass(frozen=True, slots=True)
class Step:
    """What happened between a frame and the last one that differed from it."""

    frame: int
    flow: Floats
    """Displacement in working pixels, shape (rows, columns, 2) of blocks; last axis (column, row)."""
    texture: Floats
    """Smaller diagonal element of the structure tensor, shape (rows, columns) of blocks."""
    changed: Floats
    """Mean square of the change that one linear step of motion does not explain, in grey levels squared, shape (rows,
    columns) of blocks."""


def steps(frames: Iterable[npt.NDArray[np.uint8]], grid: Grid) -> Iterator[Step]:
    """Displacement frame by frame, holding a few working pictures; repeated and broken frames are left out.

    Parameters
    ----------
    frames:
        Grey frames in order, as ``Frames.stream`` gives them, or reduced by ``grid.shrink``.
    grid:
        The clip's working grid.

    Yields
    ------
    Step
        For every frame that shows the tissue anew (``frames.telling``), the first excepted.
    """
    lucas = _Estimator(grid)
    kernel = np.asarray(cv2.getGaussianKernel(5, _BLUR, cv2.CV_32F), np.float32)
    levels: list[Floats] = []
    indices: list[int] = []
    for index, small in telling(frames, grid):
        levels.append(np.asarray(cv2.sepFilter2D(small, cv2.CV_32F, kernel, kernel), np.float32))
        indices.append(index)
        if len(levels) > _CHUNK:
            yield from lucas.steps(indices, levels)
            levels, indices = levels[-1:], indices[-1:]
    yield from lucas.steps(indices, levels)


class _Estimator:
    """Least squares with what every frame needs again."""

    def __init__(self, grid: Grid) -> None:
        rows, columns = grid.work
        self.blocks = grid.blocks
        self.side = rows // grid.blocks[0], columns // grid.blocks[1]
        self.across, self.down = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
        self.sums = BlockSums(grid.work)
        self.usual: Floats | None = None

    def steps(self, indices: Sequence[int], levels: Sequence[Floats]) -> list[Step]:
        """The fine level alone where little moved; else the coarse level first, and the fine one on what it leaves."""
        if len(levels) < 2:
            return []
        flow, texture, unlike, changed = _solved(self.sums.of(levels, self.blocks))
        for at in range(len(flow)):
            rows, columns = self._far(flow[at], unlike[at])
            if rows.stop:
                part = (slice(rows.start * self.side[0], rows.stop * self.side[0]),
                        slice(columns.start * self.side[1], columns.stop * self.side[1]))  # fmt: skip
                again = self._from_afar(levels[at][part], levels[at + 1][part], flow[at, rows, columns].shape[:2])
                flow[at, rows, columns], texture[at, rows, columns] = again
        return [Step(index, flow[at], texture[at], changed[at]) for at, index in enumerate(indices[1:])]

    def _from_afar(self, before: Floats, after: Floats, blocks: tuple[int, int]) -> tuple[Floats, Floats]:
        """Two levels: the pictures at half size, then at full size what the warp by that has left."""
        halves = [np.asarray(cv2.pyrDown(level), np.float32) for level in (before, after)]
        rough = [cv2.GaussianBlur(part, (3, 3), 0.8) for part in self.sums.of(halves, blocks)[:, 0]]
        start = np.asarray(cv2.GaussianBlur(2 * _solved(np.stack(rough))[0], (3, 3), 0.7), np.float32)
        fine, texture, *_ = _solved(self.sums.of((before, self._warped(after, start)), blocks))
        return start + fine[0], texture[0]

    def _far(self, fine: Floats, unlike: Floats) -> tuple[slice, slice]:
        """Rows and columns of the blocks around those that moved further than the linear step reaches; often none.

        Far is what moved far together with its neighbours, or no longer looks at all like before.
        """
        usual = unlike.copy() if self.usual is None else self.usual
        self.usual = usual + np.float32(_MEMORY) * (np.minimum(unlike, _JUMP * usual + np.float32(0.01)) - usual)
        together = cv2.blur(fine, (3, 3))
        together *= together
        far = together[..., 0] + together[..., 1] > _FAR**2
        far |= unlike > np.maximum(_JUMP * usual, _UNLIKE)
        if np.count_nonzero(far) <= _FAR_SHARE * far.size:
            return slice(0, 0), slice(0, 0)
        dense = cv2.blur(far.astype(np.float32), (3, 3)) > _DENSE
        rows, columns = np.flatnonzero(dense.any(axis=1)), np.flatnonzero(dense.any(axis=0))
        if not rows.size or np.count_nonzero(dense) <= _FAR_SHARE * far.size:
            return slice(0, 0), slice(0, 0)
        return _around(rows, self.blocks[0]), _around(columns, self.blocks[1])

    def _warped(self, picture: Floats, flow: Floats) -> Floats:
        rows, columns = picture.shape
        across, down = (cv2.resize(np.ascontiguousarray(flow[..., axis]), (columns, rows)) for axis in (0, 1))
        cv2.add(self.across[:rows, :columns], across, across)
        cv2.add(self.down[:rows, :columns], down, down)
        warped = cv2.remap(picture, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(warped, np.float32)


def _around(found: npt.NDArray[np.int64], count: int) -> slice:
    """From first to last with a margin, at least four: on an edge the coarse level sees too little."""
    low, high = max(0, int(found[0]) - _MARGIN), min(count, int(found[-1]) + 1 + _MARGIN)
    return slice(min(low, max(0, high - 4)), high)


def _solved(sums: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """A two by two system a block, from the six means of ``BlockSums.of``.

    Returns displacement, with an axis (column, row) more than the means have, texture, the squared change over the
    squared gradient (about the squared displacement where that is small, and large wherever the pictures no longer
    match), and the squared change that this displacement leaves.
    """
    xx, yy, xy, xt, yt, tt = sums
    texture = np.minimum(xx, yy)
    xx, yy = xx + np.float32(_STIFF), yy + np.float32(_STIFF)
    scale = -1 / (xx * yy - xy * xy)
    flow = np.empty((*xx.shape, 2), np.float32)
    flow[..., 0] = (yy * xt - xy * yt) * scale
    flow[..., 1] = (xx * yt - xy * xt) * scale
    changed = np.maximum(tt + flow[..., 0] * xt + flow[..., 1] * yt, 0)
    return np.clip(flow, -_LIMIT, _LIMIT, out=flow), texture, tt / (xx + yy), changed
