"""Calibrated muscle backscatter, where the site imaged a tissue phantom at stepped gain (Zaidman 2008, 2012).

With the muscle's own settings a reference phantom is imaged while the gain is stepped; its mean grey level against
the gain is the scanner's law from decibels to grey. A muscle's mean grey level at a known gain then corresponds to
the gain at which the phantom would look as bright; the difference of the two gains is the muscle's backscatter in
decibels relative to the phantom. Gain is no DICOM attribute: a site must attest it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

GainSeries = tuple[tuple[float, float], ...]
"""(gain in dB, mean grey level of the phantom) for each step."""
FEWEST_STEPS = 3


def checked_series(series: Sequence[tuple[float, float]]) -> GainSeries:
    """The series in order of gain.

    Raises
    ------
    ValueError
        With fewer than three steps, or when the phantom does not get brighter at every step (saturated, or mixed up).
    """
    ordered = tuple(sorted((float(gain), float(grey)) for gain, grey in series))
    if len(ordered) < FEWEST_STEPS:
        raise ValueError(f"a phantom gain series needs {FEWEST_STEPS} steps or more, not {len(ordered)}")
    for (gain, grey), (later_gain, later_grey) in pairwise(ordered):
        if later_gain <= gain or later_grey <= grey:
            raise ValueError(f"the phantom is not brighter at {later_gain:g} dB than at {gain:g} dB")
    return ordered


def calibrated_backscatter_db(mean_grey: float, gain_db: float, series: GainSeries) -> float | None:
    """Backscatter in dB relative to the phantom; ``None`` where the grey level lies outside the series.

    Linear between the steps. The muscle at gain g looks as the phantom does at gain p: the muscle scatters p − g more.
    """
    gains, greys = np.asarray(checked_series(series)).T
    if not greys[0] <= mean_grey <= greys[-1]:
        return None
    return float(np.interp(mean_grey, greys, gains)) - gain_db
