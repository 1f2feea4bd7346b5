"""Which nerve and which roots move a muscle: main roots only, and not for every muscle.

Nerves and roots are those of Loyola University Chicago's Master Muscle List (LUMEN, Stritch School of Medicine), each
read in a public transcription of it, whose text is that of the original pages that could be opened. Where the list
gives no root, or other sources speak against it, a comment names them: Flexikon (DocCheck), the root lists of Richards
and Loudon (University of Kansas 1997), needle electromyography of operated single roots (Tsao, Muscle Nerve 2003),
Orthobullets. Sources differ by a root here and there, and so do people: stimulated one by one, three or more roots
reached most muscles, and 28 % of legs were out of the usual order (Phillips and Park, Muscle Nerve 1991). A muscle that
two nerves share has none here, and a muscle that is not here takes no part.
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
    # C1 to C5 in the list, whose lower ones reach the muscle
    "trapezius": _supply("accessory nerve", "C3 C4"),
    "rhomboideus_major": _supply("dorsal scapular nerve", "C5"),
    "serratus_anterior": _supply("long thoracic nerve", "C5 C6 C7"),
    "supraspinatus": _supply("suprascapular nerve", "C5 C6"),
    "infraspinatus": _supply("suprascapular nerve", "C5 C6"),
    "latissimus_dorsi": _supply("thoracodorsal nerve", "C6 C7 C8"),
    "deltoid": _supply("axillary nerve", "C5 C6"),
    "biceps_brachii": _supply("musculocutaneous nerve", "C5 C6"),
    # a little of brachialis is the radial nerve's
    "brachialis": _supply("musculocutaneous nerve", "C5 C6"),
    "triceps_brachii": _supply(_RADIAL, "C7 C8"),
    "brachioradialis": _supply(_RADIAL, "C5 C6"),
    "extensor_carpi_radialis_longus": _supply(_RADIAL, "C6 C7"),
    "supinator": _supply(_INTEROSSEOUS, "C5 C6"),
    "extensor_digitorum": _supply(_INTEROSSEOUS, "C7 C8"),
    # roots: Flexikon
    "extensor_carpi_ulnaris": _supply(_INTEROSSEOUS, "C7 C8"),
    "extensor_indicis": _supply(_INTEROSSEOUS, "C7 C8"),
    "pronator_teres": _supply("median nerve", "C6 C7"),
    # roots: Kansas
    "flexor_carpi_radialis": _supply("median nerve", "C6 C7"),
    "flexor_digitorum_superficialis": _supply("median nerve", "C7 C8"),
    "flexor_pollicis_longus": _supply("median nerve, anterior interosseous nerve", "C7 C8"),
    # C8 alone in the list, T1 as well elsewhere
    "pronator_quadratus": _supply("median nerve, anterior interosseous nerve", "C8 T1"),
    "abductor_pollicis_brevis": _supply("median nerve", "C8 T1"),
    "opponens_pollicis": _supply("median nerve", "C8 T1"),
    # two nerves; roots: Flexikon
    "flexor_digitorum_profundus": _supply("", "C7 C8 T1"),
    # C7: Flexikon, Kansas
    "flexor_carpi_ulnaris": _supply("ulnar nerve", "C7 C8 T1"),
    # C8 of this and of the interosseous: Kansas; the list has T1 alone
    "adductor_pollicis": _supply("ulnar nerve", "C8 T1"),
    "abductor_digiti_minimi": _supply("ulnar nerve", "C8 T1"),
    "first_dorsal_interosseous": _supply("ulnar nerve", "C8 T1"),
    # the femoral nerve moves iliacus, the lumbar roots themselves psoas
    "iliopsoas": _supply("", "L1 L2 L3"),
    # L2, L3: most sources; L3, L4 in the list
    "sartorius": _supply("femoral nerve", "L2 L3"),
    # L2: Orthobullets, Tsao; the list has L3, L4
    "quadriceps_femoris": _supply("femoral nerve", "L2 L3 L4"),
    "rectus_femoris": _supply("femoral nerve", "L2 L3 L4"),
    "vastus_lateralis": _supply("femoral nerve", "L2 L3 L4"),
    "vastus_intermedius": _supply("femoral nerve", "L2 L3 L4"),
    "vastus_medialis": _supply("femoral nerve", "L2 L3 L4"),
    # L4: Tsao; the list has L2, L3
    "adductor_longus": _supply("obturator nerve", "L2 L3 L4"),
    "gracilis": _supply("obturator nerve", "L2 L3"),
    "gluteus_medius": _supply("superior gluteal nerve", "L4 L5 S1"),
    "tensor_fasciae_latae": _supply("superior gluteal nerve", "L4 L5 S1"),
    "gluteus_maximus": _supply("inferior gluteal nerve", "L5 S1 S2"),
    "semitendinosus": _supply("sciatic nerve", "L5 S1"),
    "semimembranosus": _supply("sciatic nerve", "L5 S1"),
    # both divisions of the sciatic nerve
    "biceps_femoris": _supply("sciatic nerve", "L5 S1"),
    "gastrocnemius": _supply(_TIBIAL, "S1 S2"),
    "gastrocnemius_medialis": _supply(_TIBIAL, "S1 S2"),
    "gastrocnemius_lateralis": _supply(_TIBIAL, "S1 S2"),
    "triceps_surae": _supply(_TIBIAL, "S1 S2"),
    "soleus": _supply(_TIBIAL, "S1 S2"),
    "tibialis_posterior": _supply(_TIBIAL, "L4 L5"),
    # L5: German Wikipedia; the list has S1, S2
    "flexor_digitorum_longus": _supply(_TIBIAL, "L5 S1 S2"),
    "abductor_hallucis": _supply(f"{_TIBIAL}, medial plantar nerve", "S1 S2"),
    # Flexikon, Tsao; the list has S2, S3
    "abductor_digiti_minimi_pedis": _supply(f"{_TIBIAL}, lateral plantar nerve", "S1 S2"),
    "tibialis_anterior": _supply(f"{_FIBULAR}, deep fibular nerve", "L4 L5"),
    "extensor_digitorum_longus": _supply(f"{_FIBULAR}, deep fibular nerve", "L5 S1"),
    "extensor_hallucis_longus": _supply(f"{_FIBULAR}, deep fibular nerve", "L5 S1"),
    "extensor_digitorum_brevis": _supply(f"{_FIBULAR}, deep fibular nerve", "L5 S1"),
    "fibularis_longus": _supply(f"{_FIBULAR}, superficial fibular nerve", "L5 S1"),
    "fibularis_brevis": _supply(f"{_FIBULAR}, superficial fibular nerve", "L5 S1"),
}
