"""Counts over the request log, for the overview and the doctor."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from muster.storage.port.engine import Upkeep
from muster.storage.records.requests import TICKS_PER_SECOND
from muster.storage.repair.derived import bound


class OutcomeCount(NamedTuple):
    """The requests of one key in one part of a range.

    Attributes:
        part: The number of the part since 1970.
        key_id: The id of the key; empty if it is unknown.
        total: The number of requests.
        refused: The number of those that were answered with 4xx.
        errors: The number of those that were answered with 5xx.
        unauthorized: The number of those that were answered with 401.
    """

    part: int
    key_id: str
    total: int
    refused: int
    errors: int
    unauthorized: int


class RequestFigures:
    """Counts recorded requests."""

    def __init__(self, storage: Upkeep) -> None:
        self._storage = storage

    async def extent(self, workspace: int) -> tuple[int, int]:
        """Return how many requests are recorded, and the number of the latest; 0 for none."""
        sql = "SELECT count(*), max(number) FROM requests WHERE workspace = $1"
        found = await self._storage.query(bound(sql, workspace))
        return int(found[0][0]), int(found[0][1] or 0)

    async def oldest(self, workspace: int) -> int | None:
        """Return the number of the oldest request that is recorded; None for none."""
        sql = "SELECT min(number) FROM requests WHERE workspace = $1"
        found = await self._storage.query(bound(sql, workspace))
        return None if found[0][0] is None else int(found[0][0])

    async def outcomes(self, workspace: int, since: int, seconds: int) -> Sequence[OutcomeCount]:
        """Count requests by key and by part of a range.

        Args:
            workspace: The id of the workspace.
            since: The lowest number of a request.
            seconds: The length of a part.
        """
        sql = (
            "SELECT number / $3, key_id, count(*),"
            " sum(CASE WHEN status BETWEEN 400 AND 499 THEN 1 ELSE 0 END),"
            " sum(CASE WHEN status >= 500 THEN 1 ELSE 0 END),"
            " sum(CASE WHEN status = 401 THEN 1 ELSE 0 END)"
            " FROM requests WHERE workspace = $1 AND number >= $2 GROUP BY 1, 2"
        )
        length = seconds * TICKS_PER_SECOND
        found = await self._storage.query(bound(sql, workspace, since, length))
        return [
            OutcomeCount(int(part), key_id, *(int(count) for count in counts))
            for part, key_id, *counts in found
        ]

    async def last_refusals(self, workspace: int) -> dict[str, tuple[int, int]]:
        """Return the latest failed request of each key: its number and its status, by key id."""
        sql = (
            "SELECT r.key_id, r.number, r.status FROM requests r JOIN"
            " (SELECT key_id, max(number) AS number FROM requests"
            " WHERE workspace = $1 AND status >= 400 GROUP BY key_id) AS last"
            " ON r.number = last.number WHERE r.workspace = $1"
        )
        found: Sequence[Sequence[Any]] = await self._storage.query(bound(sql, workspace))
        return {row[0]: (int(row[1]), int(row[2])) for row in found}
