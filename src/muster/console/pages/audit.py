"""The audit log in the console: search and export."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any, NamedTuple

import orjson

from muster.access.connections import Connections
from muster.access.origins import CredentialOrigins
from muster.access.permissions import AUDIT, SCIM, SETTINGS
from muster.base.clock import timestamp
from muster.console.csv_rows import csv_row
from muster.console.exports import Piece, audited
from muster.console.web import PageRoute, Visit
from muster.directory.documents import parse
from muster.directory.history.events import changed_values, document_in_log
from muster.directory.history.past import parse_time
from muster.http.management.tokens import Tokens
from muster.http.wire.message import Response
from muster.insight.credentials import credential_names
from muster.scim.errors import ScimError
from muster.scim.values import Json
from muster.storage.port.changes import Change, ChangeFilter
from muster.storage.port.engine import Storage

_PAGE = 100
_CHUNK = 1000
_SEARCHES = 20
"""The number of storage searches for one page; after them, the page may have fewer rows."""
ACTIONS = (
    "create",
    "update",
    "delete",
    "hold",
    "let",
    "keep",
    "refuse",
    "override",
    "import",
    "imported",
    "protect",
    "unprotect",
    "undo",
    "rotate",
    "revoke",
    "disable",
    "index",
    "wipe",
    "trim",
    "forget",
    "export",
    "resolve",
    "reopen",
)
"""The actions that a workspace's log contains."""
_FIELDS = ("actor", "type", "action", "since", "until", "connection")
_PAGES = {
    "User": ("/users/", SCIM),
    "Group": ("/groups/", SCIM),
    "ApiKey": ("/keys", SETTINGS),
    "Webhook": ("/webhooks", SETTINGS),
    "Schema": ("/schemas", SETTINGS),
    "ResourceType": ("/schemas", SETTINGS),
    "RoleMapping": ("/role-mappings", SCIM),
    "Settings": ("/settings", SETTINGS),
    "Finding": ("/doctor", SCIM),
}
"""The page of each type of target, and the permission that it needs."""


class Wanted(NamedTuple):
    """The entries that a reader asked for.

    Attributes:
        criteria: Their actor, type and action.
        after: The sequence number that they come after.
        last: The highest sequence number; None for no limit.
    """

    criteria: ChangeFilter
    after: int
    last: int | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the log.

    Attributes:
        change: The change or note.
        name: The name of its target, or else the id.
        page: The page of the target within the workspace; empty for none.
        permission: The permission that this page needs.
        values: Each value that it changed or recorded: its name, and the value before and after.
    """

    change: Change
    name: str
    page: str
    permission: str
    values: Sequence[tuple[str, Json, Json]]


class AuditPages:
    """The pages of the audit log."""

    def __init__(
        self,
        storage: Storage,
        tokens: Tokens,
        connections: Connections,
        origins: CredentialOrigins,
    ) -> None:
        self._storage = storage
        self._connections = connections
        self._origins = origins
        self._tokens = tokens

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/w/{workspace}/audit", AUDIT, self.show)
        yield PageRoute("GET", "/w/{workspace}/audit/export.csv", AUDIT, self.export_csv)
        yield PageRoute("GET", "/w/{workspace}/audit/export.jsonl", AUDIT, self.export_lines)

    async def show(self, visit: Visit) -> Response:
        workspace, before = visit.there().id, visit.text("before")
        asked = {name: visit.text(name) for name in _FIELDS}
        place = await self._tokens.read(workspace, before, "before") if before else None
        rows: list[Change] = []
        status, error = 200, ""
        try:
            rows, place = await self._rows(workspace, place, await self._wanted(visit))
        except ScimError as failed:
            status, error, place = failed.status, failed.detail, None
        names = await credential_names(self._storage, workspace)
        return visit.render(
            "audit.html",
            status,
            rows=[await self._entry(workspace, change, names) for change in rows],
            following=None if place is None else await self._tokens.write(workspace, place),
            asked=asked,
            names=names,
            actions=("", *ACTIONS),
            connections=await self._connections.all(workspace),
            error=error,
        )

    async def _wanted(self, visit: Visit) -> Wanted:
        """Read the filter of the page or of an export.

        Raises:
            ScimError: invalidValue for a time that cannot be read.
        """
        actor, kind, action = (visit.text(name) for name in _FIELDS[:3])
        actors = None
        if connection := visit.text("connection"):
            actors = (await self._origins.of(visit.there().id)).actors(connection)
        criteria = ChangeFilter(actor, kind, action, actors)
        since = await self._sequence(visit, "since")
        return Wanted(criteria, since or 0, await self._sequence(visit, "until"))

    async def _sequence(self, visit: Visit, name: str) -> int | None:
        """Return the number of the last entry before a time that was asked for, or None."""
        if not visit.text(name):
            return None
        workspace = visit.there().id
        wanted = timestamp(parse_time(visit.text(name), name).astimezone(UTC))
        low, high = 0, await self._storage.latest_change(workspace)
        while low < high:
            middle = (low + high) // 2
            found = await self._storage.changes(workspace, middle, 1)
            if found and found[0].origin.time < wanted:
                low = found[0].sequence
            else:
                high = middle
        return low

    async def _entry(self, workspace: int, change: Change, names: Mapping[str, str]) -> Entry:
        document = document_in_log(change)
        name = document.get("userName") or document.get("displayName") or document.get("name")
        page, permission = _PAGES.get(change.type, ("", ""))
        if page.endswith("/"):
            page += change.id
        if change.version:
            values: Sequence[tuple[str, Json, Json]] = ()
            if change.action == "update":
                values = await self._changed(workspace, change)
            return Entry(change, str(name or change.id), page, permission, values)
        if change.type == "User" and name is None:
            stored = await self._storage.get(workspace, "User", change.id)
            name = None if stored is None else parse(stored.document).get("userName")
        elif change.type == "ApiKey" and name is None:
            name = names.get(f"key:{change.id}")
        return Entry(change, str(name or change.id), page, permission, _recorded(document, names))

    async def _changed(self, workspace: int, change: Change) -> list[tuple[str, Json, Json]]:
        """Return the values that an update of a resource changed."""
        found = await self._storage.history(workspace, change.id, change.sequence + 1, 1)
        before = found[0].before if found else None
        if before is None:
            return []
        return changed_values(parse(before), parse(change.document))

    async def _rows(
        self, workspace: int, place: int | None, wanted: Wanted
    ) -> tuple[list[Change], int | None]:
        rows: list[Change] = []
        if wanted.last is not None:
            place = min(place or wanted.last + 1, wanted.last + 1)
        for _ in range(_SEARCHES):
            found, place = await self._storage.search_changes(
                workspace, place, _PAGE - len(rows), wanted.criteria
            )
            rows += [change for change in found if change.sequence > wanted.after]
            if place is not None and place <= wanted.after + 1:
                place = None
            if place is None or len(rows) == _PAGE:
                break
            await asyncio.sleep(0)
        return rows, place

    async def export_csv(self, visit: Visit) -> Response:
        columns = (
            "time",
            "actor",
            "address",
            "request",
            "action",
            "type",
            "resource",
            "version",
            "hash",
        )
        return await self._file(visit, "text/csv; charset=utf-8", "csv", csv_row(columns), _csv_row)

    async def export_lines(self, visit: Visit) -> Response:
        return await self._file(visit, "application/jsonl", "jsonl", b"", _json_row)

    async def _file(self, visit: Visit, media: str, suffix: str, head: bytes, row: Any) -> Response:
        wanted = await self._wanted(visit)
        response = visit.file(media, b"", f"audit-{visit.there().name}.{suffix}")

        async def pieces() -> AsyncGenerator[Piece]:
            yield Piece(head)
            after = wanted.after
            while changes := await self._storage.changes(visit.there().id, after, _CHUNK):
                after = changes[-1].sequence
                rows = [row(change) for change in changes if _is_wanted(change, wanted)]
                yield Piece(b"".join(rows), len(rows))
                if wanted.last is not None and after >= wanted.last:
                    break

        asked = {name: visit.text(name) for name in _FIELDS}
        response.stream = audited(visit, self._storage, "audit log", asked, pieces())
        return response


def _is_wanted(change: Change, wanted: Wanted) -> bool:
    within = wanted.last is None or change.sequence <= wanted.last
    return within and wanted.criteria.matches(change)


def _recorded(
    document: Mapping[str, Json], names: Mapping[str, str]
) -> list[tuple[str, Json, Json]]:
    """Return the values of a note; those of settings with the value before.

    API keys are shown by their names.
    """
    before, after = document.get("before"), document.get("after")
    if isinstance(before, dict) and isinstance(after, dict):
        return [(name, before.get(name), value) for name, value in after.items()]
    return [
        (name, None, names.get(value, value) if isinstance(value, str) else value)
        for name, value in document.items()
        if name != "name"
    ]


def _csv_row(change: Change) -> bytes:
    origin = change.origin
    hashed = "" if change.chain is None else change.chain.hex()
    values = (
        origin.time,
        origin.actor,
        origin.address,
        origin.request_id,
        change.action,
        change.type,
        change.id,
        change.version,
    )
    return csv_row((*values, hashed))


def _json_row(change: Change) -> bytes:
    origin = change.origin
    values = {
        "time": origin.time,
        "actor": origin.actor,
        "address": origin.address,
        "requestId": origin.request_id,
        "action": change.action,
        "type": change.type,
        "resource": change.id,
        "version": change.version,
        "members": None if change.members is None else change.members.as_json(),
        "hash": None if change.chain is None else change.chain.hex(),
    }
    document = change.document.replace(b"\x01", b"")
    return orjson.dumps(values)[:-1] + b',"document":' + document + b"}\n"
