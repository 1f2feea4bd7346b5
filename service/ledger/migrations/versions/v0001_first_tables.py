"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

RowId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create all."""
    op.create_table(
        "circuit",
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("retry_at", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("paused", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("destination", name="pk_circuit"),
    )
    op.create_table(
        "cursor",
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_cursor"),
    )
    op.create_table(
        "event",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), server_default=sa.text("''"), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), server_default=sa.text("''"), nullable=False),
        sa.Column("job", RowId, nullable=True),
        sa.Column("destination", sa.String(length=64), server_default=sa.text("''"), nullable=False),
        sa.Column("detail", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
    )
    op.create_index("ix_event_study", "event", ["study_instance_uid", "id"], unique=False)
    op.create_table(
        "instance",
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("transfer_syntax_uid", sa.String(length=64), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.Column("source", sa.String(length=64), server_default=sa.text("''"), nullable=False),
        sa.Column("peer", sa.String(length=64), server_default=sa.text("''"), nullable=False),
        sa.Column("modality", sa.String(length=16), server_default=sa.text("''"), nullable=False),
        sa.Column("conflict", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("sop_instance_uid", "sha256", name="pk_instance"),
    )
    op.create_index("ix_instance_study", "instance", ["study_instance_uid", "generation"], unique=False)
    op.create_table(
        "process",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("beat_at", sa.Double(), nullable=False),
        sa.Column("counters", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_process"),
    )
    op.create_table(
        "study",
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("first_received_at", sa.Double(), nullable=False),
        sa.Column("last_received_at", sa.Double(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("study_instance_uid", name="pk_study"),
    )
    op.create_index("ix_study_state", "study", ["state"], unique=False)
    op.create_table(
        "job",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due", sa.Double(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("claims_without_outcome", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("owner", sa.String(length=128), server_default=sa.text("''"), nullable=False),
        sa.Column("lease_until", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.Column("cause", sa.String(length=16), server_default=sa.text("''"), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("findings", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.ForeignKeyConstraint(["study_instance_uid"], ["study.study_instance_uid"], name="fk_job_study_instance_uid"),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sa.UniqueConstraint("study_instance_uid", "generation", name="uq_job_study_instance_uid_generation"),
    )
    op.create_index("ix_job_state", "job", ["state", "due", "id"], unique=False)
    op.create_table(
        "result",
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=64), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("job_id", RowId, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=16), server_default=sa.text("''"), nullable=False),
        sa.Column("key", sa.String(length=256), server_default=sa.text("''"), nullable=False),
        sa.Column("instance_number", sa.Integer(), nullable=False),
        sa.Column("transfer_syntax_uid", sa.String(length=64), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_result_job_id"),
        sa.PrimaryKeyConstraint("sop_instance_uid", name="pk_result"),
    )
    op.create_index("ix_result_study", "result", ["study_instance_uid", "generation"], unique=False)
    op.create_table(
        "verdict",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("job_id", RowId, nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("plugin", sa.String(length=128), server_default=sa.text("''"), nullable=False),
        sa.Column("code", sa.String(length=64), server_default=sa.text("''"), nullable=False),
        sa.Column("text", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("remedy", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_verdict_job_id"),
        sa.PrimaryKeyConstraint("id", name="pk_verdict"),
    )
    op.create_index("ix_verdict_instance", "verdict", ["sop_instance_uid", "generation"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due", sa.Double(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("owner", sa.String(length=128), server_default=sa.text("''"), nullable=False),
        sa.Column("lease_until", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("sent_at", sa.Double(), nullable=True),
        sa.Column("last_error", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.ForeignKeyConstraint(["sop_instance_uid"], ["result.sop_instance_uid"], name="fk_outbox_sop_instance_uid"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("sop_instance_uid", "destination", name="uq_outbox_sop_instance_uid_destination"),
    )
    op.create_index("ix_outbox_destination", "outbox", ["destination", "state", "due", "id"], unique=False)


def downgrade() -> None:
    """Remove all."""
    op.drop_index("ix_outbox_destination", table_name="outbox")
    op.drop_table("outbox")
    op.drop_index("ix_verdict_instance", table_name="verdict")
    op.drop_table("verdict")
    op.drop_index("ix_result_study", table_name="result")
    op.drop_table("result")
    op.drop_index("ix_job_state", table_name="job")
    op.drop_table("job")
    op.drop_index("ix_study_state", table_name="study")
    op.drop_table("study")
    op.drop_table("process")
    op.drop_index("ix_instance_study", table_name="instance")
    op.drop_table("instance")
    op.drop_index("ix_event_study", table_name="event")
    op.drop_table("event")
    op.drop_table("cursor")
    op.drop_table("circuit")
