"""/api/v1/platform/usage, and the usage of one workspace."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from urllib.parse import urlencode

from muster.base import clock
from muster.http.management.pages import cut, read_cursor
from muster.http.management.router import API_ROOT
from muster.http.platform.models.usage import (
    ConnectionUsageAnswer,
    DayAnswer,
    FindUsage,
    GetUsage,
    UsageAnswer,
    UsageList,
)
from muster.http.platform.router import PLATFORM, PlatformCall, PlatformRoute
from muster.http.wire.errors import at
from muster.http.wire.media import CSV
from muster.http.wire.message import Response, json_response
from muster.scim.errors import invalid_value
from muster.storage.port.accounts import Accounts, Workspace
from muster.storage.records.usage import Headcount, UsageDay, UsageStore

_DAYS, _MOST_DAYS = 30, 366
_OF_DAYS = ("day", "requests", "refusals")
_OF_WORKSPACES = (
    *("workspace", "state", "users", "activeUsers", "groups", "requests", "refusals"),
    "lastRequest",
)


class UsageRoutes:
    """The operations on usage figures."""

    def __init__(self, accounts: Accounts, usage: UsageStore) -> None:
        self._accounts = accounts
        self._usage = usage

    def __iter__(self) -> Iterator[PlatformRoute]:
        yield PlatformRoute(
            "GET",
            "/platform/usage",
            PLATFORM,
            self.find_usage,
            "List the usage of all workspaces",
            query=FindUsage,
            answer=UsageList,
            csv=True,
        )
        yield PlatformRoute(
            "GET",
            "/platform/workspaces/{name}/usage",
            PLATFORM,
            self.get_usage,
            "Retrieve the usage of a workspace",
            query=GetUsage,
            answer=UsageAnswer,
            csv=True,
        )

    async def find_usage(self, call: PlatformCall) -> Response:
        query = call.query(FindUsage)
        since, until = _range(query)
        after = str(read_cursor(query.cursor, ("",))[0]) if query.cursor else ""
        found = await self._accounts.list_workspaces(
            after, query.limit + 1, query.name, query.state
        )
        shown, following = cut(found, lambda workspace: (workspace.name,), query.limit)
        items = await self._answers(shown, since, until)
        if query.format == "csv":
            return _csv(_OF_WORKSPACES, map(_line, items), _next(call, following))
        answer: UsageList = {"items": items, "nextCursor": following}
        return json_response(200, answer)

    async def get_usage(self, call: PlatformCall) -> Response:
        """Return the usage of a workspace: its users now, and its requests by day."""
        workspace = await call.workspace(deleted=True)
        query = call.query(GetUsage)
        (answer,) = await self._answers([workspace], *_range(query))
        if query.format == "csv":
            return _csv(_OF_DAYS, (tuple(day.values()) for day in answer["days"]))
        return json_response(200, answer)

    async def _answers(
        self, workspaces: Sequence[Workspace], since: str, until: str
    ) -> list[UsageAnswer]:
        ids = [workspace.id for workspace in workspaces]
        heads = await self._usage.headcounts(ids)
        rows: dict[int, list[UsageDay]] = {number: [] for number in ids}
        for row in await self._usage.days(ids, since, until):
            rows[row.workspace].append(row)
        return [_answer(each, heads[each.id], rows[each.id]) for each in workspaces]


def _answer(workspace: Workspace, heads: Headcount, rows: Sequence[UsageDay]) -> UsageAnswer:
    days: dict[str, DayAnswer] = {}
    connections: dict[str, ConnectionUsageAnswer] = {}
    for row in rows:
        day = days.setdefault(row.day, {"day": row.day, "requests": 0, "refusals": 0})
        of_one = connections.setdefault(
            row.connection,
            {
                "connection": row.connection,
                "requests": 0,
                "refusals": 0,
                "lastRequest": row.last,
            },
        )
        for counts in (day, of_one):
            counts["requests"] += row.requests
            counts["refusals"] += row.refusals
        of_one["lastRequest"] = max(of_one["lastRequest"], row.last)
    return {
        "workspace": workspace.name,
        "state": workspace.state,
        "users": heads.users,
        "activeUsers": heads.users - heads.inactive,
        "groups": heads.groups,
        "requests": sum(row.requests for row in rows),
        "refusals": sum(row.refusals for row in rows),
        "days": list(days.values()),
        "connections": [connections[name] for name in sorted(connections)],
    }


def _line(answer: UsageAnswer) -> tuple[object, ...]:
    """Return the line of a workspace."""
    last = max((one["lastRequest"] for one in answer["connections"]), default="")
    numbers = (answer["users"], answer["activeUsers"], answer["groups"])
    requests = (answer["requests"], answer["refusals"])
    return (answer["workspace"], answer["state"], *numbers, *requests, last)


def _csv(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    headers: Sequence[tuple[str, str]] = (),
) -> Response:
    """Return a table. No value is text of a user, so none can be a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(rows)
    return Response(200, [("content-type", CSV), *headers], text.getvalue().encode())


def _next(call: PlatformCall, following: str | None) -> list[tuple[str, str]]:
    """Return the header that leads to the next page (RFC 8288)."""
    if following is None:
        return []
    query = urlencode({**call.request.parameters(), "cursor": following})
    return [("link", f'<{call.base}{API_ROOT}/platform/usage?{query}>; rel="next"')]


def _range(query: GetUsage) -> tuple[str, str]:
    """Return the first and the last day. Raises InvalidRequest 400."""
    until = _day(query.until, "/until") if query.until else clock.now().date()
    first = until - timedelta(days=_DAYS - 1)
    since = _day(query.since, "/since") if query.since else first
    with at("/since"):
        if since > until:
            raise invalid_value(f"since: expected a day up to {until}, got {since}")
        if (until - since).days >= _MOST_DAYS:
            raise invalid_value(f"since: expected at most {_MOST_DAYS} days, to {until}")
    return since.isoformat(), until.isoformat()


def _day(text: str, pointer: str) -> date:
    try:
        found = date.fromisoformat(text)
        return max(found, date.min + timedelta(days=_DAYS))
    except ValueError:
        with at(pointer):
            raise invalid_value(f"{pointer[1:]}: expected a day such as 2026-01-31") from None
