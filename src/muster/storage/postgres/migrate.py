"""Migrations on PostgreSQL: one transaction under an advisory lock, so that of ten replicas that start at once one migrates."""

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from muster.storage import migrations
from muster.storage.postgres.connection import connect, translated

_LOCK = 0x6D7573746572


async def migrate(url: str, revision: str = "head") -> tuple[str | None, str]:
    """Bring the database to this version's tables. Returns revisions before and after. Raises NewerDatabase, StorageError."""
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: connect(url), poolclass=NullPool)

    def upgrade(connection: Connection) -> tuple[str | None, str]:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        return migrations.upgrade(connection, revision)

    with translated():
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(upgrade)
        except DBAPIError as error:
            cause = error.orig.__cause__ if error.orig is not None else None
            if isinstance(cause, Exception):
                raise cause from error
            raise
        finally:
            await engine.dispose()
