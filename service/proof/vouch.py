"""Vouching for what scanners sent us: an object is committed when its row, its file and its digest say so.

Nothing is taken on trust of the ledger alone: the file is read and digested again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from pydicom import Dataset
from pynetdicom.association import Association

from service.ledger import CommitmentRequest, Instance, Ledger
from service.objects import Objects
from service.proof.commitment import (
    CONFLICT,
    NO_SUCH_INSTANCE,
    PROCESSING_FAILURE,
    PUSH_MODEL,
    PUSH_MODEL_INSTANCE,
    answer,
)


def verify(
    ledger: Ledger, where: Objects, objects: Sequence[tuple[str, str]]
) -> tuple[list[tuple[str, str]], list[tuple[str, str, int]]]:
    """What we can vouch for, and what not with the reason, of (SOP class UID, SOP instance UID)."""
    present, lacking = [], []
    for sop_class, uid in objects:
        reason = _reason(ledger.instance(uid), where, sop_class)
        if reason is None:
            present.append((sop_class, uid))
        else:
            lacking.append((sop_class, uid, reason))
    return present, lacking


def _reason(versions: Sequence[Instance], where: Objects, sop_class: str) -> int | None:
    """Why we do not vouch for an object; ``None`` if we do. Of several versions every one must be whole."""
    if not versions:
        return NO_SUCH_INSTANCE
    if all(one.sop_class_uid != sop_class for one in versions):
        return CONFLICT
    digests = [where.data_digest(one.path) for one in versions]
    if None in digests:
        return NO_SUCH_INSTANCE
    whole = all(found == one.sha256 for found, one in zip(digests, versions, strict=True))
    return None if whole else PROCESSING_FAILURE


def report(
    association: Association, ledger: Ledger, where: Objects, request: CommitmentRequest, now: float | None = None
) -> str:
    """Verify, tell the scanner on this association, and note it; why that failed, or empty."""
    present, lacking = verify(ledger, where, request.objects)
    kind, told = answer(request.transaction_uid, present, lacking)
    status = _send(association, kind, told)
    code = status.get("Status")
    if code is None:
        return "no reply to the answer"
    if code != 0x0000 and not 0xB000 <= code <= 0xBFFF:
        return f"the answer was refused, status 0x{code:04X}"
    ledger.request_answered(request.id, len(lacking), time.time() if now is None else now)
    return ""


def _send(association: Association, kind: int, told: Dataset) -> Dataset:
    try:
        status, _ = association.send_n_event_report(told, kind, PUSH_MODEL, PUSH_MODEL_INSTANCE)
    except (RuntimeError, ValueError):
        return Dataset()  # the association ended meanwhile, or the service was not agreed on
    return status
