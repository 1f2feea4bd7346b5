"""Concepts that measurements are coded with, each once, with where it comes from.

Standard codes first; what no standard has lives in the private scheme ``99NMUS`` (docs/private-codes.md lists it).
A private value is never reused and never changes its meaning. Ranges: NM-1xxx muscle, NM-2xxx fasciculation,
NM-3xxx methods, NM-4xxx anatomy, NM-5xxx references and eligibility, NM-6xxx levels and sites, NM-7xxx nerve.
Sources: DICOM PS3.16 context groups as named, LOINC, SNOMED CT codes that DICOM itself lists, IBSI.
"""

from __future__ import annotations

from reference_store.values import Code

PRIVATE_SCHEME = "99NMUS"

# Derivations, CID 7464
MEAN = Code("373098007", "SCT", "Mean")
MEDIAN = Code("373099004", "SCT", "Median")
STANDARD_DEVIATION = Code("386136009", "SCT", "Standard Deviation")
MINIMUM = Code("255605001", "SCT", "Minimum")
MAXIMUM = Code("56851009", "SCT", "Maximum")

# Measures
ECHOGENICITY = Code("110849", "DCM", "Echogenicity")
"""CID 7469; with derivation Mean it is the mean grey level of a region."""
THICKNESS = Code("59089-3", "LN", "Thickness")
"""CID 12304, ROI thickness by ultrasound."""
AREA = Code("42798000", "SCT", "Area")
PERIMETER = Code("131191004", "SCT", "Perimeter")
LONG_AXIS = Code("103339001", "SCT", "Long axis")
SHORT_AXIS = Code("103340004", "SCT", "Short axis")
ACQUISITION_DURATION = Code("121142", "DCM", "Acquisition Duration")
Z_SCORE = Code("113071", "DCM", "Z-score")
"""As a measurement of its own, CID 7469."""

# Methods
AREA_OF_CLOSED_IRREGULAR_POLYGON = Code("122501", "DCM", "Area of closed irregular polygon")

# Observations
PRESENT = Code("52101004", "SCT", "Present")
ABSENT = Code("272519000", "SCT", "Absent")


def private(value: str, meaning: str) -> Code:
    """A concept of the private scheme."""
    return Code(value, PRIVATE_SCHEME, meaning)
