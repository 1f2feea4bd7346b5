"""Which nerve and which roots move a muscle, as textbooks give it: main roots only, and not for every muscle.

After the Medical Research Council's "Aids to the Examination of the Peripheral Nervous System". Textbooks differ by a
root here and there, and people do too; a muscle with two nerves has none here, and whoever is not here takes no part.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Supply:
    """Nerves from the trunk to the branch (none where two nerves share the muscle), and main roots."""

    nerves: tuple[str, ...]
    roots: frozenset[str]


def _supply(nerves: str, roots: str) -> Supply:
    return Supply(tuple(name.strip() for name in nerves.split(",") if name.strip()), frozenset(roots.split()))


_RADIAL, _INTEROSSEOUS = "radial nerve", "radial nerve, posterior interosseous nerve"
_FIBULAR = "sciatic nerve, common fibular nerve"
_TIBIAL = "sciatic nerve, tibial nerve"

SUPPLY: dict[str, Supply] = {
    "trapezius": _supply("accessory nerve", "C3 C4"),
    "rhomboideus_major": _supply("dorsal scapular nerve", "C4 C5"),
    "serratus_anterior": _supply("long thoracic nerve", "C5 C6 C7"),
    "supraspinatus": _supply("suprascapular nerve", "C5 C6"),
    "infraspinatus": _supply("suprascapular nerve", "C5 C6"),
    "latissimus_dorsi": _supply("thoracodorsal nerve", "C6 C7 C8"),
    "deltoid": _supply("axillary nerve", "C5 C6"),
    "biceps_brachii": _supply("musculocutaneous nerve", "C5 C6"),
    "brachialis": _supply("musculocutaneous nerve", "C5 C6"),
    "triceps_brachii": _supply(_RADIAL, "C6 C7 C8"),
    "brachioradialis": _supply(_RADIAL, "C5 C6"),
    "extensor_carpi_radialis_longus": _supply(_RADIAL, "C5 C6"),
    "supinator": _supply(_INTEROSSEOUS, "C6 C7"),
    "extensor_digitorum": _supply(_INTEROSSEOUS, "C7 C8"),
    "extensor_carpi_ulnaris": _supply(_INTEROSSEOUS, "C7 C8"),
    "extensor_indicis": _supply(_INTEROSSEOUS, "C7 C8"),
    "pronator_teres": _supply("median nerve", "C6 C7"),
    "flexor_carpi_radialis": _supply("median nerve", "C6 C7"),
    "flexor_digitorum_superficialis": _supply("median nerve", "C7 C8 T1"),
    "flexor_pollicis_longus": _supply("median nerve, anterior interosseous nerve", "C7 C8"),
    "pronator_quadratus": _supply("median nerve, anterior interosseous nerve", "C7 C8"),
    "abductor_pollicis_brevis": _supply("median nerve", "C8 T1"),
    "opponens_pollicis": _supply("median nerve", "C8 T1"),
    "flexor_digitorum_profundus": _supply("", "C7 C8"),
    "flexor_carpi_ulnaris": _supply("ulnar nerve", "C7 C8 T1"),
    "adductor_pollicis": _supply("ulnar nerve", "C8 T1"),
    "abductor_digiti_minimi": _supply("ulnar nerve", "C8 T1"),
    "first_dorsal_interosseous": _supply("ulnar nerve", "C8 T1"),
    "iliopsoas": _supply("femoral nerve", "L1 L2 L3"),
    "sartorius": _supply("femoral nerve", "L2 L3"),
    "quadriceps_femoris": _supply("femoral nerve", "L2 L3 L4"),
    "rectus_femoris": _supply("femoral nerve", "L2 L3 L4"),
    "vastus_lateralis": _supply("femoral nerve", "L2 L3 L4"),
    "vastus_intermedius": _supply("femoral nerve", "L2 L3 L4"),
    "vastus_medialis": _supply("femoral nerve", "L2 L3 L4"),
    "adductor_longus": _supply("obturator nerve", "L2 L3 L4"),
    "gracilis": _supply("obturator nerve", "L2 L3"),
    "gluteus_medius": _supply("superior gluteal nerve", "L4 L5 S1"),
    "tensor_fasciae_latae": _supply("superior gluteal nerve", "L4 L5 S1"),
    "gluteus_maximus": _supply("inferior gluteal nerve", "L5 S1 S2"),
    "semitendinosus": _supply("sciatic nerve", "L5 S1 S2"),
    "semimembranosus": _supply("sciatic nerve", "L5 S1 S2"),
    "biceps_femoris": _supply("sciatic nerve", "L5 S1 S2"),
    "gastrocnemius": _supply(_TIBIAL, "S1 S2"),
    "gastrocnemius_medialis": _supply(_TIBIAL, "S1 S2"),
    "gastrocnemius_lateralis": _supply(_TIBIAL, "S1 S2"),
    "triceps_surae": _supply(_TIBIAL, "S1 S2"),
    "soleus": _supply(_TIBIAL, "S1 S2"),
    "tibialis_posterior": _supply(_TIBIAL, "L4 L5"),
    "flexor_digitorum_longus": _supply(_TIBIAL, "L5 S1 S2"),
    "abductor_hallucis": _supply(_TIBIAL, "S1 S2"),
    "abductor_digiti_minimi_pedis": _supply(_TIBIAL, "S1 S2"),
    "tibialis_anterior": _supply(f"{_FIBULAR}, deep fibular nerve", "L4 L5"),
    "extensor_digitorum_longus": _supply(f"{_FIBULAR}, deep fibular nerve", "L5 S1"),
    "extensor_hallucis_longus": _supply(f"{_FIBULAR}, deep fibular nerve", "L5 S1"),
    "extensor_digitorum_brevis": _supply(f"{_FIBULAR}, deep fibular nerve", "L5 S1"),
    "fibularis_longus": _supply(f"{_FIBULAR}, superficial fibular nerve", "L5 S1"),
    "fibularis_brevis": _supply(f"{_FIBULAR}, superficial fibular nerve", "L5 S1"),
}
