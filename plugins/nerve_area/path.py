"""The best closed path around a centre, in polar space: dynamic programming over radii, exact closure.

Every pixel of the polar map holds the log odds that it belongs to the nerve. The gain of a radius is the sum of the
log odds inside it, each weighted by the area its polar cell covers, so the path that gains most is the most probable
star-shaped region, and a smoothness bound keeps neighbouring radii together. Source of the idea: circular shortest
paths, Sun & Pallottino 2003, Pattern Recognition 36:709.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def inside_gain(log_odds: Array, radii: Array) -> Array:
    """Gain of ending at each radius, shape (angles, radii): log odds summed over the area inside.

    ``radii`` are evenly spaced, in units of the outline's own size; each polar cell weighs its radius.
    """
    return np.asarray(np.cumsum(log_odds * radii[None, :], axis=1))


def closed_path(gain: Array, step: int) -> npt.NDArray[np.intp]:
    """Radius index per angle of the closed path with the largest total gain, neighbours at most ``step`` apart.

    Closure is exact to within ``step``: the path is sought twice, first freely around one and a half turns, then with
    both ends held at the radius that the first search passes at half a turn.
    """
    angles = len(gain)
    anchor = angles // 2
    # half a turn before the anchor and one after it, so that the path feels no end where it passes the anchor
    unrolled = np.concatenate([gain, gain])[: angles + anchor]
    start = int(_best(unrolled, step, None)[anchor])
    return np.roll(_best(np.roll(gain, -anchor, axis=0), step, start), anchor)


def _best(gain: Array, step: int, held: int | None) -> npt.NDArray[np.intp]:
    """Viterbi over the rows of ``gain``; with ``held``, the first radius is that one and the last within ``step``."""
    angles, count = gain.shape
    total = gain[0].copy()
    if held is not None:
        total = np.full(count, -np.inf)
        total[held] = gain[0, held]
    came = np.zeros((angles, count), np.intp)
    base = np.arange(count)
    # one buffer with impassable ends, and one view of all windows into it: rows are too many to build them anew
    padded = np.full(count + 2 * step, -np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * step + 1)
    for row in range(1, angles):
        padded[step : step + count] = total
        best = windows.argmax(axis=1)
        came[row] = base + best - step
        total = windows[base, best] + gain[row]
    came = came.clip(0, count - 1)
    if held is not None:
        total = np.where(np.abs(base - held) <= step, total, -np.inf)
    path = np.empty(angles, np.intp)
    path[-1] = int(total.argmax())
    for row in range(angles - 1, 0, -1):
        path[row - 1] = came[row, path[row]]
    return path


def refined(log_odds: Array, path: npt.NDArray[np.intp]) -> Array:
    """Radius indices with fractions: where the log odds cross zero between the last cell inside and the next.

    A cell ``k`` covers ``k − 0.5`` to ``k + 0.5``; where there is no crossing beside the path it stays at ``k + 0.5``.
    """
    rows = np.arange(len(path))
    last = log_odds.shape[1] - 1
    inner, outer = log_odds[rows, path], log_odds[rows, np.minimum(path + 1, last)]
    crosses = (inner > 0) & (outer <= 0)
    share = np.where(crosses, inner / np.where(crosses, inner - outer, 1.0), 0.5)
    return np.asarray(path + share, float)
