"""By which titles a study came: they choose its workflow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create it; what came before came as if there were no workflows."""
    op.create_table(
        "way",
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("called", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("study_instance_uid", "called", name="pk_way"),
    )
