"""Alembic's environment; muster.storage.migrations passes the connection."""

from alembic import context

from muster.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
)
context.run_migrations()
