"""UCUM units as DICOM codes them (PS3.16 CID 7181 and 82)."""

from __future__ import annotations

from reference_store.values import Code

_MEANINGS = {
    "1": "no units",
    "%": "percent",
    "mm": "millimeter",
    "mm2": "square millimeter",
    "mm/s": "millimeter per second",
    "cm": "centimeter",
    "s": "second",
    "/min": "per minute",
    "/s": "per second",
    "deg": "degree",
    "dB": "decibel",
    "dB/mm": "decibel per millimeter",
    "dB/cm": "decibel per centimeter",
    "Hz": "hertz",
    "{counts}": "counts",
    "{events}": "events",
    "{pixels}": "pixels",
    "[arb'U]": "arbitrary unit",
    "[arb'U]/mm": "arbitrary unit per millimeter",
    "[arb'U]/cm": "arbitrary unit per centimeter",
}


def unit(ucum: str) -> Code:
    """The unit as a code; a unit without an own name is called by its UCUM text."""
    return Code(ucum, "UCUM", _MEANINGS.get(ucum, ucum))
