"""The data sets of storage commitment (PS3.4 annex J), read and written, and what their failure reasons mean.

========================  ======================================================================
0x0112                    the archive lacks it: it is sent again
0x0110, 0x0213            the archive could not say now: asked again under a new transaction
0x0131                    the transaction was known: asked again under a new one
0x0119, 0x0122            the archive will never have it: shown, nobody is asked again
anything else             asked again
========================  ======================================================================

Source of the reasons: PS3.3 section C.14.1.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from service.config import UID_PATTERN

PUSH_MODEL = "1.2.840.10008.1.20.1"
PUSH_MODEL_INSTANCE = "1.2.840.10008.1.20.1.1"
REQUEST = 1
"""Action type of N-ACTION."""
ALL_THERE, SOME_LACKING = 1, 2
"""Event types of N-EVENT-REPORT."""
NO_SUCH_INSTANCE, CONFLICT, PROCESSING_FAILURE = 0x0112, 0x0119, 0x0110
MOST_OBJECTS = 20_000
"""In one request; more is no exam."""
_REASONS = {
    0x0110: "processing failure",
    0x0112: "no such object",
    0x0213: "resource limitation",
    0x0122: "SOP class not supported",
    0x0119: "class and instance do not match",
    0x0131: "transaction known already",
}


class Standing(Enum):
    """What an archive says of one object."""

    PRESENT = "present"
    LACKING = "lacking"
    UNKNOWN = "unknown"
    """It cannot say just now."""
    NEVER = "never"
    """It cannot ever have it."""


@dataclass(frozen=True, slots=True)
class Told:
    """One object's standing and why."""

    standing: Standing
    reason: str = ""


def told_of(reason: int) -> Told:
    """What a failure reason means."""
    text = f"0x{reason:04X}: {_REASONS.get(reason, 'refused')}"
    if reason == NO_SUCH_INSTANCE:
        return Told(Standing.LACKING, text)
    return Told(Standing.NEVER if reason in {CONFLICT, 0x0122} else Standing.UNKNOWN, text)


def new_transaction() -> str:
    """A UID that no request has had before."""
    return str(generate_uid(prefix=None))


def request(transaction_uid: str, objects: Iterable[tuple[str, str]]) -> Dataset:
    """Action information: vouch for these (SOP class UID, SOP instance UID)."""
    asked = Dataset()
    asked.TransactionUID = transaction_uid
    asked.ReferencedSOPSequence = Sequence([_reference(*one) for one in objects])
    return asked


def requested(asked: Dataset) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Transaction and objects of a request that a scanner sent.

    Raises
    ------
    ValueError
        It is none.
    """
    transaction = str(asked.get("TransactionUID", "")).strip()
    objects = tuple(_named(item) for item in asked.get("ReferencedSOPSequence", None) or [])
    uids = [transaction, *(uid for pair in objects for uid in pair)]
    if not objects or len(objects) > MOST_OBJECTS or not all(UID_PATTERN.fullmatch(uid) for uid in uids):
        raise ValueError("no request for storage commitment: UIDs are missing, wrong or too many")
    return transaction, objects


def answer(
    transaction_uid: str, present: Iterable[tuple[str, str]], lacking: Iterable[tuple[str, str, int]]
) -> tuple[int, Dataset]:
    """Event type and event information."""
    told = Dataset()
    told.TransactionUID = transaction_uid
    there = [_reference(*one) for one in present]
    if there:
        told.ReferencedSOPSequence = Sequence(there)
    failed = []
    for sop_class, uid, reason in lacking:
        item = _reference(sop_class, uid)
        item.FailureReason = reason
        failed.append(item)
    if failed:
        told.FailedSOPSequence = Sequence(failed)
    return (SOME_LACKING if failed else ALL_THERE), told


def answered(told: Dataset) -> tuple[str, dict[str, Told]]:
    """Transaction of an archive's answer, and what it says by SOP Instance UID. Items that name nothing are left out.

    An object that is named both as there and as failed has failed.
    """
    found = {uid: Told(Standing.PRESENT) for _, uid in map(_named, told.get("ReferencedSOPSequence", None) or [])}
    for item in told.get("FailedSOPSequence", None) or []:
        found[_named(item)[1]] = told_of(int(item.get("FailureReason", None) or PROCESSING_FAILURE))
    found.pop("", None)
    return str(told.get("TransactionUID", "")).strip(), found


def _reference(sop_class: str, uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = uid
    return item


def _named(item: Dataset) -> tuple[str, str]:
    sop_class = str(item.get("ReferencedSOPClassUID", "")).strip()
    return sop_class, str(item.get("ReferencedSOPInstanceUID", "")).strip()
