"""Copies that came under a known UID: a correction of whom they name, or another image.

When a PACS corrects or merges patients it sends the same objects again under the same UIDs with other identity. Such
a copy takes the place of the one before, and the study is analysed anew for whom it names now. A copy that differs
in anything else stays beside, alarmed, and is never analysed.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from pydicom import Dataset

from service import logs
from service.inflating import document
from service.ledger import Instance, Ledger
from service.objects import Lying
from service.patient.keys import Keys
from service.patient.reading import identify

_LOGGER = logging.getLogger(__name__)
_LARGEST_BYTES = 1_000_000_000
_LARGE = 1 << 16
_INFLATED_BYTES = 256_000_000
"""Of a deflated copy; a longer one counts as another image, which is the safe answer."""
_PATIENT_GROUP = 0x0010
_COERCED = frozenset(
    {
        0x00080005,  # Specific Character Set
        0x00080050,  # Accession Number
        0x00080051,  # Issuer of Accession Number Sequence
        0x00080090,  # Referring Physician's Name
        0x00081110,  # Referenced Study Sequence
        0x00081120,  # Referenced Patient Sequence
        0x00200010,  # Study ID
        0x00321032,  # Requesting Physician
        0x00400275,  # Request Attributes Sequence
        0x04000561,  # Original Attributes Sequence
    }
)
"""What a correction may touch besides the patient's own group: the order, and the note of what was changed."""


def corrections(ledger: Ledger, lying: Lying, keys: Keys, now: float) -> int:
    """Look at copies that nobody has looked at; how many were corrections of identity."""
    found = 0
    for copy in ledger.unidentified(conflict=True):
        current = next((one for one in ledger.instances(copy.study_instance_uid) if _same_uid(one, copy)), None)
        same = current is not None and only_identity_differs(lying / current.path, lying / copy.path)
        if same and ledger.take_version(copy, now):
            found += 1
            logs.event(
                _LOGGER,
                logging.INFO,
                "identity corrected",
                study_instance_uid=copy.study_instance_uid,
                sop_instance_uid=copy.sop_instance_uid,
            )
        identify(ledger, lying, keys, [copy] if current is None else [current, copy])
    return found


def _same_uid(one: Instance, other: Instance) -> bool:
    return one.sop_instance_uid == other.sop_instance_uid


def only_identity_differs(before: Path, after: Path) -> bool:
    """Whether two files hold the same object but for whom it names."""
    try:
        if max(before.stat().st_size, after.stat().st_size) > _LARGEST_BYTES:
            return False
        return _digests(before) == _digests(after)
    except Exception:  # noqa: BLE001 - a foreign parser on a peer's bytes: any type comes out of it
        return False


def _digests(path: Path) -> dict[int, str]:
    """Digest of each element that does not belong to identity, by tag."""
    dataset = document(path, _INFLATED_BYTES, defer_size=_LARGE)
    return {
        int(element.tag): _digest(element)
        for element in dataset
        if element.tag.group != _PATIENT_GROUP and int(element.tag) not in _COERCED and element.tag.element != 0
    }


def _digest(element: Dataset) -> str:
    value = element.value
    raw = value if isinstance(value, bytes) else repr(value).encode()
    return hashlib.sha256(raw).hexdigest()
