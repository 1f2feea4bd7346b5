"""UCUM units as DICOM codes them (PS3.16 CID 7181 and 82)."""

from __future__ import annotations

from highdicom.sr import CodedConcept

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


def unit(ucum: str) -> CodedConcept:
    """The unit as a coded concept; a unit without an own name is called by its UCUM text."""
    return CodedConcept(ucum, "UCUM", _MEANINGS.get(ucum, ucum))
