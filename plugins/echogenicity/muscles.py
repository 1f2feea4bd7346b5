"""What the analysis must know of single muscles: what lies over and under them."""

from __future__ import annotations

from plugins.echogenicity.region.priors import UNDER_ANOTHER_MUSCLE
from reference_store import anatomy

WITHOUT_BACKSTOP = frozenset({"first_dorsal_interosseous"})
"""Beside those the catalogue marks: no bone or strong fascia lies behind (Wijntjes 2021)."""


def is_muscle(key: str) -> bool | None:
    """Whether the catalogue has this key as a muscle; ``None`` when it has no such key."""
    try:
        return anatomy.structure(key).kind == "muscle"
    except KeyError:
        return None


def lies_under_another(key: str) -> bool:
    """Whether another muscle lies over this one at its usual site."""
    return key in UNDER_ANOTHER_MUSCLE


def lacks_backstop(key: str) -> bool:
    """Whether neither bone nor a strong fascia lies behind the muscle: its deep echo says nothing."""
    if key in WITHOUT_BACKSTOP:
        return True
    return is_muscle(key) is True and "no_bony_backstop" in anatomy.structure(key).traits
