"""The tables, for SQLite and PostgreSQL alike. The migrations create them; a test holds the two to be equal."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Uid = String(64)
RowId = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows only in a column declared INTEGER."""


def _words(name: str, length: int = 64) -> Column[str]:
    return Column(name, String(length), nullable=False, server_default=text("''"))


INSTANCE = Table(
    "instance",
    METADATA,
    Column("sop_instance_uid", Uid, primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("sop_class_uid", Uid, nullable=False),
    Column("study_instance_uid", Uid, nullable=False),
    Column("series_instance_uid", Uid, nullable=False),
    Column("transfer_syntax_uid", Uid, nullable=False),
    Column("path", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("received_at", Double, nullable=False),
    _words("source"),
    _words("peer"),
    _words("modality", 16),
    Column("conflict", Boolean, nullable=False, server_default=false()),
    Column("generation", Integer, nullable=True),
    Index("ix_instance_study", "study_instance_uid", "generation"),
)
"""``generation`` is null until the study settles with it inside."""

WAY = Table(
    "way",
    METADATA,
    Column("study_instance_uid", Uid, primary_key=True),
    Column("called", String(64), primary_key=True),
)
"""By which of the titles that choose a workflow a study came; empty for all other ways in. Without workflows none."""

STUDY = Table(
    "study",
    METADATA,
    Column("study_instance_uid", Uid, primary_key=True),
    Column("generation", Integer, nullable=False, server_default=text("0")),
    Column("first_received_at", Double, nullable=False),
    Column("last_received_at", Double, nullable=False),
    Column("state", String(16), nullable=False),
    Index("ix_study_state", "state"),
)

JOB = Table(
    "job",
    METADATA,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("study_instance_uid", Uid, ForeignKey("study.study_instance_uid"), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("due", Double, nullable=False),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("claims_without_outcome", Integer, nullable=False, server_default=text("0")),
    _words("owner", 128),
    Column("lease_until", Double, nullable=False, server_default=text("0")),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double, nullable=True),
    Column("finished_at", Double, nullable=True),
    _words("cause", 16),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("findings", Text, nullable=False, server_default=text("''")),
    UniqueConstraint("study_instance_uid", "generation"),
    Index("ix_job_state", "state", "due", "id"),
)

RESULT = Table(
    "result",
    METADATA,
    Column("sop_instance_uid", Uid, primary_key=True),
    Column("sop_class_uid", Uid, nullable=False),
    Column("series_instance_uid", Uid, nullable=False),
    Column("study_instance_uid", Uid, nullable=False),
    Column("job_id", RowId, ForeignKey("job.id"), nullable=False),
    Column("generation", Integer, nullable=False),
    _words("role", 16),
    _words("key", 256),
    Column("instance_number", Integer, nullable=False),
    Column("transfer_syntax_uid", Uid, nullable=False),
    Column("path", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Index("ix_result_study", "study_instance_uid", "generation"),
)

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("sop_instance_uid", Uid, ForeignKey("result.sop_instance_uid"), nullable=False),
    Column("destination", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("due", Double, nullable=False),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    _words("owner", 128),
    Column("lease_until", Double, nullable=False, server_default=text("0")),
    Column("created_at", Double, nullable=False),
    Column("sent_at", Double, nullable=True),
    Column("last_error", Text, nullable=False, server_default=text("''")),
    UniqueConstraint("sop_instance_uid", "destination"),
    Index("ix_outbox_destination", "destination", "state", "due", "id"),
)

CIRCUIT = Table(
    "circuit",
    METADATA,
    Column("destination", String(64), primary_key=True),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("retry_at", Double, nullable=False, server_default=text("0")),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("paused", Boolean, nullable=False, server_default=false()),
)

VERDICT = Table(
    "verdict",
    METADATA,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("job_id", RowId, ForeignKey("job.id"), nullable=False),
    Column("sop_instance_uid", Uid, nullable=False),
    Column("generation", Integer, nullable=False),
    _words("plugin", 128),
    _words("code"),
    Column("text", Text, nullable=False, server_default=text("''")),
    Column("remedy", Text, nullable=False, server_default=text("''")),
    Index("ix_verdict_instance", "sop_instance_uid", "generation"),
)

CURSOR = Table(
    "cursor",
    METADATA,
    Column("source", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
"""How far each Orthanc's ``/changes`` has been read."""

EVENT = Table(
    "event",
    METADATA,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("kind", String(32), nullable=False),
    _words("study_instance_uid"),
    _words("sop_instance_uid"),
    Column("job", RowId, nullable=True),
    _words("destination"),
    Column("detail", Text, nullable=False, server_default=text("''")),
    Index("ix_event_study", "study_instance_uid", "id"),
)
"""The audit trail: rows are added, never changed."""

PROCESS = Table(
    "process",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("pid", Integer, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("beat_at", Double, nullable=False),
    Column("counters", Text, nullable=False, server_default=text("'{}'")),
)
