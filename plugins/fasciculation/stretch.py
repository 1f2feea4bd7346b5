"""From block flow to a field that can be judged: affine motion away, even times, score."""

from __future__ import annotations

import numpy as np

from plugins.fasciculation.candidates import Field
from plugins.fasciculation.grid import Floats, Grid
from plugins.fasciculation.residual import displacement, without_affine
from plugins.fasciculation.twitch import score

TEXTURE = 4.0
"""Least smaller diagonal element of the structure tensor, in squared grey levels, of a block that can be followed."""

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
    speed = np.median(np.hypot(*(fit.residual[:, valid.ravel()] * unit).transpose(2, 0, 1)), axis=1)
    unrest = np.interp(even, times_s[1:], speed / gap).astype(np.float32)
    probe = np.interp(even, times_s[1:], pushed).astype(np.float32)
    return Field(even, 1 / step, score(path, 1 / step, grid), shift, probe, unrest, grid, valid, texture)
