"""The request log: all writes and refusals, and successful reads if asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from muster.base import clock
from muster.base.clock import timestamp
from muster.scim.values import Json
from muster.storage.port.engine import Upkeep
from muster.storage.query.binder import Binder
from muster.storage.repair.derived import bound


class RecordedRequest(NamedTuple):
    """A request in the request log.

    Attributes:
        number: Its place by time; see `number_of`.
        quirks: Names of rows of the dialect table that it used, separated by spaces.
        resource: The id of the resource that it was about; empty for none.
        body: The request's body, with secrets masked.
        answer: The answer's body, with secrets masked.
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
SCIM_TYPES = ("invalidFilter", "tooMany", "invalidPath", "noTarget", "mutability", "uniqueness")
"""The error types (RFC 7644 section 3.12) by which failures are told apart."""
_TICKS = 64
"""The number of distinct numbers in one microsecond."""
TICKS_PER_SECOND = 1_000_000 * _TICKS
_DAY = 86_400 * TICKS_PER_SECOND


def number_of(seconds: float, nth: int = 0) -> int:
    """Return the number of a request.

    Args:
        seconds: The time of the request, in seconds since 1970.
        nth: Distinguishes requests within one microsecond.
    """
    return int(seconds * 1_000_000) * _TICKS + nth % _TICKS


def day_of(number: int) -> int:
    """Return the day of a request in UTC, as the number of days since 1970."""
    return number // _DAY


def time_of(number: int) -> str:
    """Return the time of a request as a timestamp."""
    return timestamp(datetime.fromtimestamp(number / TICKS_PER_SECOND, UTC))


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """Selects requests.

    Attributes:
        before: Only lower numbers.
        keys: Only requests with one of these credentials, by their ids; None for all.
        after: Only higher numbers.
        status: A status, or the first digit of one.
        path: A prefix of the path.
        failed: Only statuses of 400 and above.
        request_id: Only requests with this id.
        person: Only requests about this person.
    """

    before: int | None = None
    after: int | None = None
    key: str | None = None
    keys: frozenset[str] | None = None
    status: int | None = None
    path: str | None = None
    resource: str | None = None
    failed: bool = False
    request_id: str | None = None
    person: "PersonFilter | None" = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class PersonFilter:
    """Selects requests about a person.

    It matches requests about one of the resources, requests with the text in their body, and
    requests about resources that were created with it: a refused creation has no resource, and a
    deleted user is found no other way.

    Attributes:
        text: A part of a userName, an e-mail address or a name, in any case.
        resources: The ids of existing users whom the text names.
    """

    text: str
    resources: Sequence[str] = ()

    def condition(self, workspace: int, bind: Binder) -> str:
        """Return the condition in SQL."""
        text = self.text.lower()
        for special in "\\%_":
            text = text.replace(special, f"\\{special}")
        written = f"lower(body) LIKE {bind(f'%{text}%')} ESCAPE '\\'"
        created = (
            f"SELECT resource FROM requests WHERE workspace = {bind(workspace)}"
            f" AND operation = 'createUser' AND status < 400 AND {written}"
        )
        found = [written, f"resource IN ({created})"]
        if self.resources:
            found.append(f"resource IN ({', '.join(bind(each) for each in self.resources)})")
        return f"({' OR '.join(found)})"


_NO_STATUS = 1000
NO_KEY = "none"
"""Stands for requests whose key is unknown, in pages and in the management API."""


class RequestStore:
    """Stores requests and finds them."""

    def __init__(self, storage: Upkeep) -> None:
        self._storage = storage

    async def keep(self, workspace: int, kept: Sequence[RecordedRequest]) -> None:
        """Store requests of a workspace."""
        await self._storage.append(workspace, _INSERT, [(workspace, *request) for request in kept])

    async def trim(self, workspace: int, rows: int, oldest: int) -> None:
        """Delete requests of a workspace beyond a number of rows or an age.

        The workspace's own retention is read again here, because the caller may know an outdated
        one: no request is deleted that the current setting keeps.

        Args:
            rows: The most requests to keep.
            oldest: The lowest number to keep.
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
        """Return the requests that match, the newest first."""
        bind = Binder()
        conditions = [f"workspace = {bind(workspace)}", *_conditions(wanted, bind)]
        if wanted.person is not None:
            conditions.append(wanted.person.condition(workspace, bind))
        sql = (
            f"SELECT {', '.join(_COLUMNS)} FROM requests WHERE {' AND '.join(conditions)}"
            " ORDER BY number DESC"
        )
        found = await self._storage.query(bind.statement(f"{sql} LIMIT {bind(wanted.limit)}"))
        return [RecordedRequest(*row) for row in found]

    async def get(self, workspace: int, number: int) -> RecordedRequest | None:
        """Return one request, or None."""
        found = await self.find(
            workspace, RequestFilter(before=number + 1, after=number - 1, limit=1)
        )
        return found[0] if found else None

    async def quirks(self, workspace: int) -> Sequence[tuple[Any, ...]]:
        """Return the requests with each set of quirks of each key and day.

        Each row is (key, quirks, count, latest number).
        """
        sql = (
            "SELECT key_id, quirks, count(*), max(number) FROM requests"
            f" WHERE workspace = $1 AND quirks <> '' GROUP BY key_id, quirks, number / {_DAY}"
            " ORDER BY key_id, quirks"
        )
        return [tuple(row) for row in await self._storage.query(bound(sql, workspace))]

    async def failures(self, workspace: int) -> Sequence[tuple[Any, ...]]:
        """Return the failures of each key, operation, status, scimType and day.

        Each row is (key, operation, status, count, latest number, scimType), with an empty
        scimType if it is none of `SCIM_TYPES`.
        """
        kinds = " ".join(
            f"WHEN answer LIKE '%\"scimType\":\"{kind}\"%' THEN '{kind}'" for kind in SCIM_TYPES
        )
        sql = (
            "SELECT key_id, operation, status, count(*), max(number), kind FROM"
            f" (SELECT key_id, operation, status, number, CASE {kinds} ELSE '' END AS kind"
            " FROM requests WHERE workspace = $1 AND status >= 400) AS failed"
            f" GROUP BY key_id, operation, status, kind, number / {_DAY}"
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
        """Return the keys whose latest request after a number failed, with its number.

        Only the latest 2,000 requests are examined.
        """
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
        """Return the latest requests with a 403, bulk requests with one included.

        Each row is (key, operation, status, number, answer).
        """
        sql = (
            "SELECT key_id, operation, status, number, answer FROM requests WHERE workspace = $1"
            " AND (status = 403 OR (operation = 'bulk' AND status = 200"
            " AND answer LIKE '%\"403\"%'))"
            " ORDER BY number DESC LIMIT 1000"
        )
        return [tuple(row) for row in await self._storage.query(bound(sql, workspace))]

    async def doubles(self, workspace: int) -> Sequence[tuple[Any, ...]]:
        """Return the latest requests to create a user who already exists.

        Each row is (key, number, body).
        """
        sql = (
            "SELECT key_id, number, body FROM requests WHERE workspace = $1"
            " AND operation = 'createUser' AND status = 409"
            " ORDER BY number DESC LIMIT 1000"
        )
        return [tuple(row) for row in await self._storage.query(bound(sql, workspace))]

    async def addresses(self, workspace: int, keys: frozenset[str]) -> Sequence[tuple[str, str]]:
        """Return the addresses that requests of credentials came from, the latest first.

        Each has the time of its last request. Only the latest 2,000 requests are examined.

        Args:
            workspace: The id of the workspace.
            keys: The ids of the credentials.
        """
        bind = Binder()
        place = f"workspace = {bind(workspace)}"
        among = ", ".join(bind(key) for key in sorted(keys)) or "NULL"
        sql = (
            f"SELECT address, max(time) FROM (SELECT address, time FROM requests WHERE {place}"
            f" AND key_id IN ({among}) ORDER BY number DESC LIMIT 2000) AS latest"
            " GROUP BY address ORDER BY max(time) DESC, address"
        )
        return [(row[0], row[1]) for row in await self._storage.query(bind.statement(sql))]

    async def written_since(self, workspace: int, key: str, resource: str, number: int) -> bool:
        """Tell whether a key has successfully written to a resource after a request."""
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
        ("request_id = {}", wanted.request_id),
        ("status >= {}", 400 if wanted.failed else None),
    )
    found.extend(text.format(bind(value)) for text, value in comparisons if value is not None)
    if wanted.status is not None:
        # Anything beyond finds nothing, and a database integer cannot be arbitrarily large.
        status = max(0, min(wanted.status, _NO_STATUS))
        low, high = (status * 100, status * 100 + 99) if status < 10 else (status, status)
        found.append(f"status BETWEEN {bind(low)} AND {bind(high)}")
    if wanted.keys is not None:
        among = ", ".join(bind(key) for key in sorted(wanted.keys)) or "NULL"
        found.append(f"key_id IN ({among})")
    if wanted.path:
        found.append(f"substr(path, 1, {len(wanted.path)}) = {bind(wanted.path)}")
    return found
