"""What is known about a candidate: the numbers from which a classifier tells twitches from other motion.

Every number is dimensionless or in millimetres and seconds, so that it does not depend on the scanner.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from plugins.fasciculation.field import Field
from plugins.fasciculation.grid import Floats
from plugins.fasciculation.twitch import FLOOR_MM, SPANS_S, Peak

FEATURES = (
    "height",
    "noise_ratio",
    "duration",
    "speed",
    "area",
    "share",
    "elsewhere",
    "probe_speed",
    "probe_return",
    "restless",
    "crowd",
    "periodic",
    "usual",
    "return",
    "sharp",
    "unrest",
    "bend_short",
    "bend_middle",
    "off_base",
    "together",
    "texture",
    "depth_share",
)


def features_of(
    peak: Peak,
    every: list[Peak],
    field: Field,
    *,
    now: Floats,
    extent: npt.NDArray[np.bool_],
    trace: Floats,
    flanks: tuple[int, int],
) -> Floats:
    """The numbers named in ``FEATURES``, in that order."""
    rate, height, scored = field.rate_hz, peak.height_mm, field.scored
    noise = float(scored.noise[peak.row, peak.column])
    around = _around(trace, rate, peak, 1.2, flanks)
    broad = float((now[field.valid] > max(0.5 * height, FLOOR_MM)).mean())
    near = [
        other
        for other in every
        if other is not peak
        and abs(other.time - peak.time) < 1.2 * rate
        and abs(other.row - peak.row) < 4
        and abs(other.column - peak.column) < 4
        and other.height_mm > 0.35 * height
    ]
    same_place = [
        other.height_mm for other in every if abs(other.row - peak.row) < 3 and abs(other.column - peak.column) < 3
    ]
    probe = _probe(field, peak.time)
    lag = max(1, round(0.2 * rate))
    window = slice(max(0, peak.time - lag), peak.time + lag + 1)
    unrest = float(np.median(field.unrest_mm_s[window]))
    outside = now[field.valid & ~extent]
    return np.array(
        [
            np.log(height),
            np.log(height / max(noise, 1e-3)),
            (flanks[1] - flanks[0]) / rate,
            np.log(largest_slope(trace, peak.time, rate, max(1, round(0.06 * rate))) + 0.1),
            np.log(float(extent.sum()) * field.grid.block_mm[0] * field.grid.block_mm[1]),
            broad,
            float(np.median(outside)) / height if outside.size else 1.0,
            np.log(probe[0] + 0.1),
            probe[1] / height,
            float(np.sqrt(np.mean(around**2))) / height if around.size else 0.0,
            float(len(near)),
            _periodic(trace, rate, height),
            float(np.median(same_place)) / height * min(len(same_place) / 5, 1),
            float(np.max(around)) / height if around.size else 0.0,
            float(scored.height[peak.time].max() / max(np.percentile(now[field.valid], 90), 1e-3)),
            np.log(unrest + 0.01),
            *_shape(peak, field, extent),
            np.log(float(field.texture[peak.row, peak.column]) + 1),
            peak.row / field.grid.blocks[0],
        ],
        np.float32,
    )


def _shape(peak: Peak, field: Field, extent: npt.NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """How pointed the course is, how far from its resting place the peak lies, and whether the blocks go one way."""
    moved, rate = field.scored.moved, field.rate_hz
    trace = moved[:, peak.row, peak.column]
    here = trace[peak.time]
    bends = [_bend(trace, peak.time, max(1, round(span * rate))) for span in SPANS_S]
    reach = round(0.8 * rate)
    base = np.median(trace[max(0, peak.time - reach) : peak.time + reach + 1], axis=0)
    lag = max(1, round(SPANS_S[int(field.scored.span[peak.time, peak.row, peak.column])] * rate))
    low, high = max(0, peak.time - lag), min(len(trace) - 1, peak.time + lag)
    there = here - 0.5 * (trace[low] + trace[high])
    off_base = float((here - base) @ there) / max(float(there @ there), 1e-6)
    ways = (moved[peak.time] - 0.5 * (moved[low] + moved[high]))[extent]
    sizes = np.hypot(ways[:, 0], ways[:, 1])
    together = float(np.hypot(*ways.sum(axis=0)) / max(float(sizes.sum()), 1e-6))
    return bends[0] / max(bends[-1], 1e-3), bends[1] / max(bends[-1], 1e-3), float(np.clip(off_base, -2, 3)), together


def _bend(trace: Floats, time: int, lag: int) -> float:
    """Out and back over one span, as in ``twitch.score``."""
    low, high = max(0, time - lag), min(len(trace) - 1, time + lag)
    return float(np.sqrt(max(float((trace[time] - trace[low]) @ (trace[time] - trace[high])), 0.0)))


def _around(trace: Floats, rate_hz: float, peak: Peak, reach_s: float, flanks: tuple[int, int]) -> Floats:
    """What a score was before and after the event, first axis time."""
    reach, gap = round(reach_s * rate_hz), max(1, round(0.12 * rate_hz))
    before = trace[max(0, peak.time - reach) : max(0, flanks[0] - gap)]
    after = trace[flanks[1] + gap + 1 : peak.time + reach + 1]
    return np.concatenate((before, after))


def _probe(field: Field, time: int) -> tuple[float, float]:
    """Largest speed (mm/s) of the whole picture within 0.3 s, and how far it went out and back (mm)."""
    lag = max(1, round(0.3 * field.rate_hz))
    path = field.probe_mm[max(0, time - lag) : time + lag + 1]
    if len(path) < 3:
        return 0.0, 0.0
    step = np.hypot(*np.diff(path, axis=0).T)
    there, back = path[len(path) // 2] - path[0], path[len(path) // 2] - path[-1]
    return float(step.max() * field.rate_hz), float(np.sqrt(max(float(there @ back), 0.0)))


def _periodic(trace: Floats, rate: float, height: float) -> float:
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
