"""A stretch of a clip made ready for judging."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plugins.fasciculation.grid import Floats, Grid
from plugins.fasciculation.twitch import Score


@dataclass(frozen=True, slots=True)
class Field:
    """A stretch of a clip, ready for judging: even times, score, probe motion."""

    times_s: Floats
    rate_hz: float
    scored: Score
    probe_mm: Floats
    """Path of the affine fit in mm (column, row), shape (times, 3, 2): its shift, and how far the right and the lower
    edge have gone beyond that."""
    probe_waves: float
    """How alike the probe's motion is after one breath: its highest autocorrelation there, 1 at most."""
    probe_mm_s: Floats
    """Root mean square speed of the affine fit over the picture, shape (times,)."""
    unrest_mm_s: Floats
    """Median over the blocks of the residual speed, shape (times,)."""
    grid: Grid
    valid: npt.NDArray[np.bool_]
    """Blocks with texture that do not lie at the border, shape (rows, columns)."""
    texture: Floats
    """How well each block can be followed, shape (rows, columns)."""
