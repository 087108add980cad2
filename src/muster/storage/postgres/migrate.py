"""Migrations on PostgreSQL, in one transaction under an advisory lock.

If ten replicas start at once, one of them migrates and the others wait for it.
"""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from muster.storage import migrations
from muster.storage.port.engine import Missing
from muster.storage.port.errors import StorageError
from muster.storage.postgres.connection import connect, translated

MIGRATION_LOCK = 0x6D7573746572
"""The advisory lock that everything that changes the tables holds."""
_SCRATCH = "muster_repair"
_INDEX = "SELECT indexdef FROM pg_indexes WHERE schemaname = :schema AND indexname = :name"
_CONSTRAINTS = (
    "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE conrelid = CAST(CAST(:table AS text) AS regclass) AND CAST(contype AS text) = :kind"
)
T = TypeVar("T")


async def migrate(url: str, revision: str = "head") -> tuple[str | None, str]:
    """Migrate the database to this version's tables.

    Returns:
        The revisions before and after; None if the database was empty.

    Raises:
        NewerDatabase: A later version of muster has migrated the database.
        StorageError: The engine cannot answer.
    """

    def upgrade(connection: Connection) -> tuple[str | None, str]:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        return migrations.upgrade(connection, revision)

    return await _run(url, upgrade)


async def missing(url: str) -> list[Missing]:
    """Return the tables, columns, keys and indexes that the database lacks."""
    return await _run(url, migrations.missing)


async def recreate(url: str, gap: Missing) -> None:
    """Create a missing table, key or index, as the migrations define it.

    The migrations run in a schema of their own, and the missing part is moved or copied from there,
    in one transaction.

    Raises:
        StorageError: It cannot be created.
    """

    def take(connection: Connection) -> None:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        target = connection.execute(text("SELECT quote_ident(current_schema())")).scalar_one()
        connection.execute(text(f"CREATE SCHEMA {_SCRATCH}"))
        connection.execute(text(f"SET LOCAL search_path = {_SCRATCH}"))
        migrations.upgrade(connection)
        for statement in _taking(connection, gap, target):
            connection.execute(text(statement))
        connection.execute(text(f"DROP SCHEMA {_SCRATCH} CASCADE"))

    await _run(url, take)


def _taking(connection: Connection, gap: Missing, target: str) -> list[str]:
    """Return the statements that move or copy a missing part from the scratch schema."""
    if gap.kind == "table":
        return [f"ALTER TABLE {_SCRATCH}.{gap.table} SET SCHEMA {target}"]
    if gap.kind == "index":
        found = connection.execute(
            text(_INDEX), {"schema": _SCRATCH, "name": gap.name}
        ).scalar_one()
        return [
            f"DROP INDEX IF EXISTS {target}.{gap.name}",
            str(found).replace(f" ON {_SCRATCH}.", f" ON {target}.", 1),
        ]
    kind = {"primary key": "p", "unique constraint": "u"}.get(gap.kind)
    defined = (
        connection.execute(text(_CONSTRAINTS), {"table": f"{_SCRATCH}.{gap.table}", "kind": kind})
        .scalars()
        .all()
    )
    wanted = [one for one in defined if one.endswith(gap.name)]
    if not wanted:
        raise StorageError(f"the {gap.kind} cannot be added to a table that exists")
    return [f"ALTER TABLE {target}.{gap.table} ADD {one}" for one in wanted]


async def _run(url: str, work: Callable[[Connection], T]) -> T:
    """Run synchronous work of SQLAlchemy in a transaction.

    Raises:
        StorageError: The engine cannot answer.
    """
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
