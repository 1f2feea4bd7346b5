"""When each frame was taken, and whether the file agrees with itself about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plugins.contract import Clip, FrameRef, NotAssessable, ReasonCode

TOLERANCE = 0.05
"""Relative difference between frame times and stated duration that is still rounding."""


@dataclass(frozen=True, slots=True)
class TimeBase:
    """Frame times that can be used."""

    times_s: tuple[float, ...]
    contradiction: str = ""
    """What does not fit, for the flag's sentence; empty when all does."""
    cine_rate: str = ""
    """How the rate at which the file wants to be shown does not fit; it may be meant, as slow motion is."""


def time_base(clip: Clip) -> TimeBase | NotAssessable:
    """The clip's frame times, or why they cannot be used."""
    times, count = clip.frame_times_s, clip.frames.count
    image = FrameRef(clip.sop_instance_uid)
    if times is None:
        return NotAssessable(
            ReasonCode.NO_TIME_BASE,
            "the file does not say how long its frames last: no rate and no duration could be trusted",
            "export the clip with Frame Time or Frame Time Vector",
            image,
        )
    steps = np.diff(np.asarray(times, float))
    if len(times) != count or not np.isfinite(steps).all() or (steps <= 0).any():
        return NotAssessable(
            ReasonCode.NO_TIME_BASE,
            f"{len(times)} frame times for {count} frames, or times that do not increase",
            "export the clip again; its Frame Time Vector is broken",
            image,
        )
    said = clip.duration_s
    usual = float(np.median(steps)) if len(steps) else 0.0
    lasts = float(times[-1] - times[0]) + usual
    contradiction = ""
    if said is not None and said > 0 and _unlike(lasts, said):
        contradiction = f"Frame times: {lasts:.2f} s; stated: {said:.2f} s."
    return TimeBase(tuple(times), contradiction, _shown_otherwise(clip, lasts, usual))


def _shown_otherwise(clip: Clip, lasts_s: float, usual_s: float) -> str:
    """Lost frames alone are no contradiction: neither the usual step nor the whole clip fits the cine rate."""
    rate, count = clip.cine_rate_hz, clip.frames.count
    if not rate or count < 2 or not (_unlike(usual_s, 1 / rate) and _unlike(lasts_s, count / rate)):
        return ""
    return f"Frame times: {lasts_s:.2f} s; at the cine rate of {rate:g}: {count / rate:.2f} s."


def _unlike(one: float, other: float) -> bool:
    return abs(one - other) > TOLERANCE * max(one, other)
