"""Sums over blocks of products of gradient and change: all that the least squares of a motion ask of two pictures.

This is where counting spends most of its time beside decoding, so buffers are kept, every second row is left out, and
the gradient is the plain central difference: after the smoothing it has less bias than Sobel's, whose own smoothing
the change between the pictures does not have, and it costs a quarter.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from plugins.fasciculation.grid import Floats


class BlockSums:
    """Block means of gradient products; holds its buffers, so not for two threads."""

    def __init__(self, largest: tuple[int, int]) -> None:
        rows, columns = largest
        self.both = np.empty(rows * columns, np.float32)
        self.halves = np.empty(9 * (rows // 2 * columns), np.float32)

    def of(self, levels: Sequence[Floats], blocks: tuple[int, int]) -> Floats:
        """Means of xx, yy, xy, xt, yt, tt for every two neighbours of a row of smoothed pictures.

        ``x`` and ``y`` are the gradient of the mean of the two pictures across and down in grey levels per pixel,
        ``t`` is the change from one to the other.

        Returns
        -------
        Floats
            Shape (6, pairs, rows, columns) of blocks.
        """
        rows, columns = levels[0].shape
        both = self.both[: rows * columns].reshape(rows, columns)
        halves = self.halves[: 9 * (rows // 2 * columns)].reshape(9, rows // 2, columns)
        # left column, right column and last row have no neighbour: their gradient stays nil
        halves[0, :, 0] = halves[0, :, -1] = halves[1, -1] = 0
        made = np.empty((6, len(levels) - 1, *blocks), np.float32)
        for at in range(len(levels) - 1):
            _products(levels[at], levels[at + 1], both, halves)
            made[:, at] = _means(halves[3:], blocks)
        # the gradient was taken over two pixels of the sum of two pictures
        made[:3] *= np.float32(1 / 16)
        made[3:5] *= np.float32(1 / 4)
        return made


def _products(before: Floats, after: Floats, both: Floats, halves: Floats) -> None:
    """Gradient and change into the first three of ``halves``, their six products into the others."""
    across, down, change = halves[:3]
    odd = slice(1, 2 * len(change), 2)
    np.add(before, after, out=both)
    np.subtract(both[odd, 2:], both[odd, :-2], out=across[:, 1:-1])
    inner = len(both[2::2])
    np.subtract(both[2::2], both[: 2 * inner : 2], out=down[:inner])
    np.subtract(after[odd], before[odd], out=change)
    pairs = (across, across), (down, down), (across, down), (across, change), (down, change), (change, change)
    for product, (one, other) in zip(halves[3:], pairs, strict=True):
        np.multiply(one, other, out=product)


def _means(products: Floats, blocks: tuple[int, int]) -> Floats:
    """Means over blocks; halving is the quick way down, and exact where the sides divide."""
    rows, columns = blocks
    _, high, wide = products.shape
    if high % rows or wide % columns:
        return np.stack([cv2.resize(each, (columns, rows), interpolation=cv2.INTER_AREA) for each in products])
    stack = products.reshape(6 * high, wide)
    while high % (2 * rows) == 0 and wide % (2 * columns) == 0:
        high, wide = high // 2, wide // 2
        stack = np.asarray(cv2.resize(stack, (wide, 6 * high), interpolation=cv2.INTER_AREA), np.float32)
    if (high, wide) != (rows, columns):
        stack = np.asarray(cv2.resize(stack, (columns, 6 * rows), interpolation=cv2.INTER_AREA), np.float32)
    return stack.reshape(6, rows, columns)
