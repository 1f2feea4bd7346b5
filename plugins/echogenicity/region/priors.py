"""What a muscle can be by its name: which lie under another muscle, and how thick one can be.

The finder outlines the first muscle under the skin. The thickness limits say what is taken to be possible; they are
**assumptions of this project, not reference values**: no published table of adult thickness with means and spreads per
muscle was found, so no limit has a source. They are therefore wide, for athletes and for wasted muscle, and exclude
only gross error. The upper limit is what matters: an answer one layer too deep may be thicker than a muscle can be.
Wasting can make a muscle thin, so the lower limit only excludes what could not be seen as a layer.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thickness:
    """Thickness taken to be possible, in millimetres."""

    least_mm: float
    most_mm: float

    def allows(self, thickness_mm: float) -> bool:
        """Whether a muscle can be so thick."""
        return self.least_mm <= thickness_mm <= self.most_mm


ANY_MUSCLE = Thickness(2.0, 80.0)

THICKNESS: dict[str, Thickness] = {
    # all assumed; see above
    "gastrocnemius": Thickness(2.0, 45.0),
    "gastrocnemius_medialis": Thickness(2.0, 45.0),
    "gastrocnemius_lateralis": Thickness(2.0, 45.0),
    "tibialis_anterior": Thickness(2.0, 50.0),
    "vastus_lateralis": Thickness(2.0, 60.0),
    "vastus_medialis": Thickness(2.0, 60.0),
    "rectus_femoris": Thickness(2.0, 50.0),
    "biceps_brachii": Thickness(2.0, 60.0),
    "triceps_brachii": Thickness(2.0, 60.0),
    "deltoid": Thickness(2.0, 60.0),
    "biceps_femoris": Thickness(2.0, 60.0),
    "sternocleidomastoid": Thickness(2.0, 35.0),
    "masseter": Thickness(2.0, 30.0),
    "first_dorsal_interosseous": Thickness(1.5, 30.0),
    "abductor_pollicis_brevis": Thickness(1.5, 25.0),
}
"""Assumed limits of what is possible, in millimetres."""

JUDGED = frozenset(
    {
        "gastrocnemius",
        "gastrocnemius_medialis",
        "gastrocnemius_lateralis",
        "tibialis_anterior",
        "vastus_lateralis",
    }
)
"""Muscles of the calf, thigh and shin, as in the published pictures that the finder was judged on."""

UNDER_ANOTHER_MUSCLE = frozenset(
    {
        "brachialis",
        "coracobrachialis",
        "supraspinatus",
        "flexor_digitorum_superficialis",
        "flexor_digitorum_profundus",
        "flexor_pollicis_longus",
        "pronator_quadratus",
        "supinator",
        "extensor_indicis",
        "extensor_carpi_radialis_brevis",
        "opponens_pollicis",
        "adductor_pollicis",
        "vastus_intermedius",
        "semimembranosus",
        "adductor_magnus",
        "iliopsoas",
        "gluteus_medius",
        "tibialis_posterior",
        "extensor_hallucis_longus",
        "fibularis_brevis",
        "soleus",
        "flexor_digitorum_longus",
        "flexor_hallucis_brevis",
        "interossei_dorsales_pedis",
        "genioglossus",
        "geniohyoid",
        "mylohyoid",
        "tongue",
        "splenius_capitis",
        "semispinalis_capitis",
        "levator_scapulae",
        "rhomboideus_major",
        "serratus_anterior",
        "multifidus",
        "intercostals",
        "diaphragm",
        "obliquus_internus_abdominis",
        "transversus_abdominis",
    }
)
"""Muscles that another muscle covers at their usual sites: the first layer under the skin is not theirs."""

SEVERAL = frozenset(
    {
        "quadriceps_femoris",
        "triceps_surae",
        "forearm_flexors",
        "forearm_extensors",
        "thenar",
        "tongue",
        "erector_spinae",
    }
)
"""Groups: between the first two fasciae lies only a part of what the name means."""


def thickness_of(structure: str | None) -> Thickness:
    """The limits for a muscle, or those for any."""
    return THICKNESS.get(structure or "", ANY_MUSCLE)
