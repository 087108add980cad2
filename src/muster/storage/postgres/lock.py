"""The lock of a workspace, which every transaction that writes to the workspace takes first.

So these transactions run one after the other. The lock has two parts. The advisory lock is cheap to
wait for, but it lives on the server that muster talks to. When the tables are spread over several
machines (Citus), a transaction may be prepared on a worker, its advisory lock already released and
its rows not yet visible. Such a transaction still holds its row locks. So the second part is a row:
the last change of the workspace, which the transaction before has locked as well, and which lies on
the same machine as the workspace's other rows.
"""

from muster.storage.postgres.connection import Connection

LOCK = "SELECT pg_advisory_xact_lock($1, $2)"
LOCK_SPACE = 0x6D757374
"""The class of muster's advisory locks; the object is the workspace."""
_LAST_CHANGE = (
    "SELECT 1 FROM changes WHERE workspace = $1 ORDER BY sequence DESC LIMIT 1 FOR UPDATE"
)
_WITHOUT_CHANGES = """
INSERT INTO hierarchies (workspace, version) VALUES ($1, 0) ON CONFLICT (workspace) DO UPDATE SET version = hierarchies.version
"""
"""Locks a row that any workspace can have: a workspace without changes has no last one to lock."""


async def lock(connection: Connection, workspace: int) -> None:
    """Take the workspace's lock in the open transaction."""
    await connection.execute(LOCK, LOCK_SPACE, workspace)
    await lock_last_change(connection, workspace)


async def lock_last_change(connection: Connection, workspace: int) -> None:
    """Take the second part of the workspace's lock.

    Without an open transaction, wait until it is free.
    """
    if await connection.fetchval(_LAST_CHANGE, workspace) is None:
        await connection.execute(_WITHOUT_CHANGES, workspace)
