"""Migrations on PostgreSQL: one transaction under an advisory lock, so that of ten replicas that start at once one migrates."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from muster.storage import migrations
from muster.storage.postgres.connection import connect, translated

_LOCK = 0x6D7573746572
T = TypeVar("T")


async def migrate(url: str, revision: str = "head") -> tuple[str | None, str]:
    """Bring the database to this version's tables. Returns revisions before and after. Raises NewerDatabase, StorageError."""

    def upgrade(connection: Connection) -> tuple[str | None, str]:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        return migrations.upgrade(connection, revision)

    return await _run(url, upgrade)


async def missing(url: str) -> list[str]:
    """The tables, columns and indexes that the database does not have."""
    return await _run(url, migrations.missing)


async def _run(url: str, work: Callable[[Connection], T]) -> T:
    """Run work of SQLAlchemy's in a transaction. Raises StorageError."""
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: connect(url), poolclass=NullPool
    )
    with translated():
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(work)
        except DBAPIError as error:
            cause = error.orig.__cause__ if error.orig is not None else None
            if isinstance(cause, Exception):
                raise cause from error
            raise
        finally:
            await engine.dispose()
