"""From block flow to a field that can be judged: affine motion away, even times, score."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from plugins.fasciculation.field import Field
from plugins.fasciculation.grid import Floats, Grid
from plugins.fasciculation.residual import displacement, without_affine
from plugins.fasciculation.twitch import score

TEXTURE = 4.0
"""Least smaller diagonal element of the structure tensor, in squared grey levels, of a block that tells how the whole
picture moves and how restless it is."""
LEAST_TEXTURE = 2.0
"""The same of a block in which a twitch can be seen."""

UNREST_S = 0.16
"""Time over which the blocks' unrest is taken."""
NOISE_SHARE = 0.75
"""Measured on still clips; 0.58 for noise that is white in position, more where displacement errors add up."""
WAVES_STEP_S = 0.2
BREATH_S = (2.3, 6.5)
"""Shortest and longest breath at rest: 9 to 26 a minute."""
_SPREAD = np.array([[1.0], [1 / 3], [1 / 3]], np.float32)
"""Mean square over the picture of 1, x and y, which go from -1 to 1."""


def field_of(flow: Floats, texture: Floats, times_s: npt.NDArray[np.floating[Any]], grid: Grid) -> Field:
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
    inner = np.zeros(texture.shape, bool)
    # at the border tissue comes in and goes out: what moves there cannot be told
    inner[1:-1, 1:-1] = True
    clear = inner & (texture > TEXTURE)
    fit = without_affine(flow.reshape(len(flow), -1, 2), clear.ravel().astype(np.float32), grid)
    step = float(np.median(np.diff(times_s)))
    even = (times_s[0] + np.arange(int((times_s[-1] - times_s[0]) / step) + 1) * step).astype(np.float32)
    path = displacement(fit.residual, times_s, even)
    unit = np.array([grid.unit[1], grid.unit[0]], np.float32)
    probe = np.asarray(displacement(fit.coefficients, times_s, even) * unit, np.float32)
    pushed = np.sqrt(((fit.coefficients * unit) ** 2 * _SPREAD).sum(axis=(1, 2))) / np.diff(times_s)
    return Field(
        times_s=even,
        rate_hz=1 / step,
        scored=score(path, 1 / step, grid, _trust(texture)),
        probe_mm=probe,
        probe_waves=_waves(probe, 1 / step),
        probe_mm_s=np.interp(even, times_s[1:], pushed).astype(np.float32),
        unrest_mm_s=_unrest(path[:, clear.ravel()] * unit, even, step),
        grid=grid,
        valid=inner & (texture > LEAST_TEXTURE),
        texture=texture,
    )


def _trust(texture: Floats) -> Floats:
    """How much a block counts beside its neighbours: half at the texture from which it is clear, never nothing."""
    return np.asarray(np.maximum(texture / (texture + TEXTURE), 1e-3), np.float32)


def _waves(path_mm: Floats, rate_hz: float) -> float:
    """How alike the probe's motion is after one breath.

    Parameters
    ----------
    path_mm:
        Path of the affine fit, first axis time.
    """
    thinned = max(1, round(WAVES_STEP_S * rate_hz))
    gone = np.diff(path_mm.reshape(len(path_mm), -1)[::thinned], axis=0)
    low, high = (round(lag_s * rate_hz / thinned) for lag_s in BREATH_S)
    high = min(high, len(gone) // 2)
    power = float((gone**2).mean()) if len(gone) else 0.0
    if power <= 0 or high <= low:
        return 0.0
    return float(max((gone[lag:] * gone[:-lag]).mean() for lag in range(low, high + 1)) / power)


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
