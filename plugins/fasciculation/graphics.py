"""What is drawn into the picture and changes there: a trace that sweeps through it, figures that count.

Tissue that moves a little changes the picture a little. Where it changed by far more than so small a motion could
change it, something was drawn or wiped away.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from plugins.fasciculation.candidates import Candidate
from plugins.fasciculation.grid import Floats

GRAPHICS = "changing graphics"
MOST = 150.0
"""How many times its usual may be what motion does not explain of a change, for a displacement of ``SMALL_MM``; it
goes with the square of that. Of 199 simulated twitches (seeds 4600 to 4605) it was 46 times at most, of 12 movements
that a sweeping trace was taken for (seeds 4603 to 4609) at least 344 times."""
SMALL_MM = 0.1
SLACK_S = 0.02
QUIET = 0.5
"""Grey levels squared that are usual anywhere."""


def redrawn(each: Candidate, changed: Floats, ends_s: npt.NDArray[np.float64]) -> bool:
    """Whether a candidate is no motion but something that was drawn.

    Parameters
    ----------
    changed:
        Mean square of what motion does not explain of each step's change, in grey levels squared, shape (steps, rows,
        columns).
    ends_s:
        Times of the steps' ends.
    """
    start, end = each.start_s - SLACK_S, each.start_s + each.duration_s + SLACK_S
    around = changed[:, max(each.row - 1, 0) : each.row + 2, max(each.column - 1, 0) : each.column + 2]
    during = around[np.searchsorted(ends_s, start) : np.searchsorted(ends_s, end, side="right")]
    most = float((during / (np.median(around, axis=0) + QUIET)).max(initial=0.0))
    return most > MOST * max(each.height_mm / SMALL_MM, 1.0) ** 2
