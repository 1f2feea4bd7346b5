"""The order of sites along a limb, and which of them are entrapment sites."""

from __future__ import annotations

ARM = (
    "carpal_tunnel_outlet",
    "carpal_tunnel_inlet",
    "wrist",
    "guyon_canal",
    "distal_forearm",
    "arterial_split",
    "forearm",
    "proximal_forearm",
    "below_elbow",
    "cubital_tunnel_outlet",
    "distal_to_sulcus",
    "sulcus",
    "elbow",
    "medial_epicondyle",
    "cubital_tunnel_inlet",
    "proximal_to_sulcus",
    "proximal_to_medial_epicondyle",
    "antecubital_fossa",
    "spiral_groove",
    "above_spiral_groove",
    "mid_arm",
    "upper_arm",
    "axilla",
    "infraclavicular",
    "supraclavicular",
    "interscalene",
    "root_or_trunk",
    "cervical_root",
)
"""From the hand to the neck."""
NECK = ("suprascapular_notch", "thyroid_level", "carotid_sinus", "carotid_bifurcation", "neck")
LEG = (
    "foot",
    "ankle",
    "distal_lower_leg",
    "mid_calf",
    "between_gastrocnemius_heads",
    "fibular_head",
    "popliteal_fossa",
    "below_sciatic_bifurcation",
    "sciatic_bifurcation",
    "distal_thigh",
    "mid_thigh",
    "proximal_thigh",
    "inguinal_ligament",
    "gluteal",
)
"""From the foot to the hip."""
ORDER = {site: place for row in ((*ARM, *NECK), LEG) for place, site in enumerate(row)}

_ULNAR_ELBOW = (
    "elbow",
    "medial_epicondyle",
    "sulcus",
    "distal_to_sulcus",
    "proximal_to_sulcus",
    "cubital_tunnel_outlet",
    "cubital_tunnel_inlet",
)
ENTRAPMENT = {
    "median_nerve": frozenset({"wrist", "carpal_tunnel_inlet", "carpal_tunnel_outlet"}),
    "ulnar_nerve": frozenset({"wrist", "guyon_canal", *_ULNAR_ELBOW}),
    "common_fibular_nerve": frozenset({"fibular_head"}),
    "tibial_nerve": frozenset({"ankle"}),
    "posterior_interosseous_nerve": frozenset({"proximal_forearm"}),
    "lateral_femoral_cutaneous_nerve": frozenset({"inguinal_ligament"}),
}
"""Common entrapment sites; they say nothing of a polyneuropathy and are left out of such rules (Meiling 2025)."""
WRIST = frozenset({"wrist", "carpal_tunnel_inlet"})
ULNAR_ELBOW = frozenset(_ULNAR_ELBOW)
ULNAR_WRIST = frozenset({"wrist", "guyon_canal"})
FOREARM = frozenset({"forearm"})
ARM_SITES = frozenset({"mid_arm", "upper_arm"})
TRUNKS = frozenset({"upper_trunk", "middle_trunk", "lower_trunk"})
ROOTS = frozenset({"c4_root", "c5_root", "c6_root", "c7_root", "c8_root"})
PLEXUS = ROOTS | TRUNKS | {"brachial_plexus"}


def is_entrapment(structure: str, site: str | None) -> bool:
    """Whether a nerve is commonly entrapped at this site."""
    return site is not None and site in ENTRAPMENT.get(structure, frozenset())
