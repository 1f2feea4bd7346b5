"""The numbers of one clip, or of all clips of a muscle together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plugins.codes import ABSENT, ACQUISITION_DURATION, MAXIMUM, MEDIAN, PRESENT
from plugins.contract import Code, Event, Measurement, Observation
from plugins.fasciculation import codes
from plugins.fasciculation.grid import Floats
from plugins.fasciculation.rates import rate_detectable, rate_not_excluded

ENOUGH = 2
"""Fasciculations in the observed time that a muscle needs to be called fasciculating (Noto 2017)."""
FINE_FACTOR = 3.0
"""How much more than the median block a restless one moves."""
FINE_MM = 0.015
CRITERION = "at least two fasciculations in the observed time (Noto 2017)"


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen in a time."""

    events: tuple[Event, ...]
    observed_s: float
    span_s: float
    share: float | None = None
    """Of the judged field, the part that took part in any fasciculation, 0 to 1."""

    @property
    def accepted(self) -> tuple[Event, ...]:
        """The fasciculations."""
        return tuple(event for event in self.events if event.accepted)


def measurements_of(seen: Observed) -> tuple[Measurement, ...]:
    """Counts, rates and their limits always; sizes only where there are events and a calibration."""
    count, minutes = len(seen.accepted), seen.observed_s / 60
    at_rest = sum(1 for event in seen.accepted if not event.properties.get("in_motion"))
    made = [
        _measure("fasciculation_count", codes.COUNT, count, "{counts}", "accepted events"),
        _measure("fasciculation_rate", codes.RATE, at_rest / minutes, "/min", "events over the judged time"),
        _measure("observed_time", codes.OBSERVED_TIME, seen.observed_s, "s", "without stretches that cannot be judged"),
        _measure("clip_time", ACQUISITION_DURATION, seen.span_s, "s", "first frame's start to last frame's end"),
        _measure(
            "rate_not_excluded", codes.RATE_NOT_EXCLUDED, rate_not_excluded(count, minutes), "/min",
            "upper one-sided 95 % limit of the rate (Garwood 1936; Poisson)",
        ),
        _measure(
            "rate_detectable", codes.RATE_DETECTABLE, rate_detectable(minutes), "/min",
            "rate at which two or more would have been seen with probability 0.9 (Poisson)",
        ),
        _measure(
            "rejected_movements", codes.REJECTED_COUNT, len(seen.events) - count, "{counts}",
            "movements taken for something else, named in the event table",
        ),
    ]  # fmt: skip
    if seen.share is not None and count:
        made.append(
            _measure("share_involved", codes.SHARE, 100 * seen.share, "%", "part of the judged field that took part")
        )
    return (*made, *_sizes(seen.accepted))


def fine_motion_of(usual_mm: Floats, field: npt.NDArray[np.bool_]) -> Observation | None:
    """Blocks that never rest although their neighbours do; an observation without validation.

    Fibrillations are seen as such fine motion in denervated muscle. A small artery, tremor and picture noise look
    the same, so that nothing follows from it but to look again.
    """
    inside = usual_mm[field]
    if not inside.size:
        return None
    restless = inside > max(FINE_FACTOR * float(np.median(inside)), FINE_MM)
    if restless.mean() < 0.01:
        return None
    usual_um = 1000 * float(inside[restless].mean())
    text = (
        f"fine irregular motion in {100 * restless.mean():.0f} % of the field, usually {usual_um:.0f} µm;"
        " observation only, not validated: arteries, tremor and noise look alike"
    )
    return Observation("fine_motion", codes.FINE_MOTION, PRESENT, text, "not validated")


def _sizes(accepted: Sequence[Event]) -> list[Measurement]:
    """Medians over the fasciculations, and the largest displacement."""
    made: list[Measurement] = []
    if not accepted:
        return made
    durations = [event.duration_s for event in accepted]
    made.append(_measure("duration_median", codes.DURATION, float(np.median(durations)), "s", "out and back", MEDIAN))
    peaks = [event.properties["peak_s"] for event in accepted]
    if len(peaks) > 1:
        interval = float(np.median(np.diff(peaks)))
        made.append(_measure("interval_median", codes.INTERVAL, interval, "s", "from peak to next peak", MEDIAN))
    heights = [
        event.properties["peak_displacement_mm"] for event in accepted if "peak_displacement_mm" in event.properties
    ]
    if heights:
        speeds = [event.properties["peak_speed_mm_s"] for event in accepted]
        how = "displacement of 1.6 mm blocks against the rest of the picture; a quarter too small in simulated clips"
        made += [
            _measure("peak_displacement_median", codes.PEAK_DISPLACEMENT, float(np.median(heights)), "mm", how, MEDIAN),
            _measure("peak_displacement_max", codes.PEAK_DISPLACEMENT, max(heights), "mm", how, MAXIMUM),
            _measure("peak_speed_median", codes.PEAK_SPEED, float(np.median(speeds)), "mm/s", how, MEDIAN),
        ]
    return made


def presence_of(seen: Observed) -> Observation:
    """Whether the muscle reached the published criterion; absence always says what it could not exclude."""
    count, minutes = len(seen.accepted), seen.observed_s / 60
    if count >= ENOUGH:
        text = f"{count} events consistent with fasciculations in {seen.observed_s:.0f} s: criterion met"
        return Observation("fasciculations_present", codes.PRESENCE, PRESENT, text, CRITERION)
    limit = rate_not_excluded(count, minutes)
    noun = "no event" if count == 0 else "one event"
    text = (
        f"{noun} consistent with fasciculations in {seen.observed_s:.0f} s; a rate of up to {limit:.1f} per minute"
        " cannot be excluded (95 %)"
    )
    return Observation("fasciculations_present", codes.PRESENCE, ABSENT, text, CRITERION)


def _measure(  # noqa: PLR0917
    name: str, code: Code, value: float, unit: str, definition: str, derivation: Code | None = None
) -> Measurement:
    return Measurement(name, code, float(value), unit, derivation, codes.METHOD, definition)
