"""What a count in a limited time says of a rate: the Poisson law (events independent, constant rate)."""

from __future__ import annotations

from scipy.special import gammaincinv


def rate_not_excluded(count: int, minutes: float, confidence: float = 0.95) -> float:
    """Upper confidence limit of the rate per minute after ``count`` events.

    Garwood 1936: half the chi-square quantile at 2(count + 1) degrees of freedom, over the time. With no event at all
    it is -ln(0.05) / minutes, the rule of three.
    """
    # half of that quantile is the quantile of a gamma distribution
    return float(gammaincinv(count + 1, confidence) / minutes)


def rate_detectable(minutes: float, events: int = 2, probability: float = 0.9) -> float:
    """Rate per minute at which at least ``events`` would have happened in the time with this probability.

    For two events at 0.9: 3.89 a minute in 60 s, 7.8 in 30 s, 23 in 10 s. The waiting time for the last of them has a
    gamma distribution.
    """
    return float(gammaincinv(events, probability) / minutes)
