"""Who a result is: UIDs derived from what went in, so that the same work gives the same object and never a second one.

UUID version 5 under ``2.25`` (PS3.5 B.2), or under an organisation's own root with the digits that still fit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid5

NAMESPACE = UUID("5f2f6d8e-8f57-5c1c-9d5e-6e6d75735f31")
"""Never changes: every UID that nmus has ever made derives from it."""
_UID_LENGTH = 64


def derived_uid(*parts: str, root: str = "") -> str:
    """A UID that the same parts always give.

    Parameters
    ----------
    parts:
        What the object is: kind, study, structure, digest. Order matters.
    root:
        Organisation's UID root without a final dot; empty for ``2.25``.
    """
    number = uuid5(NAMESPACE, "|".join(parts)).int
    if not root:
        return f"2.25.{number}"
    room = _UID_LENGTH - len(root) - 1
    return f"{root}.{str(number)[:room]}"


def digest(values: Iterable[Any]) -> str:
    """A short fingerprint of plain JSON values; what a result says decides which result it is."""
    text = json.dumps(list(values), sort_keys=True, default=str, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
