"""Tables of who an object belongs to, and of what must not be sent or is no longer valid.

Identity is kept as keyed digests only: the ledger can tell that two objects name different patients and find a study
by its accession number, and holds neither.
"""

from __future__ import annotations

from sqlalchemy import Column, Double, Index, String, Table, Text, text

from service.ledger.tables import METADATA, Uid


def _digest(name: str) -> Column[str]:
    return Column(name, String(64), nullable=False, server_default=text("''"))


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=text("''"))


IDENTITY = Table(
    "identity",
    METADATA,
    Column("sop_instance_uid", Uid, primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("study_instance_uid", Uid, nullable=False),
    _digest("patient_id"),
    _digest("patient_name"),
    _digest("birth_date"),
    _digest("accession"),
    Index("ix_identity_study", "study_instance_uid"),
    Index("ix_identity_patient", "patient_id"),
    Index("ix_identity_accession", "accession"),
)
"""Empty where the object says nothing."""

QUARANTINE = Table(
    "quarantine",
    METADATA,
    Column("study_instance_uid", Uid, primary_key=True),
    Column("since", Double, nullable=False),
    _text("reason"),
    _text("remedy"),
    _digest("fingerprint"),
    Column("released_at", Double, nullable=True),
    Column("released_by", String(64), nullable=False, server_default=text("''")),
)
"""Studies of which nothing is sent. ``fingerprint`` is of the contradiction: a release holds for that one only."""

WITHDRAWAL = Table(
    "withdrawal",
    METADATA,
    Column("sop_instance_uid", Uid, primary_key=True),
    Column("study_instance_uid", Uid, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("at", Double, nullable=False),
    Column("code", String(16), nullable=False),
    _text("reason"),
    Column("note_uid", Uid, nullable=False, server_default=text("''")),
    Column("by", String(64), nullable=False, server_default=text("''")),
    Index("ix_withdrawal_study", "study_instance_uid"),
)
"""Results that we took back (``kind`` result), and images that somebody else rejected (``kind`` image)."""
