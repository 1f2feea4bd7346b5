"""From block flow to a field that can be judged: affine motion away, even times, score."""

from __future__ import annotations

import numpy as np

from plugins.fasciculation.field import Field
from plugins.fasciculation.grid import Floats, Grid
from plugins.fasciculation.residual import displacement, without_affine
from plugins.fasciculation.twitch import score

TEXTURE = 4.0
"""Least smaller diagonal element of the structure tensor, in squared grey levels, of a block that can be followed."""

UNREST_S = 0.16
"""Time over which the blocks' unrest is taken."""
NOISE_SHARE = 0.75
"""Measured on still clips; 0.58 for noise that is white in position, more where displacement errors add up."""
_SPREAD = np.array([[1.0], [1 / 3], [1 / 3]], np.float32)
"""Mean square over the picture of 1, x and y, which go from -1 to 1."""


def field_of(flow: Floats, texture: Floats, times_s: Floats, grid: Grid) -> Field:
    """Prepare a stretch of a clip.

    Parameters
    ----------
    flow:
        Displacement in working pixels, shape (steps, rows, columns, 2).
    texture:
        Mean texture of the blocks, shape (rows, columns).
    times_s:
        Times of the frames that count: one more than steps.
    grid:
        The working grid.
    """
    valid = texture > TEXTURE
    # at the border tissue comes in and goes out: what moves there cannot be told
    valid[[0, -1]] = valid[:, [0, -1]] = False
    flat = flow.reshape(len(flow), -1, 2)
    fit = without_affine(flat, valid.ravel().astype(np.float32), grid)
    step = float(np.median(np.diff(times_s)))
    count = int((times_s[-1] - times_s[0]) / step) + 1
    even = (times_s[0] + np.arange(count) * step).astype(np.float32)
    path = displacement(fit.residual, times_s, even)
    unit = np.array([grid.unit[1], grid.unit[0]], np.float32)
    shift = displacement(fit.coefficients[:, :1], times_s, even)[:, 0] * unit
    gap = np.diff(times_s)
    pushed = np.sqrt(((fit.coefficients * unit) ** 2 * _SPREAD).sum(axis=(1, 2))) / gap
    unrest = _unrest(path[:, valid.ravel()] * unit, even, step)
    probe = np.interp(even, times_s[1:], pushed).astype(np.float32)
    return Field(even, 1 / step, score(path, 1 / step, grid), shift, probe, unrest, grid, valid, texture)


def _unrest(path_mm: Floats, times_s: Floats, step_s: float) -> Floats:
    """Median speed of the blocks over ``UNREST_S``, less what noise alone would give.

    Half of the blocks at most may move without raising it: a twitch does not, a joint's movement does. Noise is told
    from motion by its bend from frame to frame; noise that is independent in every frame gives ``NOISE_SHARE`` of
    that bend over any longer time.
    """
    lag = max(1, round(UNREST_S / step_s))
    if len(path_mm) <= max(lag, 3) or not path_mm.shape[1]:
        return np.zeros(len(times_s), np.float32)
    some = path_mm[:, ::2]  # every other block tells the median as well, and every third time
    bend = some[2::3] - 2 * some[1:-1:3] + some[:-2:3]
    noise = NOISE_SHARE * float(np.median(np.hypot(bend[..., 0], bend[..., 1])))
    gone = some[lag:] - some[:-lag]
    moved = np.median(np.hypot(gone[..., 0], gone[..., 1]), axis=1)
    speed = np.sqrt(np.maximum(moved**2 - noise**2, 0)) / (lag * step_s)
    middle = times_s[: len(speed)] + 0.5 * lag * step_s
    return np.asarray(np.interp(times_s, middle, speed), np.float32)
