"""How steady a line is, and the steady line that a map speaks for most.

A fascia bends gently over the width of a picture. A path through a line map may instead leave the fascia, climb along
a fascicle or drop to a deeper line, and follow that: within a few columns it then departs by many rows from any simple
curve. Of 143 pairs of drawn lines (folds 0 and 1 of the published pictures) the deep ones do so by at most 5.2 rows.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from plugins.echogenicity.region.geometry import COLUMNS, ROWS, Rows

Floats = npt.NDArray[np.float64]
Map = npt.NDArray[np.float32]

APART = 10
"""Columns over which a sudden departure is looked for."""
ROUNDS = 15
"""Rounds of reweighting towards the curve of least absolute distance."""
FOLLOWED = 1.0
"""Rows: a line that is nowhere farther from its parabola than this needs no reweighting."""
LEAST_RESIDUAL = 0.3
"""Rows under which a distance weighs no more for being smaller."""

FLOOR = -5.0
"""Log-probability below which a place simply does not speak for a line: a gap must not outweigh the rest."""
WIDTH = 2.0
"""Rows (standard deviation) by which a map is widened, since no line is exactly a parabola."""
EVERY = 4
"""Columns between those that are looked at."""
RISES = np.linspace(-50.0, 50.0, 51)
"""Rows from the middle to the right end that a curve may fall."""
SAGS = np.linspace(-16.0, 16.0, 9)
PAD = 70

_ACROSS: Floats = np.linspace(-1.0, 1.0, COLUMNS)
_POWERS: Floats = np.vander(_ACROSS, 3)


def kink(line: Rows) -> float:
    """Largest change, within ten columns, of a line's distance in rows from the parabola that fits it best.

    The parabola is that of least absolute distance, so that the longer part of a line that changes over to another
    one sets it.
    """
    weight = np.ones(COLUMNS)
    away = np.asarray(line, np.float64)
    for _ in range(ROUNDS):
        weighed = _POWERS.T * weight
        away = line - _POWERS @ np.linalg.solve(weighed @ _POWERS, weighed @ line)
        if float(np.abs(away).max()) < FOLLOWED:
            break
        weight = 1 / np.maximum(np.abs(away), LEAST_RESIDUAL)
    return float(np.abs(away[APART:] - away[:-APART]).max())


def likeliest_curve(scores: Map) -> Rows:
    """The parabola along which a map of log-probabilities, shape (rows, columns), is largest on the whole."""
    near = cv2.GaussianBlur(np.exp(scores), (0, 0), sigmaX=1.0, sigmaY=WIDTH)
    clipped = np.maximum(np.log(near * WIDTH * np.sqrt(2 * np.pi) + 1e-9), FLOOR)
    columns = np.arange(EVERY // 2, COLUMNS, EVERY)
    rises, sags = (each.ravel() for each in np.meshgrid(RISES, SAGS))
    across = _ACROSS[columns]
    offsets = rises[:, np.newaxis] * across + sags[:, np.newaxis] * (across**2 - 1 / 3)
    starts = PAD + np.clip(np.round(offsets).astype(np.intp), -PAD, PAD)
    padded = np.full((ROWS + 2 * PAD, columns.size), FLOOR, np.float32)
    padded[PAD:-PAD] = clipped[:, columns]
    total = np.zeros((rises.size, ROWS), np.float32)
    for index in range(columns.size):
        shifted = np.lib.stride_tricks.sliding_window_view(padded[:, index], ROWS)
        total += shifted[starts[:, index]]
    best, row = np.unravel_index(int(total.argmax()), total.shape)
    curve = row + 0.5 + rises[best] * _ACROSS + sags[best] * (_ACROSS**2 - 1 / 3)
    return np.asarray(curve, np.float64)
