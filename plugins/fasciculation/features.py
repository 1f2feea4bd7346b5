"""What is known about a candidate: the numbers from which a classifier tells twitches from other motion.

Every number is dimensionless or in millimetres and seconds, so that it does not depend on the scanner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from plugins.fasciculation.field import Field
from plugins.fasciculation.grid import Floats
from plugins.fasciculation.twitch import FLOOR_MM, SPANS_S, Peak

FEATURES = (
    "height",
    "noise_ratio",
    "texture",
    "depth_share",
    "duration",
    "rise",
    "speed",
    "restless",
    "return",
    "periodic",
    "area",
    "joined",
    "share",
    "elsewhere",
    "sharp",
    "crowd",
    "usual",
    "probe_speed",
    "probe_return",
    "unrest",
    "bend_short",
    "bend_middle",
    "off_base",
    "together",
    "probe_here",
    "probe_like",
    "probe_waves",
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One candidate as it stands in its stretch."""

    peak: Peak
    every: list[Peak]
    """All candidates of the stretch."""
    field: Field
    now: Floats
    """Score of every block around the peak's time, shape (rows, columns)."""
    extent: npt.NDArray[np.bool_]
    """Blocks that took part, same shape."""
    trace: Floats
    """Score of the peak's block, shape (times,)."""
    flanks: tuple[int, int]
    """First and last time of the event."""


def features_of(seen: Seen) -> Floats:
    """The numbers named in ``FEATURES``, in that order."""
    parts = (_itself(seen), _course(seen), _extent(seen), _company(seen), _probe(seen), _shape(seen))
    return np.array([number for part in parts for number in part], np.float32)


def _itself(seen: Seen) -> tuple[float, ...]:
    """How far it went, against what is usual there, and where it lies."""
    peak, field = seen.peak, seen.field
    noise = float(field.scored.noise[peak.row, peak.column])
    return (
        float(np.log(peak.height_mm)),
        float(np.log(peak.height_mm / max(noise, 1e-3))),
        float(np.log(field.texture[peak.row, peak.column] + 1)),
        peak.row / field.grid.blocks[0],
    )


def _course(seen: Seen) -> tuple[float, ...]:
    """How long and how quick it was, and what the same place did before and after."""
    rate, height, (low, high) = seen.field.rate_hz, seen.peak.height_mm, seen.flanks
    around = _around(seen, 1.2)
    return (
        (high - low) / rate,
        (seen.peak.time - low) / max(high - low, 1),
        float(np.log(largest_slope(seen.trace, seen.peak.time, rate, max(1, round(0.06 * rate))) + 0.1)),
        float(np.sqrt(np.mean(around**2))) / height if around.size else 0.0,
        float(np.max(around)) / height if around.size else 0.0,
        _periodic(seen.trace, rate),
    )


def _extent(seen: Seen) -> tuple[float, ...]:
    """Over how much of the picture it went, in one piece or scattered, and what the rest did meanwhile."""
    field, height, now = seen.field, seen.peak.height_mm, seen.now[seen.field.valid]
    labels, _ = ndimage.label(seen.extent, np.ones((3, 3)))
    piece = labels == labels[seen.peak.row, seen.peak.column]
    outside = seen.now[field.valid & ~seen.extent]
    return (
        float(np.log(float(seen.extent.sum()) * field.grid.block_mm[0] * field.grid.block_mm[1])),
        float(piece.sum() / seen.extent.sum()),
        float((now > max(0.5 * height, FLOOR_MM)).mean()),
        float(np.median(outside)) / height if outside.size else 1.0,
        float(field.scored.height[seen.peak.time].max() / max(np.percentile(now, 90), 1e-3)),
    )


def _company(seen: Seen) -> tuple[float, ...]:
    """How many like it came near it within 1.2 s, and how large is what comes at this place at all."""
    peak, rate, height = seen.peak, seen.field.rate_hz, seen.peak.height_mm
    near = [
        other
        for other in seen.every
        if other is not peak
        and abs(other.time - peak.time) < 1.2 * rate
        and abs(other.row - peak.row) < 4
        and abs(other.column - peak.column) < 4
        and other.height_mm > 0.35 * height
    ]
    same_place = [
        other.height_mm for other in seen.every if abs(other.row - peak.row) < 3 and abs(other.column - peak.column) < 3
    ]
    return float(len(near)), float(np.median(same_place)) / height * min(len(same_place) / 5, 1)


def _probe(seen: Seen) -> tuple[float, ...]:
    """What the whole picture did about then: its largest speed, how far it went out and back, its unrest."""
    field, time = seen.field, seen.peak.time
    lag = max(1, round(0.3 * field.rate_hz))
    path = field.probe_mm[max(0, time - lag) : time + lag + 1, 0]
    speed = float(np.hypot(*np.diff(path, axis=0).T).max() * field.rate_hz) if len(path) > 2 else 0.0
    there, back = path[len(path) // 2] - path[0], path[len(path) // 2] - path[-1]
    lag = max(1, round(0.2 * field.rate_hz))
    unrest = float(np.median(field.unrest_mm_s[max(0, time - lag) : time + lag + 1]))
    returned = float(np.sqrt(max(float(there @ back), 0.0)))
    return float(np.log(speed + 0.1)), returned / seen.peak.height_mm, float(np.log(unrest + 0.01))


def _shape(seen: Seen) -> tuple[float, ...]:
    """How pointed the course is, how far from its resting place the peak lies, whether the blocks go one way, and
    how much of it is what the probe's own motion would leave in a block that does not follow."""
    peak, moved, rate = seen.peak, seen.field.scored.moved, seen.field.rate_hz
    trace = moved[:, peak.row, peak.column]
    bends = [_bend(trace, peak.time, max(1, round(span * rate))) for span in SPANS_S]
    reach = round(0.8 * rate)
    base = np.median(trace[max(0, peak.time - reach) : peak.time + reach + 1], axis=0)
    lag = max(1, round(SPANS_S[int(seen.field.scored.span[peak.time, peak.row, peak.column])] * rate))
    low, high = max(0, peak.time - lag), min(len(trace) - 1, peak.time + lag)
    there = trace[peak.time] - 0.5 * (trace[low] + trace[high])
    size = max(float(there @ there), 1e-6)
    ways = (moved[peak.time] - 0.5 * (moved[low] + moved[high]))[seen.extent]
    sizes = np.hypot(ways[:, 0], ways[:, 1])
    probe = _probe_at(seen, peak.time) - 0.5 * (_probe_at(seen, low) + _probe_at(seen, high))
    return (
        bends[0] / max(bends[-1], 1e-3),
        bends[1] / max(bends[-1], 1e-3),
        float(np.clip((trace[peak.time] - base) @ there / size, -2, 3)),
        float(np.hypot(*ways.sum(axis=0)) / max(float(sizes.sum()), 1e-6)),
        float(np.log(np.hypot(*probe) + 0.01)),
        float(np.clip(probe @ there / size, -2, 2)),
        seen.field.probe_waves,
    )


def _probe_at(seen: Seen, time: int) -> Floats:
    """Where the probe's own motion had carried the peak's block by a time, mm (column, row)."""
    rows, columns = seen.field.grid.blocks
    place = np.array([1, 2 * seen.peak.column / (columns - 1) - 1, 2 * seen.peak.row / (rows - 1) - 1], np.float32)
    return np.asarray(place @ seen.field.probe_mm[time], np.float32)


def _bend(trace: Floats, time: int, lag: int) -> float:
    """Out and back over one span, as in ``twitch.score``."""
    low, high = max(0, time - lag), min(len(trace) - 1, time + lag)
    return float(np.sqrt(max(float((trace[time] - trace[low]) @ (trace[time] - trace[high])), 0.0)))


def _around(seen: Seen, reach_s: float) -> Floats:
    """What the score was before and after the event, first axis time."""
    rate, time = seen.field.rate_hz, seen.peak.time
    reach, gap = round(reach_s * rate), max(1, round(0.12 * rate))
    before = seen.trace[max(0, time - reach) : max(0, seen.flanks[0] - gap)]
    after = seen.trace[seen.flanks[1] + gap + 1 : time + reach + 1]
    return np.concatenate((before, after))


def _periodic(trace: Floats, rate: float) -> float:
    """Highest autocorrelation of a place's score at the lags of a heart beat (0.45 to 1.5 s), large events clipped."""
    clipped = np.minimum(trace, max(float(np.percentile(trace, 90)), 1e-3))
    clipped = clipped - clipped.mean()
    power = float(clipped @ clipped)
    low, high = round(0.45 * rate), min(round(1.5 * rate), len(trace) // 2)
    if power <= 0 or high <= low:
        return 0.0
    size = 1 << int(np.ceil(np.log2(2 * len(clipped))))
    spectrum = np.fft.rfft(clipped, size)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, size)[low : high + 1] / power
    return float(correlation.max())


def largest_slope(trace: Floats, peak: int, rate: float, lag: int) -> float:
    """Largest slope of the score near the peak, mm/s."""
    part = trace[max(0, peak - 3 * lag) : peak + 3 * lag + 1]
    return float(np.abs(np.diff(part)).max() * rate) if len(part) > 1 else 0.0
