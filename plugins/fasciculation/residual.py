"""What is left of the motion after the probe's own: a robust affine fit a frame, and displacement over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from plugins.fasciculation.grid import Floats, Grid

ENOUGH = 200
"""More blocks than this are thinned out before the fit."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The affine motion of the whole picture, frame by frame."""

    residual: Floats
    """Flow minus fit, shape (steps, blocks, 2)."""
    coefficients: Floats
    """Shape (steps, 3, 2): shift, change along columns, change along rows (block coordinates from -1 to 1)."""


def without_affine(flow: Floats, weight: Floats, grid: Grid, rounds: int = 4) -> Fit:
    """Subtract the affine motion that most blocks agree on.

    Iteratively reweighted least squares with Tukey's biweight at 4.7 robust SD (Holland and Welsch 1977), every frame
    for itself. A twitch of part of the picture does not pull the fit; a motion of more than half of it does.

    Parameters
    ----------
    flow:
        Displacement per step, shape (steps, blocks, 2).
    weight:
        How much each block counts, shape (blocks,): 0 for blocks without texture.
    """
    design = _design(grid)
    counted = np.flatnonzero(weight > 0)
    # half of many blocks tell the motion of all as well, in half the time
    some = counted[:: 2 if counted.size > ENOUGH else 1]
    own = design[some]
    products = (own[:, :, np.newaxis] * own[:, np.newaxis, :]).reshape(len(own), 9)
    seen = [np.ascontiguousarray(flow[:, some, axis]) for axis in (0, 1)]
    trust = np.broadcast_to(weight[some], seen[0].shape).astype(np.float32)
    for turn in range(rounds):
        normal = (trust @ products).reshape(-1, 3, 3) + np.eye(3, dtype=np.float32) * np.float32(1e-3)
        right = np.stack([(trust * part) @ own for part in seen], axis=-1)
        coefficients = np.linalg.solve(normal, right)
        if turn < rounds - 1:
            left = [part - coefficients[..., axis] @ own.T for axis, part in enumerate(seen)]
            squared = np.asarray(left[0] ** 2 + left[1] ** 2, np.float32)
            trust = np.multiply(weight[some], _biweight(squared), dtype=np.float32)
    residual = np.empty_like(flow)
    for axis in (0, 1):
        np.subtract(flow[..., axis], coefficients[..., axis] @ design.T, out=residual[..., axis])
    return Fit(residual, np.asarray(coefficients, np.float32))


def _biweight(squared: Floats) -> Floats:
    """Tukey's weights from squared residuals, shape (steps, blocks)."""
    if not squared.shape[1]:
        return squared
    middle = squared.shape[1] // 2
    sd = np.maximum(np.sqrt(np.partition(squared, middle, axis=1)[:, middle]), 0.004) / np.float32(1.177)
    share = 1 - np.minimum(squared / np.square(np.float32(4.7) * sd)[:, np.newaxis], 1)
    return np.asarray(share * share, np.float32)


def displacement(residual: Floats, times_s: npt.NDArray[np.floating[Any]], uniform_s: Floats) -> Floats:
    """Sum the steps and read them at evenly spaced times, so that lost and repeated frames do no harm.

    Parameters
    ----------
    residual:
        Steps that end at ``times_s[1:]``, shape (steps, blocks, 2).
    times_s:
        Time of every frame that counts, one more than steps.
    uniform_s:
        Times to read at.
    """
    path = np.zeros((len(times_s), *residual.shape[1:]), np.float32)
    np.cumsum(residual, axis=0, out=path[1:])
    place = np.interp(uniform_s, times_s, np.arange(len(times_s)))
    low = np.minimum(place.astype(np.int64), len(times_s) - 2)
    share = (place - low).astype(np.float32)[:, np.newaxis, np.newaxis]
    return np.asarray(path[low] * (1 - share) + path[low + 1] * share, np.float32)


def _design(grid: Grid) -> Floats:
    """Columns 1, x and y of every block, x and y from -1 to 1."""
    rows, columns = grid.blocks
    x, y = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(-1, 1, rows))
    return np.stack([np.ones(x.size), x.ravel(), y.ravel()], axis=1).astype(np.float32)
