"""How often an answer with this evidence was right, in blocks of pictures that its network never saw.

The score is the product of what the evidence says independently: the mass of either line, its presence, the agreement
of the area map, the agreement of the views, and that no line changes over to another one on its way; it weighs double
where the muscle would take more than half of the field's depth, as few do. A logistic curve of the score's logarithm,
fitted to the cross-validated pictures (Platt 1999), turns it into the share that was right.
"""

from __future__ import annotations

import math

from plugins.echogenicity.region.decoding import Evidence

SPREAD_SCALE = 12.0
"""Rows of mean disagreement between the networks' own lines that lower the score by a factor e."""
AGREEMENT_WEIGHT = 3
"""Power of the overlap of area map and lines. Of eleven wrong answers in folds 0 to 2 nine had less than 0.84, of the
204 right ones three: a deep line that is not the muscle's own contradicts the map that shows where muscle is."""
GENTLE = 5.0
"""Rows of sudden departure from a simple curve that a fascia may show (the drawn deep ones: at most 5.2); each further
row lowers the score by a factor e. It can only lower it: a line is not more likely right for being straight."""
DEEP = (0.50, 0.55)
"""Share of the field's depth between the lines from which evidence weighs more, and at which it weighs ``DEEP_WEIGHT``
times: depth is usually set so that the muscle takes less (in 209 of the 213 well drawn pictures of folds 0 to 2). Two
networks that agree on a deeper muscle's line are contradicted by nothing else; strong evidence still answers."""
DEEP_WEIGHT = 2.0
FLOOR = 1e-4


def score(evidence: Evidence) -> float:
    """Logarithm of the product, more for a muscle that takes most of the field; 0 is perfect, always at most 0."""
    parts = (*evidence.mass, *evidence.presence, *AGREEMENT_WEIGHT * (evidence.agreement,))
    doubt = evidence.spread / SPREAD_SCALE + max(0.0, evidence.kink - GENTLE)
    beyond = min(max((evidence.share - DEEP[0]) / (DEEP[1] - DEEP[0]), 0.0), 1.0)
    return (sum(math.log(max(part, FLOOR)) for part in parts) - doubt) * (1 + (DEEP_WEIGHT - 1) * beyond)


def confidence(evidence: Evidence, coefficients: tuple[float, ...]) -> float:
    """Share right, 0 to 1, for ``coefficients`` (constant, slope) of the weights' card."""
    constant, slope = coefficients
    return 1 / (1 + math.exp(-(constant + slope * score(evidence))))
