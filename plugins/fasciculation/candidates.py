"""Candidates for a twitch: where and when something moved out and back, how far, for how long, and over what area."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plugins.fasciculation.features import Seen, features_of, largest_slope
from plugins.fasciculation.field import Field
from plugins.fasciculation.grid import Floats
from plugins.fasciculation.twitch import FLOOR_MM, SPANS_S, Peak, peaks

FACTOR = 4.0
"""Candidates must be this many times the usual bend of their block."""
TOGETHER_S = 0.14
"""Maxima closer than this in time, in blocks that touch, are one event (two sides of one contracting unit)."""
TOGETHER_MM = 14.0

ECHO = 0.3
"""Share of a large event's height up to which its own flanks may raise other maxima."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place and time that moved out and back."""

    time: int
    row: int
    column: int
    start_s: float
    peak_s: float
    duration_s: float
    height_mm: float
    speed_mm_s: float
    area_mm2: float
    extent: npt.NDArray[np.bool_]
    """Blocks that took part, shape (rows, columns)."""
    features: Floats
    moved_mm: Floats
    """Score of every block around the peak, shape (rows, columns)."""


def candidates(field: Field) -> list[Candidate]:
    """All candidates of a stretch in order of time."""
    found = peaks(field.scored, field.rate_hz, FLOOR_MM, FACTOR, field.valid)
    merged = _merged(found, field)
    return [_described(peak, merged, field) for peak in sorted(merged, key=lambda peak: peak.time)]


def _merged(found: list[Peak], field: Field) -> list[Peak]:
    """The highest of maxima that belong together."""
    kept: list[Peak] = []
    block_mm = field.grid.block_mm
    for peak in sorted(found, key=lambda peak: -peak.height_mm):
        if not any(_belongs(peak, other, field, block_mm) for other in kept):
            kept.append(peak)
    return kept


def _belongs(peak: Peak, other: Peak, field: Field, block_mm: tuple[float, float]) -> bool:
    """Whether a lower maximum is part of a higher one, or its echo: a long span that straddles a large event."""
    if abs(peak.time - other.time) > field.rate_hz:
        return False
    high, wide = block_mm
    if math.hypot((peak.row - other.row) * high, (peak.column - other.column) * wide) >= TOGETHER_MM:
        return False
    gap_s = abs(peak.time - other.time) / field.rate_hz
    span_s = SPANS_S[int(field.scored.span[peak.time, peak.row, peak.column])]
    echo = peak.height_mm < ECHO * other.height_mm and gap_s < 1.5 * span_s + 0.1
    return echo or gap_s <= TOGETHER_S


def _described(peak: Peak, every: list[Peak], field: Field) -> Candidate:
    """Extent, timing and features of one maximum."""
    scored, rate = field.scored, field.rate_hz
    lag = max(1, round(0.06 * rate))
    stretch = slice(max(0, peak.time - lag), peak.time + lag + 1)
    now = scored.height[stretch].max(axis=0)
    extent = (now > 0.5 * peak.height_mm) & field.valid
    extent[peak.row, peak.column] = True
    area = float(extent.sum()) * field.grid.block_mm[0] * field.grid.block_mm[1]
    trace = scored.height[:, peak.row, peak.column]
    low, high = _flanks(trace, peak.time, 0.3 * peak.height_mm, round(0.5 * rate))
    duration = max((high - low) / rate, 1 / rate)
    half = SPANS_S[int(scored.span[peak.time, peak.row, peak.column])]
    start = float(field.times_s[peak.time]) - min(half, 0.25)
    numbers = features_of(Seen(peak, every, field, now, extent, trace, (low, high)))
    return Candidate(
        time=peak.time,
        row=peak.row,
        column=peak.column,
        start_s=max(start, float(field.times_s[0])),
        peak_s=float(field.times_s[peak.time]),
        duration_s=max(2 * half, duration),
        height_mm=peak.height_mm,
        speed_mm_s=largest_slope(trace, peak.time, rate, lag),
        area_mm2=area,
        extent=extent,
        features=numbers,
        moved_mm=now,
    )


def _flanks(trace: Floats, peak: int, level: float, reach: int) -> tuple[int, int]:
    """First and last index around a peak where the trace stays above a level."""
    low = high = peak
    while low > max(0, peak - reach) and trace[low - 1] > level:
        low -= 1
    while high < min(len(trace) - 1, peak + reach) and trace[high + 1] > level:
        high += 1
    return low, high
