"""Migrations by Alembic, run by muster itself: on start, and by `muster migrate`."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from muster.storage.port import NewerDatabase


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection, revision: str = "head") -> tuple[str | None, str]:
    """Bring the database to this version's tables, in the transaction that the connection is in.

    revision: an earlier one to stop at. Returns the revision it was at and the one it is at.
    Raises NewerDatabase for a revision that this version does not have.
    """
    config = _config(connection)
    script = ScriptDirectory.from_config(config)
    known = {item.revision for item in script.walk_revisions()}
    before = MigrationContext.configure(connection).get_current_revision()
    head = script.get_current_head() or ""
    if before is not None and before not in known:
        raise NewerDatabase(
            f"the database is at revision {before}, and this muster knows {head} as the latest: run a later muster"
        )
    if before != head:
        command.upgrade(config, revision)
    return before, head
