"""What the answer to a STOW-RS request says of each object (PS3.18 section 10.5.3, PS3.3 table C.12-1 of references).

Services answer 200, 202 or 409 with a data set that lists what was stored and what failed, as DICOM JSON; some send
an array with it, some nothing at all. A failure's reason is a status of the storage service and has its fate.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from service.deliver.answers import Answer, Fate, of_status

_FAILED, _REASON = "00081198", "00081197"
_REFERENCED, _WARNING = "00081199", "00081196"
_INSTANCE = "00081155"


def answers(asked: Sequence[str], code: int, raw: bytes) -> dict[str, Answer] | None:
    """Fate of each SOP Instance UID that was posted, or ``None`` where the answer tells nothing of single objects."""
    told = _data_set(raw)
    if told is None:
        return dict.fromkeys(asked, Answer(Fate.SENT)) if code == 200 and not raw.strip() else None
    found: dict[str, Answer] = {}
    for uid, warning in _items(told, _REFERENCED, _WARNING):
        found[uid] = Answer(Fate.SENT, f"warning 0x{warning:04X}" if warning else "")
    for uid, reason in _items(told, _FAILED, _REASON):
        found[uid] = of_status(reason or 0x0110, "by STOW-RS")
    if not found:
        return None
    missing = Answer(Fate.LATER, f"HTTP {code} whose answer does not name the object")
    return {uid: found.get(uid, missing) for uid in asked}


def _data_set(raw: bytes) -> dict[str, Any] | None:
    try:
        read = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if isinstance(read, list) and read:
        read = read[0]
    return read if isinstance(read, dict) else None


def _items(told: dict[str, Any], sequence: str, number: str) -> Iterator[tuple[str, int]]:
    """(SOP Instance UID, status) of every item; an item that is not one is passed over."""
    for item in _values(told, sequence):
        uid = next(iter(_values(item, _INSTANCE)), "")
        status = next(iter(_values(item, number)), 0)
        if isinstance(uid, str) and uid:
            yield uid.strip("\0 "), status if isinstance(status, int) and 0 <= status <= 0xFFFF else 0x0110


def _values(item: object, tag: str) -> list[Any]:
    element = item.get(tag) if isinstance(item, dict) else None
    values = element.get("Value") if isinstance(element, dict) else None
    return values if isinstance(values, list) else []
