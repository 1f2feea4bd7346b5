"""Whether one collected value is one that a document speaks of, and what it is in the document's unit."""

from __future__ import annotations

from collections.abc import Callable

from reference_store.attestation import Attestation
from reference_store.documents import Document
from reference_store.locking import differences
from reference_store.observations import Observation
from reference_store.units import factor
from reference_store.values import Device

Signed = Callable[[Device], Attestation | None]
"""The attestation that a site holds for a device, where there is one."""


def unsigned(device: Device) -> None:
    """No attestation."""


def of_its_place(document: Document, found: Observation) -> bool:
    """Same quantity, structure, site, view and side."""
    same = (found.quantity, found.structure) == (document.quantity, document.structure)
    return same and document.at(found.site) and _seen_so(document, found) and document.side_rule.admits(found.side)


def _seen_so(document: Document, found: Observation) -> bool:
    return document.view in (None, found.view)


def of_its_device(document: Document, found: Observation, signed: Signed = unsigned) -> str | None:
    """In what the value's device or settings are not the document's, or ``None``; an unbound document takes all."""
    if not document.lock.device_bound:
        return None
    different = differences(document.lock, found.device, signed(found.device))
    return "; ".join(str(one) for one in different) or None


def in_its_unit(document: Document, found: Observation) -> float:
    """The value in the document's unit. Raises ``ValueError`` when it measures something else."""
    into = factor(found.unit, document.unit)
    if into is None:
        raise ValueError(f"{found.quantity} in {found.unit} cannot be compared with {document.release}")
    return found.value * into
