"""Associations, confirmations, commitment requests, reconciliations; identities, quarantine, withdrawals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

RowId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
EMPTY, ZERO = sa.text("''"), sa.text("0")


def upgrade() -> None:
    """Create all."""
    _proof()
    _requests()
    _guard()


def _proof() -> None:
    op.create_table(
        "association",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=False),
        sa.Column("calling_ae_title", sa.String(length=16), nullable=False),
        sa.Column("called_ae_title", sa.String(length=16), nullable=False),
        sa.Column("peer", sa.String(length=64), nullable=False),
        sa.Column("stored", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("refused", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("bytes", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("ending", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_association"),
    )
    op.create_index("ix_association_started", "association", ["started_at"], unique=False)
    op.create_table(
        "confirmation",
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due", sa.Double(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("resent", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("transaction_uid", sa.String(length=64), server_default=EMPTY, nullable=False),
        sa.Column("asked_at", sa.Double(), nullable=True),
        sa.Column("confirmed_at", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), server_default=EMPTY, nullable=False),
        sa.PrimaryKeyConstraint("sop_instance_uid", "destination", name="pk_confirmation"),
    )
    op.create_index("ix_confirmation_due", "confirmation", ["destination", "state", "due"], unique=False)
    op.create_index("ix_confirmation_transaction", "confirmation", ["transaction_uid"], unique=False)


def _requests() -> None:
    op.create_table(
        "commitment_request",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("transaction_uid", sa.String(length=64), nullable=False),
        sa.Column("ae_title", sa.String(length=16), nullable=False),
        sa.Column("peer", sa.String(length=64), nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.Column("objects", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due", sa.Double(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("lacking", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("answered_at", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), server_default=EMPTY, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_commitment_request"),
        sa.UniqueConstraint("ae_title", "transaction_uid", name="uq_commitment_request_ae_title_transaction_uid"),
    )
    op.create_index("ix_commitment_request_due", "commitment_request", ["state", "due"], unique=False)
    op.create_table(
        "reconciliation",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("peer", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("looked", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("missing", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("mended", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("detail", sa.Text(), server_default=EMPTY, nullable=False),
        sa.Column("error", sa.Text(), server_default=EMPTY, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reconciliation"),
    )
    op.create_index("ix_reconciliation_peer", "reconciliation", ["peer", "kind", "at"], unique=False)


def _guard() -> None:
    op.create_table(
        "identity",
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), server_default=EMPTY, nullable=False),
        sa.Column("patient_name", sa.String(length=64), server_default=EMPTY, nullable=False),
        sa.Column("birth_date", sa.String(length=64), server_default=EMPTY, nullable=False),
        sa.Column("accession", sa.String(length=64), server_default=EMPTY, nullable=False),
        sa.PrimaryKeyConstraint("sop_instance_uid", "sha256", name="pk_identity"),
    )
    for index, column in (("study", "study_instance_uid"), ("patient", "patient_id"), ("accession", "accession")):
        op.create_index(f"ix_identity_{index}", "identity", [column], unique=False)
    op.create_table(
        "quarantine",
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text(), server_default=EMPTY, nullable=False),
        sa.Column("remedy", sa.Text(), server_default=EMPTY, nullable=False),
        sa.Column("fingerprint", sa.String(length=64), server_default=EMPTY, nullable=False),
        sa.Column("released_at", sa.Double(), nullable=True),
        sa.Column("released_by", sa.String(length=64), server_default=EMPTY, nullable=False),
        sa.PrimaryKeyConstraint("study_instance_uid", name="pk_quarantine"),
    )
    op.create_table(
        "withdrawal",
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), server_default=EMPTY, nullable=False),
        sa.Column("note_uid", sa.String(length=64), server_default=EMPTY, nullable=False),
        sa.Column("by", sa.String(length=64), server_default=EMPTY, nullable=False),
        sa.PrimaryKeyConstraint("sop_instance_uid", name="pk_withdrawal"),
    )
    op.create_index("ix_withdrawal_study", "withdrawal", ["study_instance_uid"], unique=False)
