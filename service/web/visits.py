"""What visitors of the pages did, for the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who and from where. No user: there is no login."""

    user: str
    address: str


@dataclass(frozen=True, slots=True)
class Looked:
    """Somebody looked at a study."""

    visitor: Visitor
    study_instance_uid: str


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """Somebody gave a password, or logged out."""

    visitor: Visitor
    good: bool
    out: bool = False


Told = Callable[[Looked | LoggedIn], None]
