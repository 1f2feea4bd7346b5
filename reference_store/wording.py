"""Quantities and places in words, as refusals name them for people who know no keys."""

from __future__ import annotations

from reference_store import catalogue

_QUANTITIES: dict[str, str] = {
    "muscle_echo_intensity": "echo intensity",
    "muscle_thickness": "muscle thickness",
    "muscle_csa": "cross-sectional area",
    "calibrated_backscatter": "calibrated backscatter",
    "texture": "texture",
    "nerve_csa": "cross-sectional area",
    "nerve_ratio": "ratio of areas",
    "diaphragm_thickness": "diaphragm thickness",
    "diaphragm_ratio": "thickening ratio",
}


_PROPER = ("Guyon", "Erb")
"""Names of persons keep their capital."""


def measured(quantity: str, structure: str, site: str | None = None) -> str:
    """What was to be compared: ``cross-sectional area of the ulnar nerve at the wrist``.

    A key that the catalogue has not, as a plugin of others may use, stays as it is.
    """
    words = f"{_QUANTITIES.get(quantity, quantity)} of the {structure_name(structure)}"
    return f"{words} ({site_name(site)})" if site else words


def structure_name(key: str) -> str:
    """The catalogue's name as it stands inside a sentence."""
    try:
        name = catalogue.structure(key).name
    except KeyError:
        return key
    return name if name[1:2].isdigit() or name.startswith(_PROPER) else name[:1].lower() + name[1:]


def site_name(key: str) -> str:
    """The catalogue's name of a site as it stands inside a sentence."""
    try:
        name = catalogue.site(key).name
    except KeyError:
        return key.replace("_", " ")
    return name if name.startswith(_PROPER) else name[:1].lower() + name[1:]
