"""Rows of what proves that nothing was lost, as frozen values. Times are seconds since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ConfirmState(StrEnum):
    """Where the confirmation of one result at one destination stands."""

    WAITING = "waiting"
    """To be asked for when it is due."""
    ASKED = "asked"
    """Asked; the answer has until ``due`` to come."""
    RESENDING = "resending"
    """The destination lacks it: it is in the outbox again."""
    CONFIRMED = "confirmed"
    UNCONFIRMED = "unconfirmed"
    """Given up: somebody must look."""


class RequestState(StrEnum):
    """Where a scanner's commitment request stands."""

    WAITING = "waiting"
    ANSWERED = "answered"
    UNANSWERED = "unanswered"
    """Given up: the scanner could not be reached for a week, or it has no address in the settings."""


@dataclass(frozen=True, slots=True)
class Association:
    """One association that sent us objects, written when it ended."""

    started_at: float
    ended_at: float
    calling_ae_title: str
    called_ae_title: str
    peer: str
    stored: int
    refused: int
    bytes: int
    ending: str
    """``released``, ``aborted`` or ``lost``."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Whether a destination that took a result really has it."""

    sop_instance_uid: str
    destination: str
    method: str
    """``commitment``, ``find`` or ``qido``."""
    state: ConfirmState
    due: float
    attempt: int
    """How often it was asked for since it was last sent."""
    resent: int
    """How often it was sent again because the destination lacked it."""
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    sha256: str
    """Of our file."""
    path: str
    transaction_uid: str = ""
    """Of the last request for commitment."""
    asked_at: float | None = None
    confirmed_at: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CommitmentRequest:
    """What a scanner asked us to vouch for."""

    id: int
    transaction_uid: str
    ae_title: str
    peer: str
    received_at: float
    objects: tuple[tuple[str, str], ...]
    """(SOP class UID, SOP instance UID)."""
    state: RequestState
    due: float
    attempt: int
    lacking: int
    """How many of the objects we could not vouch for, once answered."""
    answered_at: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One comparison with a peer."""

    at: float
    peer: str
    kind: str
    """``images`` (they have, we lack) or ``results`` (we sent, they lack)."""
    looked: int
    missing: int
    mended: int
    """How many of the missing were fetched or put into the outbox again."""
    detail: str = ""
    """UIDs of the missing, the first hundred, one a line."""
    error: str = ""


@dataclass(frozen=True, slots=True)
class ConfirmStatus:
    """The confirmations of one destination, for the pages and metrics."""

    destination: str
    confirmed: int
    open: int
    unconfirmed: int
