"""The numbers of requests by workspace, connection and day, and the figures that go with them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from muster.storage.port.engine import Upkeep
from muster.storage.port.items import INSTALLATION
from muster.storage.repair.derived import bound

_CHUNK = 200
_ADD = """
INSERT INTO usage_days (workspace, day, connection, requests, refusals, last)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (workspace, day, connection) DO UPDATE SET
    requests = usage_days.requests + excluded.requests,
    refusals = usage_days.refusals + excluded.refusals,
    last = CASE WHEN usage_days.last > excluded.last THEN usage_days.last ELSE excluded.last END
"""


@dataclass(frozen=True, slots=True)
class UsageDay:
    """The requests of a connection on a day.

    Attributes:
        day: The day in UTC, such as 2026-01-31.
        requests: All requests with its credentials.
        refusals: Those that were answered with a status from 400.
        last: The time of the last one, to half a minute.
    """

    workspace: int
    day: str
    connection: str
    requests: int
    refusals: int
    last: str


@dataclass(slots=True)
class Headcount:
    """The numbers of resources of a workspace."""

    users: int = 0
    inactive: int = 0
    groups: int = 0


class UsageStore:
    """Stores and reads usage."""

    def __init__(self, storage: Upkeep) -> None:
        self._storage = storage

    async def add(self, counted: list[UsageDay]) -> None:
        """Add the requests that a process has counted, and remove from the list what is stored.

        Each part is one transaction, so that nothing is added twice if the rest is added again.

        Raises:
            StorageError: The rest of the list is not stored.
        """
        while counted:
            statements = [
                bound(_ADD, one.workspace, one.day, one.connection, *_numbers(one))
                for one in counted[:_CHUNK]
            ]
            await self._storage.transact(INSTALLATION, statements)
            del counted[:_CHUNK]

    async def days(self, workspaces: Sequence[int], since: str, until: str) -> list[UsageDay]:
        """Return the requests of workspaces from one day to another, both included."""
        sql = (
            "SELECT workspace, day, connection, requests, refusals, last FROM usage_days"
            f" WHERE workspace IN ({_listed(workspaces)}) AND day >= $1 AND day <= $2"
            " ORDER BY workspace, day, connection"
        )
        found = await self._storage.query(bound(sql, since, until)) if workspaces else ()
        return [UsageDay(*row) for row in found]

    async def trim(self, workspaces: Sequence[int], oldest: str) -> None:
        """Delete the requests of workspaces before a day."""
        for begin in range(0, len(workspaces), _CHUNK):
            among = _listed(workspaces[begin : begin + _CHUNK])
            sql = f"DELETE FROM usage_days WHERE workspace IN ({among}) AND day < $1"
            await self._storage.transact(INSTALLATION, [bound(sql, oldest)])

    async def headcounts(self, workspaces: Sequence[int]) -> dict[int, Headcount]:
        """Return the numbers of users and groups of workspaces."""
        found = {workspace: Headcount() for workspace in workspaces}
        if not workspaces:
            return found
        listed = _listed(workspaces)
        totals = f"SELECT workspace, type, total FROM counts WHERE workspace IN ({listed})"
        for workspace, kind, total in await self._storage.query(bound(totals)):
            if kind == "User":
                found[workspace].users = total
            elif kind == "Group":
                found[workspace].groups = total
        inactive = (
            f"SELECT workspace, count(*) FROM lookups WHERE workspace IN ({listed})"
            " AND type = 'User' AND attribute = 'active' AND value = 'false' GROUP BY workspace"
        )
        for workspace, number in await self._storage.query(bound(inactive)):
            found[workspace].inactive = number
        return found


def _numbers(one: UsageDay) -> tuple[int, int, str]:
    return one.requests, one.refusals, one.last


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(str(int(number)) for number in numbers)
