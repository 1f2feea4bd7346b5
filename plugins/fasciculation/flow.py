"""Displacement of every block from one frame to the next: Lucas and Kanade's least squares, on two levels if need be.

Of the methods compared on the same clips (see README.md) this one had the least bias at the sub-pixel motions of a
twitch: dense inverse search gave back 0.3 of a motion of half a pixel, sparse pyramidal Lucas-Kanade 0.6 to 0.8.
Lucas and Kanade, IJCAI 1981; the two-level form follows Bouguet 2001.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from plugins.fasciculation.grid import Floats, Grid

_BLUR = 0.8
"""SD of the smoothing before differentiation, in working pixels."""
_STIFF = 1.0
"""Added to the structure tensor (grey levels squared): a block without texture does not move."""
_FAR = 0.35
"""Displacement in working pixels, mean of three by three blocks, from which one linear step may not reach."""
_UNLIKE = 0.2
"""Squared change over squared gradient from which a block may have moved out of reach of the linear step ..."""
_JUMP = 4.0
"""... if that is so many times what it usually is there: noise alone makes it large where there is little texture."""
_FAR_SHARE = 0.01
"""Share of the blocks that must have moved so far before the coarse level is worth its time."""
_MEMORY = 0.05
"""Weight of the newest picture in what is usual."""
_ROWS = 2
"""Every so many rows enter the sums: neighbouring rows of a smoothed picture say nearly the same."""
_SAME = 0.02
"""Mean difference in grey levels under which two frames are the same frame recorded twice."""


@dataclass(frozen=True, slots=True)
class Step:
    """What happened between a frame and the last one that differed from it."""

    frame: int
    flow: Floats
    """Displacement in working pixels, shape (rows, columns, 2) of blocks; last axis (column, row)."""
    texture: Floats
    """Smaller diagonal element of the structure tensor, shape (rows, columns) of blocks."""


def steps(frames: Iterable[npt.NDArray[np.uint8]], grid: Grid) -> Iterator[Step]:
    """Displacement frame by frame, holding two working pictures; repeated frames are left out.

    Parameters
    ----------
    frames:
        Grey frames in order, as ``Frames.stream`` gives them.
    grid:
        The clip's working grid.

    Yields
    ------
    Step
        For every frame that differs from the one before, the first excepted.
    """
    lucas = _Estimator(grid)
    before: _Picture | None = None
    raw: npt.NDArray[np.uint8] | None = None
    for index, frame in enumerate(frames):
        small = grid.reduced(frame)
        if raw is not None and cv2.norm(raw, small, cv2.NORM_L1) < _SAME * small.size:
            continue
        now = _prepared(np.asarray(cv2.GaussianBlur(small.astype(np.float32), (5, 5), _BLUR), np.float32))
        if before is not None:
            yield lucas.step(index, before, now)
        before, raw = now, small


@dataclass(frozen=True, slots=True)
class _Picture:
    """A smoothed picture with its gradient on every ``_ROWS``-th row."""

    level: Floats
    across: Floats
    down: Floats


def _prepared(level: Floats) -> _Picture:
    """The gradient, halved: that of two pictures is added later, and their mean is what counts."""
    across = np.asarray(cv2.Sobel(level, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 16), np.float32)
    down = np.asarray(cv2.Sobel(level, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 16), np.float32)
    return _Picture(level, across[::_ROWS], down[::_ROWS])


class _Estimator:
    """Least squares with what every frame needs again."""

    def __init__(self, grid: Grid) -> None:
        self.size = (grid.blocks[1], grid.blocks[0])
        rows, columns = grid.work
        self.across, self.down = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
        self.usual: Floats | None = None

    def step(self, index: int, before: _Picture, after: _Picture) -> Step:
        """The fine level alone where little moved; else the coarse level first, and the fine one on what it leaves."""
        fine, texture, unlike = self._solve(before, after)
        if not self._far(fine, unlike):
            return Step(index, fine, texture)
        coarse, _, _ = self._solve(_half(before), _half(after), smooth=0.8)
        start = np.asarray(cv2.GaussianBlur(2 * coarse, (3, 3), 0.7), np.float32)
        fine, texture, _ = self._solve(before, _prepared(self._warped(after.level, start)))
        return Step(index, start + fine, texture)

    def _far(self, fine: Floats, unlike: Floats) -> bool:
        """Whether a share of the blocks moved further than the linear step reaches: together far, or all at once."""
        usual = unlike.copy() if self.usual is None else self.usual
        self.usual = usual + np.float32(_MEMORY) * (np.minimum(unlike, _JUMP * usual + np.float32(0.01)) - usual)
        together = cv2.blur(fine, (3, 3))
        far = np.square(together).sum(axis=2) > _FAR**2
        jumped = (unlike > _UNLIKE) & (unlike > _JUMP * usual)
        return bool(max(np.count_nonzero(far), np.count_nonzero(jumped)) > _FAR_SHARE * unlike.size)

    def _warped(self, picture: Floats, flow: Floats) -> Floats:
        size = picture.shape[::-1]
        across, down = (cv2.resize(np.ascontiguousarray(flow[..., axis]), size) for axis in (0, 1))
        cv2.add(self.across, across, across)
        cv2.add(self.down, down, down)
        warped = cv2.remap(picture, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(warped, np.float32)

    def _solve(self, before: _Picture, after: _Picture, smooth: float = 0.0) -> tuple[Floats, Floats, Floats]:
        """One least squares step: block sums of gradient products, then a two by two system a block.

        Returns displacement, texture, and the squared change over the squared gradient: about the squared
        displacement where that is small, and large wherever the pictures no longer match.
        """
        across, down = cv2.add(before.across, after.across), cv2.add(before.down, after.down)
        change = cv2.subtract(after.level[::_ROWS], before.level[::_ROWS])
        pairs = (
            (across, across), (down, down), (across, down), (across, change), (down, change), (change, change),
        )  # fmt: skip
        sums = [cv2.resize(cv2.multiply(a, b), self.size, interpolation=cv2.INTER_AREA) for a, b in pairs]
        if smooth:
            sums = [cv2.GaussianBlur(part, (3, 3), smooth) for part in sums]
        xx, yy, xy, xt, yt, tt = sums
        texture = np.minimum(xx, yy)
        xx, yy = xx + np.float32(_STIFF), yy + np.float32(_STIFF)
        scale = -1 / (xx * yy - xy * xy)
        flow = np.stack(((yy * xt - xy * yt) * scale, (xx * yt - xy * xt) * scale), axis=-1)
        return np.clip(flow, -2.5, 2.5, out=flow), np.asarray(texture, np.float32), tt / (xx + yy)


def _half(picture: _Picture) -> _Picture:
    return _prepared(np.asarray(cv2.pyrDown(picture.level), np.float32))
