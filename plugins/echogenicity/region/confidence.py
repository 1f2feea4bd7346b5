"""How often an answer with this evidence was right, in blocks of pictures that its network never saw.

The score is the product of what the evidence says independently: the mass of either line, its presence, the
agreement of the area map, and the agreement of the views. A logistic curve of the score's logarithm, fitted to
the cross-validated pictures (Platt 1999), turns it into the share that was right.
"""

from __future__ import annotations

import math

from plugins.echogenicity.region.decoding import Evidence

SPREAD_SCALE = 6.0
"""Rows of mean disagreement between the views that lower the score by a factor e."""
FLOOR = 1e-4


def score(evidence: Evidence) -> float:
    """Logarithm of the product; 0 is perfect, always at most 0."""
    parts = (*evidence.mass, *evidence.presence, evidence.agreement)
    return sum(math.log(max(part, FLOOR)) for part in parts) - evidence.spread / SPREAD_SCALE


def confidence(evidence: Evidence, coefficients: tuple[float, ...]) -> float:
    """Share right, 0 to 1, for ``coefficients`` (constant, slope) of the weights' card."""
    constant, slope = coefficients
    return 1 / (1 + math.exp(-(constant + slope * score(evidence))))
