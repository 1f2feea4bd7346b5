"""An artery told by its beat: candidates that come back at the same place, alike, at the intervals of a heart.

Fasciculations come irregularly; a motor unit that fires at even intervals of 0.5 to 1.6 s six times in a row is not
to be expected (a Poisson train is called regular here in about 3 % of cases).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plugins.fasciculation.candidates import Candidate

PULSE = "arterial pulsation"
LEAST = 6
"""Beats that must be seen."""
REGULAR = 0.75
"""Share of the intervals that must fit one beat, or two where one was missed."""
FIT = 0.18
"""How far an interval may lie from the usual one."""
BEAT_S = (0.5, 1.6)
ALIKE = 1.8
"""Ratio of heights up to which two candidates may be beats of one artery."""
NEAR_BLOCKS = 3


def beating(found: Sequence[Candidate]) -> list[bool]:
    """For every candidate whether it is one beat of many."""
    return [_is_beat(each, found) for each in found]


def _is_beat(each: Candidate, found: Sequence[Candidate]) -> bool:
    times = sorted(
        other.peak_s
        for other in found
        if abs(other.row - each.row) <= NEAR_BLOCKS
        and abs(other.column - each.column) <= NEAR_BLOCKS
        and 1 / ALIKE < other.height_mm / each.height_mm < ALIKE
    )
    if len(times) < LEAST:
        return False
    intervals = np.diff(times)
    usual = float(np.median(intervals))
    if not BEAT_S[0] <= usual <= BEAT_S[1]:
        return False
    fits = (np.abs(intervals / usual - 1) < FIT) | (np.abs(intervals / usual - 2) < 2 * FIT)
    return float(fits.mean()) >= REGULAR
