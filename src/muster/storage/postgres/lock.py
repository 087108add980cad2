"""The lock of a workspace, which every transaction that writes to it takes first.

So the transactions of a workspace run one after the other, on every replica: none conflicts with
another, and the order of `changes` is the order of commits.

The lock has two parts. The advisory lock is cheap to wait for, but exists only on the server that
muster is connected to. If the tables are spread over several machines (Citus), a transaction may be
prepared on a worker while its advisory lock is already released and its rows are not yet visible.
Such a transaction still holds its row locks. So the second part is a row lock: on the workspace's
last change, which the previous transaction has locked as well, and which lies on the same machine
as the workspace's other rows.
"""

from muster.storage.postgres.connection import Connection

LOCK = "SELECT pg_advisory_xact_lock($1, $2)"
"""Takes the advisory lock of a workspace until the end of the transaction."""
LOCK_SPACE = 0x6D757374
"""The class of muster's advisory locks; the object is the workspace."""
_LAST_CHANGE = (
    "SELECT 1 FROM changes WHERE workspace = $1 ORDER BY sequence DESC LIMIT 1 FOR UPDATE"
)
_WITHOUT_CHANGES = """
INSERT INTO hierarchies (workspace, version) VALUES ($1, 0) ON CONFLICT (workspace) DO UPDATE
    SET version = hierarchies.version
"""
"""Locks a row that every workspace can have, for workspaces without a last change."""


async def lock(connection: Connection, workspace: int) -> None:
    """Take both parts of the workspace's lock in the open transaction."""
    await connection.execute(LOCK, LOCK_SPACE, workspace)
    await lock_last_change(connection, workspace)


async def lock_last_change(connection: Connection, workspace: int) -> None:
    """Take the second part of the workspace's lock.

    Outside a transaction it waits until the lock is free, without keeping it.
    """
    if await connection.fetchval(_LAST_CHANGE, workspace) is None:
        await connection.execute(_WITHOUT_CHANGES, workspace)
