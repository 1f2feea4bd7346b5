"""How sure a limit is: tolerance factors and the standard error of an upper limit, by number of subjects."""

from __future__ import annotations

import math

from scipy import stats


def factor(n: int, content: float = 0.95, confidence: float = 0.95, degrees: int | None = None) -> float:
    """One-sided tolerance factor k: mean + k SD exceeds the ``content`` quantile with this confidence.

    Exact for normal values, by the non-central t distribution (Owen 1968): ``k = t'(confidence; df, z√n) / √n``.
    """
    if n < 2:
        raise ValueError(f"{n} values have no tolerance limit")
    z = stats.norm.ppf(content)
    return float(stats.nct.ppf(confidence, degrees or n - 1, z * math.sqrt(n)) / math.sqrt(n))


def limit_error(n: int, z: float = 1.96) -> float:
    """Standard error of mean + z SD in units of the SD: ``√(1/n + z² / 2(n-1))``."""
    return math.sqrt(1 / n + z**2 / (2 * (n - 1)))


def prediction_z(degrees: int) -> float:
    """How many prediction SD hold 95 % of new subjects: the t distribution, not 1.96, since the SD is estimated."""
    return float(stats.t.ppf(0.975, degrees))
