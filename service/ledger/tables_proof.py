"""Tables of what proves that nothing was lost: associations, confirmations, commitment requests, reconciliations."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Integer, String, Table, Text, UniqueConstraint, text

from service.ledger.tables import METADATA, RowId, Uid


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=text("''"))


def _number(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text("0"))


ASSOCIATION = Table(
    "association",
    METADATA,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double, nullable=False),
    Column("calling_ae_title", String(16), nullable=False),
    Column("called_ae_title", String(16), nullable=False),
    Column("peer", String(64), nullable=False),
    _number("stored"),
    _number("refused"),
    Column("bytes", BigInteger, nullable=False, server_default=text("0")),
    Column("ending", String(16), nullable=False),
    Index("ix_association_started", "started_at"),
)
"""Written when an association ends; its objects are those of the same peer between its two times."""

CONFIRMATION = Table(
    "confirmation",
    METADATA,
    Column("sop_instance_uid", Uid, primary_key=True),
    Column("destination", String(64), primary_key=True),
    Column("method", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("due", Double, nullable=False),
    _number("attempt"),
    _number("resent"),
    Column("transaction_uid", Uid, nullable=False, server_default=text("''")),
    Column("asked_at", Double, nullable=True),
    Column("confirmed_at", Double, nullable=True),
    _text("reason"),
    Index("ix_confirmation_due", "destination", "state", "due"),
    Index("ix_confirmation_transaction", "transaction_uid"),
)
"""Whether a destination that took a result really has it."""

COMMITMENT_REQUEST = Table(
    "commitment_request",
    METADATA,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("transaction_uid", Uid, nullable=False),
    Column("ae_title", String(16), nullable=False),
    Column("peer", String(64), nullable=False),
    Column("received_at", Double, nullable=False),
    Column("objects", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("due", Double, nullable=False),
    _number("attempt"),
    _number("lacking"),
    Column("answered_at", Double, nullable=True),
    _text("reason"),
    UniqueConstraint("ae_title", "transaction_uid"),
    Index("ix_commitment_request_due", "state", "due"),
)
"""What scanners asked us to vouch for, and whether they have been answered."""

RECONCILIATION = Table(
    "reconciliation",
    METADATA,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("peer", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    _number("looked"),
    _number("missing"),
    _number("mended"),
    _text("detail"),
    _text("error"),
    Index("ix_reconciliation_peer", "peer", "kind", "at"),
)
"""One row for each comparison with a peer; ``detail`` names the UIDs that were missing, the first hundred."""
