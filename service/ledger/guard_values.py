"""Rows of identity, quarantine and withdrawal, as frozen values. Identity is keyed digests, never clear text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """What one object says of whom it shows, as keyed digests; empty where it says nothing."""

    sop_instance_uid: str
    sha256: str
    study_instance_uid: str
    patient_id: str = ""
    patient_name: str = ""
    birth_date: str = ""
    accession: str = ""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A study of which nothing is sent, until somebody releases it or the contradiction is gone."""

    study_instance_uid: str
    since: float
    reason: str
    remedy: str
    fingerprint: str
    """Of the contradiction: a release holds for this one only."""
    released_at: float | None = None
    released_by: str = ""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A result that we took back, or an image that somebody else rejected."""

    sop_instance_uid: str
    study_instance_uid: str
    kind: str
    """``result`` or ``image``."""
    at: float
    code: str
    """Of DICOM CID 7011."""
    reason: str
    note_uid: str = ""
    """The rejection note."""
    by: str = ""
