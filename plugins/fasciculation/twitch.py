"""Candidates for a twitch: places and times where tissue went somewhere and came back.

The score of a block at time t for a span s is the geometric mean of its way there and its way back,
``sqrt(max(0, (d(t) - d(t-s)) . (d(t) - d(t+s))))``, in the unit of ``d``. A twitch scores its height; a step (probe
jerk, onset of a contraction) and a steady drift score nothing, because one of the two ways is nil or they disagree.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from plugins.fasciculation.grid import Floats, Grid

FLOOR_MM = 0.06
"""Candidates below this are noise at any scanner's resolution."""
SPANS_S = (0.07, 0.11, 0.17, 0.25)
"""Half lengths of a twitch that are tried: durations from 0.1 to 0.5 s, as M-mode shows them."""


@dataclass(frozen=True, slots=True)
class Score:
    """Out-and-back displacement of every block over time."""

    height: Floats
    """Best over the spans, shape (times, rows, columns), mm."""
    span: npt.NDArray[np.uint8]
    """Index of the best span, same shape."""
    noise: Floats
    """Median over time of the largest span's bend, shape (rows, columns), mm."""
    moved: Floats
    """The path itself, smoothed, shape (times, rows, columns, 2), mm."""


def score(path: Floats, rate_hz: float, grid: Grid, trust: Floats) -> Score:
    """Score a displacement path.

    Parameters
    ----------
    path:
        Displacement in working pixels at even times, shape (times, blocks, 2).
    rate_hz:
        Times per second.
    trust:
        How much each block's displacement counts beside its neighbours', shape (rows, columns), above 0.
    """
    moved = _smooth_mm(path, grid, trust)
    along, deep = np.ascontiguousarray(moved[..., 0]), np.ascontiguousarray(moved[..., 1])
    count = len(moved)
    best = np.zeros(moved.shape[:3], np.float32)
    which = np.zeros(moved.shape[:3], np.uint8)
    noise = np.full(moved.shape[1:3], 0.01, np.float32)
    for index, span_s in enumerate(SPANS_S):
        lag = max(1, round(span_s * rate_hz))
        if 2 * lag >= count:
            break
        # the way there is what is gone up to a time, the way back what is gone from it on, the other way round
        both = _there_and_back(along, lag)
        both += _there_and_back(deep, lag)
        if index == len(SPANS_S) - 1:
            # every third time is enough for a median
            noise = np.sqrt(np.median(np.abs(both[::3]), axis=0))
        height = np.sqrt(np.maximum(both, 0, out=both), out=both)
        part = slice(lag, count - lag)
        # a longer span must be clearly better: noise grows with the span
        np.copyto(which[part], index, where=height > best[part] * np.float32(1.05))
        np.maximum(best[part], height, out=best[part])
    return Score(best, which, noise, moved)


def _there_and_back(path: Floats, lag: int) -> Floats:
    """Product of the ways there and back along one axis, ``lag`` steps each."""
    gone = path[lag:] - path[:-lag]
    return np.asarray(-gone[:-lag] * gone[lag:], np.float32)


@dataclass(frozen=True, slots=True)
class Peak:
    """A local maximum of the score."""

    time: int
    row: int
    column: int
    height_mm: float


def peaks(scored: Score, rate_hz: float, floor_mm: float, factor: float, valid: npt.NDArray[np.bool_]) -> list[Peak]:
    """Local maxima over 0.15 s and two blocks that reach the floor and a multiple of their block's noise.

    Only among blocks that are valid: another that moves further beside them must not hide them.
    """
    lag = max(1, round(0.15 * rate_hz))
    top = height = scored.height * valid
    for axis, reach in enumerate((lag, 2, 2)):
        top = _highest(top, axis, reach)
    threshold = np.maximum(floor_mm, factor * scored.noise)
    found = (height == top) & (height > threshold)
    return [
        Peak(int(time), int(row), int(column), float(scored.height[time, row, column]))
        for time, row, column in np.argwhere(found)
    ]


def _smooth_mm(path: Floats, grid: Grid, trust: Floats) -> Floats:
    """Path in mm, smoothed over neighbouring blocks and over three times, shape (times, rows, columns, 2).

    A block without texture stands still whatever its neighbours do, so that it must not slow them.
    """
    rows, columns = grid.blocks
    unit = np.array([grid.unit[1], grid.unit[0]], np.float32)
    rough = path.reshape(len(path), rows, columns, 2) * (unit * trust[..., np.newaxis])
    out = np.empty_like(rough)
    for time, field in enumerate(rough):
        cv2.GaussianBlur(field, (3, 3), 0.6, dst=out[time])
    out *= (1 / cv2.GaussianBlur(trust, (3, 3), 0.6))[..., np.newaxis]
    inner = out[:-2] + out[2:]
    inner += 2 * out[1:-1]
    inner *= np.float32(0.25)
    out[1:-1] = inner
    return out


def _highest(values: Floats, axis: int, reach: int) -> Floats:
    """Maximum over so many neighbours on both sides along an axis: a window that doubles until it is wide enough."""
    width = 2 * reach + 1
    pad = [(reach, reach) if each == axis else (0, 0) for each in range(values.ndim)]
    wide = np.moveaxis(np.pad(values, pad), axis, 0)
    have = 1
    while have < width:
        step = min(have, width - have)
        wide = np.maximum(wide[:-step], wide[step:])
        have += step
    return np.moveaxis(wide, 0, axis)
