"""Leases: rights that one process at a time has, across workers and replicas.

A lease is a row with an owner and an expiry. Taking it is one INSERT … ON CONFLICT DO UPDATE that
succeeds only if the lease is free, expired or already ours, followed by a read that tells who has
it. If a process dies, its lease expires and another takes over. The clocks of all machines must
agree to well within the length of a lease.
"""

import secrets

from muster.base import clock
from muster.storage.port.engine import Upkeep
from muster.storage.repair.derived import bound


class Leases:
    """The leases of one process."""

    def __init__(self, storage: Upkeep) -> None:
        self._storage = storage
        self.owner = secrets.token_hex(8)

    async def take(self, workspace: int, name: str, seconds: float) -> bool:
        """Take a lease or extend it, and tell whether this process has it."""
        moment = clock.milliseconds()
        take = (
            "INSERT INTO leases (workspace, name, owner, until) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (workspace, name) DO UPDATE"
            " SET owner = excluded.owner, until = excluded.until"
            " WHERE leases.owner = excluded.owner OR leases.until < $5"
        )
        values = (workspace, name, self.owner, moment + int(seconds * 1000), moment)
        await self._storage.transact(workspace, [bound(take, *values)])
        read = "SELECT owner FROM leases WHERE workspace = $1 AND name = $2"
        rows = await self._storage.query(bound(read, workspace, name))
        return bool(rows) and rows[0][0] == self.owner

    async def release(self, workspace: int, name: str) -> None:
        """Release a lease."""
        drop = "DELETE FROM leases WHERE workspace = $1 AND name = $2 AND owner = $3"
        await self._storage.transact(workspace, [bound(drop, workspace, name, self.owner)])
