"""Alembic's environment: the connection is handed in by muster.storage.migrations."""

from alembic import context

from muster.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
)
context.run_migrations()
