"""Has a scanner drifted, by the patients that it showed to be normal? The running distribution of their z."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

KEPT = 5000
"""Values of patients that a journal keeps."""
_WINDOW, _FEWEST, _MEDIAN_LIMIT = 100, 30, 0.3


@dataclass(frozen=True, slots=True)
class PatientValue:
    """One z of a patient, for the running distribution of a scanner."""

    key: str
    """A keyed hash of the measurement: tells repetition, leads back to nobody."""
    scanner: tuple[str, str, str]
    on: str
    structure: str
    z: float
    normal: bool
    """Whether it was reported within the limits."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Where the recent patients that were reported normal lie on a scanner."""

    scanner: tuple[str, str, str]
    n: int
    median: float | None
    interval: tuple[float, float] | None
    """95 % confidence interval of the median, by order statistics."""
    warns: bool
    text: str


def watch(scanner: tuple[str, str, str], zs: Sequence[float]) -> Watch:
    """Judge the last hundred: the median should stay within ±0.3; chance alone (interval over zero) does not warn."""
    recent = sorted(zs[-_WINDOW:])
    n = len(recent)
    if n < _FEWEST:
        return Watch(scanner, n, None, None, False, f"{n} of {_FEWEST} values: too few to judge")
    rank = max(int((n - 1.96 * math.sqrt(n)) / 2), 0)
    interval = (recent[rank], recent[n - 1 - rank])
    median = statistics.median(recent)
    warns = abs(median) > _MEDIAN_LIMIT and not interval[0] <= 0 <= interval[1]
    words = f"median z {median:+.2f} (95 % CI {interval[0]:+.2f} to {interval[1]:+.2f}) of the last {n}"
    return Watch(scanner, n, median, interval, warns, words + (": the scanner may have drifted" if warns else ""))
