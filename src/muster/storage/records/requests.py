"""The requests that are kept: every write and refusal, and reads while that is wanted. For every engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from muster.base import clock
from muster.scim.values import Json
from muster.storage.port.engine import Upkeep
from muster.storage.query.binder import Binder
from muster.storage.repair.derived import bound


class RecordedRequest(NamedTuple):
    """A request. number: its place, by time. quirks: rows of the dialect table, with spaces in between. resource: the id that it
    was about, empty for none. body, answer: without secrets.
    """

    number: int
    time: str
    request_id: str
    key_id: str
    operation: str
    method: str
    path: str
    query: str
    status: int
    milliseconds: int
    address: str
    agent: str
    quirks: str
    resource: str
    body: str
    answer: str


_COLUMNS = RecordedRequest._fields
_INSERT = (
    f"INSERT INTO requests (workspace, {', '.join(_COLUMNS)})"
    f" VALUES ({', '.join(f'${n}' for n in range(1, len(_COLUMNS) + 2))}) ON CONFLICT DO NOTHING"
)
_TICKS = 64
"""How many numbers a microsecond has."""


def number_of(seconds: float, nth: int = 0) -> int:
    """The number of a request of that time, in seconds since 1970; nth: tells those of one microsecond apart."""
    return int(seconds * 1_000_000) * _TICKS + nth % _TICKS


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """Which requests are wanted. before, after: their numbers. status: its first digit, or all of it. failed: 400 and above."""

    before: int | None = None
    after: int | None = None
    key: str | None = None
    status: int | None = None
    path: str | None = None
    resource: str | None = None
    failed: bool = False
    limit: int = 50


_NO_STATUS = 1000


class RequestStore:
    """Keeps requests and finds them."""

    def __init__(self, storage: Upkeep) -> None:
        self._storage = storage

    async def keep(self, workspace: int, kept: Sequence[RecordedRequest]) -> None:
        """Keep some more of a workspace."""
        await self._storage.append(workspace, _INSERT, [(workspace, *request) for request in kept])

    async def trim(self, workspace: int, rows: int, oldest: int) -> None:
        """Keep no more than so many of a workspace, and none that is older than a number.

        None goes that the workspace's own setting, as it is now, still keeps: whoever calls may know an earlier one.
        """
        settings = await self._storage.query(
            bound("SELECT settings FROM workspaces WHERE id = $1", workspace)
        )
        days = (
            orjson.loads(settings[0][0]).get("requests_days")
            if settings and settings[0][0]
            else None
        )
        if days:
            oldest = min(oldest, number_of(clock.seconds() - days * 86_400))
        beyond = (
            "DELETE FROM requests WHERE workspace = $1 AND number <= (SELECT number FROM requests"
            " WHERE workspace = $1 ORDER BY number DESC LIMIT 1 OFFSET $2)"
        )
        old = "DELETE FROM requests WHERE workspace = $1 AND number < $2"
        await self._storage.transact(
            workspace, [bound(beyond, workspace, rows), bound(old, workspace, oldest)]
        )

    async def find(self, workspace: int, wanted: RequestFilter) -> Sequence[RecordedRequest]:
        """The latest requests that are wanted, the newest first."""
        bind = Binder()
        conditions = [f"workspace = {bind(workspace)}", *_conditions(wanted, bind)]
        sql = (
            f"SELECT {', '.join(_COLUMNS)} FROM requests WHERE {' AND '.join(conditions)}"
            " ORDER BY number DESC"
        )
        found = await self._storage.query(bind.statement(f"{sql} LIMIT {bind(wanted.limit)}"))
        return [RecordedRequest(*row) for row in found]

    async def get(self, workspace: int, number: int) -> RecordedRequest | None:
        """One request."""
        found = await self.find(
            workspace, RequestFilter(before=number + 1, after=number - 1, limit=1)
        )
        return found[0] if found else None

    async def by_hour(self, workspace: int, since: str) -> dict[str, tuple[int, int]]:
        """For each hour, as 2026-01-31T23, how many requests were kept, and how many of them failed."""
        sql = (
            "SELECT substr(time, 1, 13), count(*), sum(CASE WHEN status >= 400 THEN 1"
            " ELSE 0 END) FROM requests"
            " WHERE workspace = $1 AND time >= $2 GROUP BY substr(time, 1, 13)"
        )
        return {
            row[0]: (row[1], int(row[2]))
            for row in await self._storage.query(bound(sql, workspace, since))
        }

    async def quirks(self, workspace: int) -> Sequence[tuple[Any, ...]]:
        """For each key and set of quirks: how many requests showed it, and the latest of them."""
        sql = (
            "SELECT key_id, quirks, count(*), max(number) FROM requests"
            " WHERE workspace = $1 AND quirks <> '' GROUP BY key_id, quirks ORDER BY key_id, quirks"
        )
        return [tuple(row) for row in await self._storage.query(bound(sql, workspace))]

    async def failures(self, workspace: int) -> Sequence[tuple[Any, ...]]:
        """For each key, operation and status of 400 and above: how many requests there were, and the latest of them."""
        sql = (
            "SELECT key_id, operation, status, count(*), max(number) FROM requests"
            " WHERE workspace = $1 AND status >= 400 GROUP BY key_id, operation, status"
            " ORDER BY count(*) DESC LIMIT 100"
        )
        return [tuple(row) for row in await self._storage.query(bound(sql, workspace))]

    async def answers(self, workspace: int, numbers: Sequence[int]) -> Sequence[tuple[int, str]]:
        """The answers of requests with these numbers, each with its number."""
        if not numbers:
            return []
        bind = Binder()
        place = f"workspace = {bind(workspace)}"
        among = ", ".join(bind(number) for number in numbers)
        sql = f"SELECT number, answer FROM requests WHERE {place} AND number IN ({among})"
        return [(row[0], row[1]) for row in await self._storage.query(bind.statement(sql))]

    async def refused_since(self, workspace: int, number: int) -> Sequence[tuple[str, int]]:
        """The keys whose latest request after a number was refused, with the number of that request, by the last 2,000 kept."""
        sql = (
            "SELECT key_id, max(number) FROM (SELECT key_id, number, status FROM requests"
            " WHERE workspace = $1 AND number > $2 ORDER BY number DESC LIMIT 2000) AS latest"
            " GROUP BY key_id HAVING max(number) = max(CASE WHEN status >= 400 THEN"
            " number ELSE 0 END)"
        )
        return [
            (row[0], row[1]) for row in await self._storage.query(bound(sql, workspace, number))
        ]

    async def forbidden(self, workspace: int) -> Sequence[tuple[Any, ...]]:
        """The latest requests that were answered 403, and bulk requests: key, operation, status, number and answer of each."""
        sql = (
            "SELECT key_id, operation, status, number, answer FROM requests WHERE workspace = $1"
            " AND (status = 403 OR (operation = 'bulk' AND status = 200"
            " AND answer LIKE '%\"403\"%'))"
            " ORDER BY number DESC LIMIT 1000"
        )
        return [tuple(row) for row in await self._storage.query(bound(sql, workspace))]

    async def doubles(self, workspace: int) -> Sequence[tuple[Any, ...]]:
        """The latest requests to make a user who is there already: the key, the number and the body of each."""
        sql = (
            "SELECT key_id, number, body FROM requests WHERE workspace = $1"
            " AND operation = 'createUser' AND status = 409"
            " ORDER BY number DESC LIMIT 1000"
        )
        return [tuple(row) for row in await self._storage.query(bound(sql, workspace))]

    async def written_since(self, workspace: int, key: str, resource: str, number: int) -> bool:
        """Whether a key has written to a resource, with success, after a request."""
        sql = (
            "SELECT 1 FROM requests WHERE workspace = $1 AND key_id = $2"
            " AND resource = $3 AND number > $4 AND status < 400"
            " AND method <> 'GET' LIMIT 1"
        )
        return bool(await self._storage.query(bound(sql, workspace, key, resource, number)))


def _conditions(wanted: RequestFilter, bind: Binder) -> list[str]:
    found: list[str] = []
    comparisons: tuple[tuple[str, Json], ...] = (
        ("number < {}", wanted.before),
        ("number > {}", wanted.after),
        ("key_id = {}", wanted.key),
        ("resource = {}", wanted.resource),
        ("status >= {}", 400 if wanted.failed else None),
    )
    found.extend(text.format(bind(value)) for text, value in comparisons if value is not None)
    if wanted.status is not None:
        status = max(
            0, min(wanted.status, _NO_STATUS)
        )  # whatever else is asked for finds nothing, and is no number too large
        low, high = (status * 100, status * 100 + 99) if status < 10 else (status, status)
        found.append(f"status BETWEEN {bind(low)} AND {bind(high)}")
    if wanted.path:
        found.append(f"substr(path, 1, {len(wanted.path)}) = {bind(wanted.path)}")
    return found
