"""What stands for an identifier outside: derived from it by a key that stays here, the same each time.

The key is made of the service's own and the project's name: two projects cannot be joined, one project's second
export fits its first. There is no table that leads back.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b32encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

_STANDARD = "1.2.840.10008."
"""UIDs of the standard itself (classes, syntaxes) name nobody."""
_UID = re.compile(r"2\.25\.[0-9]{6,}|[0-9]+(\.[0-9]+){3,}")
"""In the midst of a text; a version has three parts, and so has a UID that is made of a UUID."""


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """For one patient in one project."""

    key: bytes
    patient_id: str

    @classmethod
    def of(cls, secret: bytes, project: str, patient_id: str) -> Pseudonyms:
        """From the service's secret."""
        return cls(hmac.digest(secret, f"export {project}".encode(), hashlib.sha256), patient_id)

    @property
    def patient(self) -> str:
        """Instead of Patient ID and name."""
        return "NMUS-" + b32encode(self._digest("patient", self.patient_id))[:12].decode()

    @property
    def days(self) -> int:
        """How far this patient's dates move back: one to ten years, so that intervals stay and no date does."""
        return 365 + int.from_bytes(self._digest("days", self.patient_id)[:8]) % 3285

    def uid(self, uid: str) -> str:
        """A UID of ours for one of theirs (PS3.5 section B.2)."""
        if uid.startswith(_STANDARD) or not uid:
            return uid
        number = int.from_bytes(self._digest("uid", uid)[:16]) & ~(0xF << 76) & ~(0x3 << 62) | (0x8 << 76) | (0x2 << 62)
        return f"2.25.{number}"

    def date(self, text: str) -> str:
        """A DICOM date, or the date at the start of a date and time, moved; empty if it is none."""
        try:
            moved = date(int(text[:4]), int(text[4:6]), int(text[6:8])) - timedelta(days=self.days)
        except (ValueError, OverflowError):
            return ""
        return moved.strftime("%Y%m%d") + text[8:]

    def in_json(self, value: object) -> object:
        """Findings with every UID in them replaced."""
        swap: Callable[[re.Match[str]], str] = lambda found: self.uid(found[0])  # noqa: E731
        if isinstance(value, str):
            return _UID.sub(swap, value)
        if isinstance(value, list):
            return [self.in_json(one) for one in value]
        if isinstance(value, dict):
            return {name: self._member(str(name), one) for name, one in value.items()}
        return value

    def _member(self, name: str, value: object) -> object:
        """What is called a UID is one, whatever its form."""
        return self.uid(value) if name.endswith("_uid") and isinstance(value, str) else self.in_json(value)

    def _digest(self, kind: str, text: str) -> bytes:
        return hmac.digest(self.key, f"{kind}\0{text}".encode(), hashlib.sha256)
