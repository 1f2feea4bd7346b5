"""Rejection notes that others sent: which objects a Key Object Selection document says are not to be used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset

from service.config import UID_PATTERN
from service.inflating import document as read_document

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"
TITLES = {
    "113001": "Rejected for Quality Reasons",
    "113037": "Rejected for Patient Safety Reasons",
    "113038": "Incorrect Modality Worklist Entry",
    "113039": "Data Retention Policy Expired",
}
"""Document titles (DCM, of CID 7010) that reject; all others merely point at something."""
_LARGEST_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class Rejection:
    """What one note rejects."""

    note_uid: str
    code: str
    reason: str
    uids: tuple[str, ...]


def rejection(path: Path) -> Rejection | None:
    """What a document rejects; ``None`` if it rejects nothing or cannot be read."""
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            return None
        document = read_document(path, _LARGEST_BYTES)
        title = document.ConceptNameCodeSequence[0]
        code = str(title.CodeValue)
        if str(title.CodingSchemeDesignator) != "DCM" or code not in TITLES:
            return None
        found = tuple(dict.fromkeys(_named(document)))
        return Rejection(str(document.SOPInstanceUID), code, TITLES[code], found)
    except Exception:  # noqa: BLE001 - a foreign parser on a peer's bytes: any type comes out of it
        return None


def _named(document: Dataset) -> list[str]:
    """Objects of the evidence: it must list all that the content refers to (PS3.3 section C.17.6.2)."""
    uids = []
    for study in document.get("CurrentRequestedProcedureEvidenceSequence", None) or []:
        for series in study.get("ReferencedSeriesSequence", None) or []:
            for reference in series.get("ReferencedSOPSequence", None) or []:
                uid = str(reference.get("ReferencedSOPInstanceUID", ""))
                if UID_PATTERN.fullmatch(uid):
                    uids.append(uid)
    return uids
