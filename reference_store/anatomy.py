"""The anatomy catalogue: muscles, nerves, roots, vessels and sites; their codes; and how free text names them."""

from __future__ import annotations

from reference_store.catalogue import (
    KINDS,
    Site,
    Structure,
    by_code,
    coded,
    site,
    site_by_code,
    sites,
    structure,
    structures,
)
from reference_store.recognition import Recognised, recognise

__all__ = [
    "KINDS",
    "Recognised",
    "Site",
    "Structure",
    "by_code",
    "coded",
    "recognise",
    "site",
    "site_by_code",
    "sites",
    "structure",
    "structures",
]
