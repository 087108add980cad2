"""Reads from `changes` how many users became active or stopped being so."""

from collections.abc import Sequence
from typing import Any

from muster.storage.port.engine import Upkeep
from muster.storage.repair.derived import bound

_INACTIVE = """'%"active":false%'"""
"""Documents are canonical JSON, so that of an inactive user contains this text.

Others may contain it too, in an extension: the caller must read those that do.
"""
_BEFORE = (
    "(SELECT b.document FROM changes b WHERE b.workspace = c.workspace AND b.id = c.id"
    " AND b.sequence < c.sequence AND b.version > 0 ORDER BY b.sequence DESC LIMIT 1)"
)
_OF_USERS = (
    "c.workspace = $1 AND c.sequence > $2 AND c.sequence <= $3 AND c.type = 'User'"
    " AND c.version > 0"
)
_UPDATED = f"c.action <> 'create' AND {_BEFORE} LIKE {_INACTIVE}"


class UserChanges:
    """The changes of users, in ranges of sequence numbers."""

    def __init__(self, storage: Upkeep) -> None:
        self._storage = storage

    async def end_of(self, workspace: int, after: int, rows: int) -> int | None:
        """Return the sequence number of the last of some rows after a number; None for none."""
        sql = (
            "SELECT max(sequence) FROM (SELECT sequence FROM changes WHERE workspace = $1"
            " AND sequence > $2 ORDER BY sequence LIMIT $3) AS part"
        )
        found = await self._storage.query(bound(sql, workspace, after, rows))
        return None if found[0][0] is None else int(found[0][0])

    async def first_after(self, workspace: int, after: int) -> tuple[int, str] | None:
        """Return the sequence number and the time of the first row after a number."""
        sql = (
            "SELECT sequence, time FROM changes WHERE workspace = $1 AND sequence > $2"
            " ORDER BY sequence LIMIT 1"
        )
        found = await self._storage.query(bound(sql, workspace, after))
        return (int(found[0][0]), str(found[0][1])) if found else None

    async def written_back(
        self, workspace: int, since: str, rows: int, limit: int
    ) -> Sequence[str]:
        """Return the users whom an administrator made inactive, and a client changed afterwards.

        Args:
            workspace: The workspace.
            since: The earliest time of the administrator's change.
            rows: The number of the workspace's latest changes to examine.
            limit: The most users to return, those of the latest changes.
        """
        latest = (
            "SELECT sequence, workspace, time, actor, type, id, version FROM changes"
            " WHERE workspace = $1 ORDER BY sequence DESC LIMIT $3"
        )
        # OFFSET keeps PostgreSQL from joining with the changes of all clients.
        later = (
            "SELECT 1 FROM changes k WHERE k.workspace = c.workspace AND k.id = c.id"
            " AND k.sequence > c.sequence AND k.version > 0 AND (substr(k.actor, 1, 4) = 'key:'"
            " OR substr(k.actor, 1, 6) IN ('oauth:', 'trust:')) LIMIT 1 OFFSET 0"
        )
        # CASE: the documents of all other changes need not be read.
        document = "SELECT d.document FROM changes d WHERE d.sequence = c.sequence"
        chosen = (
            "CASE WHEN c.type = 'User' AND c.version > 0 AND c.time >= $2"
            " AND (substr(c.actor, 1, 6) = 'admin:' OR substr(c.actor, 1, 7) = 'openid:')"
            f" THEN ({document}) LIKE {_INACTIVE} AND EXISTS ({later}) ELSE FALSE END"
        )
        sql = (
            f"SELECT c.id FROM ({latest}) AS c WHERE {chosen}"
            " GROUP BY c.id ORDER BY max(c.sequence) DESC LIMIT $4"
        )
        found = await self._storage.query(bound(sql, workspace, since, rows, limit))
        return [str(row[0]) for row in found]

    async def made(self, workspace: int, after: int, last: int) -> Sequence[tuple[str, str, int]]:
        """Return the number of users that were created and deleted in each hour.

        Each row is (hour, action, number), with the hour as 2026-01-31T23.
        """
        sql = (
            f"SELECT substr(c.time, 1, 13), c.action, count(*) FROM changes c WHERE {_OF_USERS}"
            " AND c.action IN ('create', 'delete') GROUP BY substr(c.time, 1, 13), c.action"
        )
        found = await self._storage.query(bound(sql, workspace, after, last))
        return [(row[0], row[1], int(row[2])) for row in found]

    async def inactive(self, workspace: int, after: int, last: int) -> Sequence[tuple[Any, ...]]:
        """Return the changes of users who may have been inactive before or after.

        Each row is (hour, action, document, document before); the last is None for none.
        """
        sql = (
            f"SELECT substr(c.time, 1, 13), c.action, c.document, {_BEFORE} FROM changes c"
            f" WHERE {_OF_USERS} AND ((c.action <> 'delete' AND c.document LIKE {_INACTIVE})"
            f" OR ({_UPDATED})) ORDER BY c.sequence"
        )
        return [tuple(row) for row in await self._storage.query(bound(sql, workspace, after, last))]
