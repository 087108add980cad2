"""Migrations by Alembic, run by muster itself: at start, and in `muster migrate`."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Inspector, Table, UniqueConstraint, inspect

from muster.storage.port.engine import Missing
from muster.storage.port.errors import NewerDatabase
from muster.storage.tables import metadata
from muster.version import __version__


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def current(connection: Connection) -> str | None:
    """Return the revision of the database; None if it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def newest() -> str:
    """Return the revision of this version of muster."""
    folder = str(Path(__file__).parent)
    return ScriptDirectory(folder).get_current_head() or ""


def upgrade(connection: Connection, revision: str = "head") -> tuple[str | None, str]:
    """Migrate the database within the connection's transaction.

    Args:
        revision: The revision to stop at.

    Returns:
        The revisions before and after; None if the database was empty.

    Raises:
        NewerDatabase: This version does not know the database's revision.
    """
    config = _config(connection)
    script = ScriptDirectory.from_config(config)
    known = {item.revision for item in script.walk_revisions()}
    before = current(connection)
    head = script.get_current_head() or ""
    if before is not None and before not in known:
        raise NewerDatabase(
            f"the database is at revision {before}, newer than this version of muster"
            f" ({__version__}, revision {head}). Run the newer version, or restore a backup"
        )
    if before != head:
        command.upgrade(config, revision)
    return before, head


def missing(connection: Connection) -> list[Missing]:
    """Return the tables, columns, keys and indexes that the database lacks."""
    inspector = inspect(connection)
    existing = set(inspector.get_table_names())
    found = []
    for name, table in sorted(metadata.tables.items()):
        if name not in existing:
            found.append(Missing(name))
        else:
            found += [Missing(name, *part) for part in _missing_parts(inspector, table)]
    return found


def _missing_parts(inspector: Inspector, table: Table) -> list[tuple[str, str]]:
    columns = {column["name"] for column in inspector.get_columns(table.name)}
    parts = [("column", column.name) for column in table.columns if column.name not in columns]
    # The columns are not compared: on PostgreSQL some keys contain the workspace in addition.
    if not inspector.get_pk_constraint(table.name)["constrained_columns"]:
        parts.append(("primary key", ""))
    unique = {tuple(item["column_names"]) for item in inspector.get_unique_constraints(table.name)}
    for constraint in table.constraints:
        wanted = (
            tuple(column.name for column in constraint.columns)
            if isinstance(constraint, UniqueConstraint)
            else ()
        )
        if wanted and wanted not in unique:
            parts.append(("unique constraint", f"({', '.join(wanted)})"))
    indexes = {
        str(index["name"]): index["column_names"] for index in inspector.get_indexes(table.name)
    }
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        if indexes.get(str(index.name)) != [column.name for column in index.columns]:
            parts.append(("index", str(index.name)))
    return parts
