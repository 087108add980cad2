"""Opens the storage engine that a database URL names."""

import contextlib
import os
from pathlib import Path

from muster.base import clock
from muster.base.vault import Vault
from muster.config import Settings, is_postgres, sqlite_path
from muster.storage.port.engine import Storage
from muster.storage.port.errors import Conflict

DEFAULT_WORKSPACE = "default"


def open_storage(settings: Settings, patient: bool = False) -> Storage:
    """The engine that the database URL names, not started yet.

    Args:
        settings: The settings that name the database.
        patient: Whether writes to SQLite wait longer for other processes, as commands do.
    """
    page_bytes = max(
        settings.max_page_bytes, 2 * settings.max_body
    )  # one resource is a page at least
    if is_postgres(settings.database):
        from muster.storage.postgres import PostgresStorage

        return PostgresStorage(
            settings.database,
            settings.pool_size,
            settings.scan_seconds,
            page_bytes,
            vault_of(settings),
        )
    from muster.storage.sqlite import SqliteStorage

    path, seconds = sqlite_path(settings.database), settings.scan_seconds
    return SqliteStorage(path, seconds, page_bytes, patient, vault_of(settings))


def vault_of(settings: Settings) -> Vault:
    """Return the keys of the secrets in the database.

    A key file lies beside a SQLite database. The replicas of a PostgreSQL database share no folder,
    so they have to be given a key.
    """
    file = None
    if not is_postgres(settings.database):
        file = Path(os.path.realpath(sqlite_path(settings.database)) + ".key")
    return Vault(settings.secret_keys, file)


async def ensure_workspace(storage: Storage, settings: Settings) -> None:
    """Create the workspace `default` if it does not exist."""
    if await storage.find_workspace(DEFAULT_WORKSPACE) is None:
        with contextlib.suppress(Conflict):  # another process was first
            now = clock.now().isoformat()
            await storage.add_workspace(
                DEFAULT_WORKSPACE, settings.contract, strict=False, time=now
            )


async def undistributed(settings: Settings) -> list[str]:
    """Return the tables that Citus should distribute and does not; none on other databases."""
    if not is_postgres(settings.database):
        return []
    from muster.storage.postgres import citus

    return await citus.undistributed(settings.database)
