"""Alembic's entry: runs the revisions on the connection that `services.api.migrate` opened."""

from __future__ import annotations

from alembic import context

from schemas.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
