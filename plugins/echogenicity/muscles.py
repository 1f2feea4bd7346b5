"""What the analysis must know of single muscles: what lies over and under them."""

from __future__ import annotations

from plugins.contract import Acquisition, Side, View
from reference_store import anatomy

UNDER_ANOTHER_MUSCLE = frozenset(
    {
        "adductor_magnus",
        "adductor_pollicis",
        "brachialis",
        "coracobrachialis",
        "diaphragm",
        "extensor_indicis",
        "flexor_digitorum_longus",
        "flexor_digitorum_profundus",
        "flexor_digitorum_superficialis",
        "flexor_pollicis_longus",
        "genioglossus",
        "geniohyoid",
        "gluteus_medius",
        "iliopsoas",
        "intercostals",
        "levator_scapulae",
        "multifidus",
        "mylohyoid",
        "obliquus_internus_abdominis",
        "pronator_quadratus",
        "rhomboideus_major",
        "semimembranosus",
        "semispinalis_capitis",
        "soleus",
        "splenius_capitis",
        "supinator",
        "supraspinatus",
        "tibialis_posterior",
        "transversus_abdominis",
        "vastus_intermedius",
    }
)
"""Muscles that lie, at their usual sites, under another muscle and not directly under the subcutaneous tissue."""
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


def title_of(acquisition: Acquisition) -> str:
    """What a page is headed with: muscle, side, site and view, as far as known."""
    name = anatomy.structure(acquisition.structure).name if acquisition.structure else "Unknown structure"
    parts = [name]
    if acquisition.side is not Side.UNKNOWN:
        parts.append(acquisition.side.value)
    if acquisition.site:
        parts.append(acquisition.site.replace("_", " "))
    if acquisition.view is not View.UNKNOWN:
        parts.append(acquisition.view.value)
    return ", ".join(parts)
