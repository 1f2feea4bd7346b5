"""What a count in a limited time says of a rate: the Poisson law (events independent, constant rate)."""

from __future__ import annotations

import math

from scipy import optimize, stats


def rate_not_excluded(count: int, minutes: float, confidence: float = 0.95) -> float:
    """Upper confidence limit of the rate per minute after ``count`` events.

    Garwood 1936: half the chi-square quantile at 2(count + 1) degrees of freedom, over the time. With no event at all
    it is -ln(0.05) / minutes, the rule of three.
    """
    return float(stats.chi2.ppf(confidence, 2 * (count + 1)) / 2 / minutes)


def rate_detectable(minutes: float, events: int = 2, probability: float = 0.9) -> float:
    """Rate per minute at which at least ``events`` would have happened in the time with this probability.

    For two events at 0.9: 3.89 a minute in 60 s, 7.8 in 30 s, 23 in 10 s.
    """

    def missing(mean: float) -> float:
        below = sum(math.exp(-mean) * mean**count / math.factorial(count) for count in range(events))
        return 1 - below - probability

    return float(optimize.brentq(missing, 1e-6, 100 + 10 * events) / minutes)
