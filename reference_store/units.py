"""Units of reference quantities: UCUM, with the plain spellings that reference documents use, and their conversion."""

from __future__ import annotations

GREY = "[arb'U]"
"""UCUM for a grey level of 0 to 255: an arbitrary unit, bound to one device."""

_UNITS: dict[str, tuple[str, float]] = {
    # spelling: (UCUM base unit of its kind, factor into that base)
    GREY: (GREY, 1.0),
    "gray_0_255": (GREY, 1.0),
    "mm": ("mm", 1.0),
    "cm": ("mm", 10.0),
    "m": ("mm", 1000.0),
    "um": ("mm", 0.001),
    "mm2": ("mm2", 1.0),
    "cm2": ("mm2", 100.0),
    "dB": ("dB", 1.0),
    "1": ("1", 1.0),
    "ratio": ("1", 1.0),
    "%": ("1", 0.01),
}

UNIT_OF: dict[str, str] = {
    "muscle_echo_intensity": GREY,
    "muscle_thickness": "mm",
    "muscle_csa": "mm2",
    "calibrated_backscatter": "dB",
    "texture": "1",
    "nerve_csa": "mm2",
    "nerve_ratio": "1",
    "diaphragm_thickness": "mm",
    "diaphragm_ratio": "1",
}
"""Every quantity a document can describe, with its base unit."""

SIGNED = ("calibrated_backscatter", "texture")
"""Quantities that may be zero or less: decibels relative to a phantom, and texture features such as a correlation."""


def known(unit: str) -> bool:
    """Whether a unit can be converted at all."""
    return unit in _UNITS


def base_unit(unit: str) -> str:
    """The UCUM base unit of this unit's kind, for example ``mm2`` for ``cm2``. Raises ``KeyError`` when unknown."""
    return _UNITS[unit][0]


def factor(unit: str, into: str) -> float | None:
    """What a number in ``unit`` is multiplied with to be in ``into``; ``None`` when they measure different things."""
    if unit not in _UNITS or into not in _UNITS:
        return None
    (kind, size), (other_kind, other_size) = _UNITS[unit], _UNITS[into]
    return size / other_size if kind == other_kind else None
