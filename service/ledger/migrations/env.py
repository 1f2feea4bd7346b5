"""Alembic's entry: runs on the connection that :func:`service.ledger.migrate.migrate` hands over."""

from alembic import context

from service.ledger.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
