"""Recorded requests in the console: list, live view and dry runs."""

import asyncio
import json
import shlex
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, replace
from datetime import timedelta

from muster.access.connections import Connections
from muster.access.origins import CredentialOrigins
from muster.access.permissions import SCIM, SETTINGS
from muster.access.settings import WorkspaceSettings
from muster.base import clock
from muster.base.clock import timestamp
from muster.console.web import HEADERS, PageRoute, Visit
from muster.directory.documents import parse
from muster.directory.history.events import changed_values
from muster.directory.history.past import parse_time
from muster.directory.rehearsal import rehearse
from muster.directory.service import Directory
from muster.http.wire.base_url import SCIM_ROOT
from muster.http.wire.message import Response
from muster.insight.conflicts import conflict_of
from muster.insight.doctor import diagnosis
from muster.insight.people import ids_of_person, subjects
from muster.scim.dialects import QUIRKS
from muster.scim.errors import ScimError, not_found
from muster.scim.masking import MASK
from muster.scim.schema.model import Registry
from muster.scim.values import Json
from muster.storage.port.accounts import KeyRecord
from muster.storage.port.engine import Storage
from muster.storage.records.requests import (
    NO_KEY,
    PersonFilter,
    RecordedRequest,
    RequestFilter,
    RequestStore,
    number_of,
)

_PAGE = 50
_LIVE_SECONDS = 0.5
_LIVE_FOR = 600
_RECORD = timedelta(minutes=15)
_FAILED = 400
"""The lowest status of a failed request."""
_RANGES = {"15m": 900, "1h": 3600, "24h": 86_400, "7d": 7 * 86_400}
_ASKED = (
    "person",
    "key",
    "status",
    "path",
    "resource",
    "request",
    "range",
    "since",
    "until",
    "connection",
)


class RequestPages:
    """The pages of recorded requests."""

    def __init__(
        self,
        storage: Storage,
        directory: Directory,
        requests: RequestStore,
        settings: WorkspaceSettings,
        connections: Connections,
        origins: CredentialOrigins,
    ) -> None:
        self._connections = connections
        self._origins = origins
        self._storage = storage
        self._directory = directory
        self._requests = requests
        self._settings = settings

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/w/{workspace}/requests", SCIM, self.show)
        yield PageRoute("GET", "/w/{workspace}/requests/live", SCIM, self.live)
        yield PageRoute("GET", "/w/{workspace}/requests/{number}", SCIM, self.one)
        yield PageRoute("POST", "/w/{workspace}/requests/{number}/rehearse", SCIM, self.rehearse)
        yield PageRoute("POST", "/w/{workspace}/requests/record", SETTINGS, self.record)

    async def show(self, visit: Visit) -> Response:
        error, found, before = "", list[RecordedRequest](), _before(visit)
        wanted = RequestFilter(limit=_PAGE)
        try:
            wanted = await self._wanted(visit)
            limits = [limit for limit in (before, wanted.before) if limit is not None]
            page = replace(wanted, before=min(limits, default=None))
            found = list(await self._requests.find(visit.there().id, page))
        except ScimError as failed:
            error = failed.detail
        recording = visit.there().record_reads
        if recording is not None and recording <= timestamp():
            recording = None
        asked = {name: visit.text(name) for name in _ASKED}
        live = before is None and wanted.before is None and not error
        return visit.render(
            "requests.html",
            200 if not error else 400,
            found=found,
            keys=await self._keys(visit),
            people=await self._people(visit, found),
            following=found[-1].number if len(found) == wanted.limit else None,
            asked=asked,
            tail=visit.url("./requests/live", **asked) if live else "",
            recording=recording,
            error=error,
            quirks=QUIRKS,
            connections=await self._connections.all(visit.there().id),
        )

    async def _keys(self, visit: Visit) -> dict[str, str]:
        return {key.id: _title(key) for key in await self._storage.keys(visit.there().id)}

    async def _people(self, visit: Visit, found: list[RecordedRequest]) -> dict[int, str]:
        types = visit.caller.registry.types
        return await subjects(self._storage, visit.there().id, types, found)

    async def _wanted(self, visit: Visit) -> RequestFilter:
        """Return the filter that the query parameters mean, without the place of the page.

        Raises:
            ScimError: invalidValue if a time is malformed.
        """
        status, key, person = visit.text("status"), visit.text("key"), visit.text("person")[:200]
        seconds = _RANGES.get(visit.text("range"))
        after = None if seconds is None else number_of(clock.seconds() - seconds)
        if visit.text("since"):
            after = number_of(parse_time(visit.text("since"), "since").timestamp()) - 1
        until, keys = visit.text("until"), None
        if connection := visit.text("connection"):
            keys = (await self._origins.of(visit.there().id)).credentials(connection)
        return RequestFilter(
            keys=keys,
            after=after,
            before=number_of(parse_time(until, "until").timestamp()) if until else None,
            key="" if key == NO_KEY else key or None,
            status=int(status)
            if status.isascii() and status.isdigit() and len(status) in (1, 3)
            else None,
            path=visit.text("path")[:200] or None,
            resource=visit.text("resource")[:100] or None,
            failed=status == "failed",
            request_id=visit.text("request")[:100] or None,
            person=await self._person(visit, person) if person else None,
            limit=_PAGE,
        )

    async def _person(self, visit: Visit, text: str) -> PersonFilter:
        return PersonFilter(text, await ids_of_person(self._directory, visit.caller, text))

    async def one(self, visit: Visit) -> Response:
        kept = await self._get(visit)
        changes = []
        if kept.resource:
            for change in await self._storage.history(visit.there().id, kept.resource, None, 200):
                if change.origin.request_id == kept.request_id and change.version:
                    before = parse(change.before) if change.before is not None else {}
                    after = {} if change.action == "delete" else parse(change.document)
                    changes.append((change, changed_values(before, after)))
        quirks = [(name, QUIRKS[name]) for name in kept.quirks.split() if name in QUIRKS]
        keys = await self._keys(visit)
        failed, types = kept.status >= _FAILED, visit.caller.registry.types
        workspace = visit.there().id
        extra = {
            "failure": diagnosis(kept) if failed else None,
            "conflict": await conflict_of(self._storage, workspace, types, kept)
            if failed
            else None,
            "person": (await self._people(visit, [kept])).get(kept.number, ""),
            "curl": _curl(kept, visit.base.base(visit.request) + SCIM_ROOT),
            "link": visit.base.base(visit.request) + _own_path(visit, kept.number),
            "rehearsed": visit.flashed.get("rehearsed"),
            "obstacle": _obstacle(kept, visit.caller.registry),
            "mask": MASK,
        }
        shown = {"body": _indented(kept.body), "answer": _indented(kept.answer)}
        return visit.render(
            "request.html", kept=kept, changes=changes, quirks=quirks, keys=keys, **extra, **shown
        )

    async def rehearse(self, visit: Visit) -> Response:
        """Run the same request against the current data and roll it back.

        The page of the request then shows the outcome.
        """
        kept, page = await self._get(visit), f"./requests/{visit.names['number']}#dry-run"
        if _obstacle(kept, visit.caller.registry) is not None:
            return visit.redirect(page)
        endpoint, _, target = kept.path.strip("/").partition("/")
        body = None if kept.method == "DELETE" else json.loads(kept.body)
        names = {part.partition("=")[0].lower() for part in kept.query.split("&")}
        projected = bool(names & {"attributes", "excludedattributes"})
        kind = visit.caller.registry.types[f"/{endpoint}"]
        rehearsed = await rehearse(
            self._storage, visit.caller, kept.method, kind, target, body, projected
        )
        return await visit.redirect_with(page, rehearsed=asdict(rehearsed))

    async def _get(self, visit: Visit) -> RecordedRequest:
        number = visit.names["number"]
        kept = None
        if number.isascii() and number.isdigit() and len(number) < 19:
            kept = await self._requests.get(visit.there().id, int(number))
        if kept is None:
            raise not_found("Request not found, or no longer retained.")
        return kept

    async def live(self, visit: Visit) -> Response:
        """Stream new requests as server-sent events, each a row of the table."""
        workspace = visit.there().id
        keys = await self._keys(visit)
        wanted = replace(await self._wanted(visit), before=None)
        latest = await self._requests.find(workspace, RequestFilter(limit=1))
        after = latest[0].number if latest else 0

        async def tail(after: int) -> AsyncIterator[bytes]:
            yield b"retry: 3000\n\n"
            for _ in range(int(_LIVE_FOR / _LIVE_SECONDS)):
                if not await visit.still_allowed():
                    return
                found = await self._requests.find(workspace, replace(wanted, after=after))
                people = await self._people(visit, list(found))
                for kept in reversed(found):
                    after = kept.number
                    row = visit.render(
                        "request_row.html", kept=kept, keys=keys, people=people, quirks=QUIRKS
                    ).body.decode()
                    lines = "".join(f"data: {line}\n" for line in row.splitlines())
                    yield f"event: request\n{lines}\n".encode()
                yield b": still here\n\n"
                await asyncio.sleep(_LIVE_SECONDS)

        return Response(200, [("content-type", "text/event-stream"), *HEADERS], stream=tail(after))

    async def record(self, visit: Visit) -> Response:
        """Record successful reads too, for 15 minutes; or stop recording them."""
        until = None if visit.text("off") else timestamp(clock.now() + _RECORD)
        await self._settings.record_reads(visit.administrator, until)
        return visit.redirect("./requests")


def _before(visit: Visit) -> int | None:
    """Return the number of the request at which the page begins; None for the newest."""
    before = visit.text("before")
    return int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None


def _title(key: KeyRecord) -> str:
    return f"{key.name} (revoked)" if key.revoked is not None else key.name


def _own_path(visit: Visit, number: int) -> str:
    path = visit.url(f"./requests/{number}")
    return path.removeprefix(visit.base.prefix(visit.request))


def _curl(kept: RecordedRequest, base: str) -> str:
    """Return a command that repeats a request, with a placeholder for the key.

    It is empty if the body was not recorded in full.
    """
    url = f"{base}{kept.path}" + (f"?{kept.query}" if kept.query else "")
    parts = ["curl", "-X", kept.method, shlex.quote(url)]
    parts += ["-H", "'Authorization: Bearer YOUR_API_KEY'"]
    if kept.body:
        try:
            json.loads(kept.body)
        except ValueError:
            return ""
        parts += ["-H", "'Content-Type: application/scim+json'"]
        parts += ["--data-raw", shlex.quote(kept.body)]
    return " ".join(parts)


def _obstacle(kept: RecordedRequest, registry: Registry) -> str | None:
    """Return the reason why a request cannot be dry-run; None if it can."""
    endpoint, _, target = kept.path.strip("/").partition("/")
    if kept.method not in ("POST", "PUT", "PATCH", "DELETE") or target.lower() == ".search":
        return "The request only reads data."
    if endpoint.lower() == "bulk":
        return "Only requests that change a single resource can be dry-run, not bulk requests."
    if f"/{endpoint}" not in registry.types or (kept.method == "POST") == bool(target):
        return "The request's path is not that of a resource."
    if kept.method == "DELETE":
        return None
    if not kept.body:
        return "The request body was empty, or the request failed before it was read."
    try:
        body = json.loads(kept.body)
    except ValueError:
        return "The recorded body is not JSON, or was truncated because it is too long."
    if _lacks_path(body):
        return "A path of the request may contain a secret, so it was not recorded."
    return None


def _lacks_path(body: Json) -> bool:
    """Return whether a path of a PATCH is masked; with the mask it would be a wrong path."""
    members = body.items() if isinstance(body, dict) else ()
    listed = [value for name, value in members if name.lower() == "operations"]
    return any(
        name.lower() == "path" and isinstance(path, str) and MASK in path
        for operations in listed
        for operation in (operations if isinstance(operations, list) else [operations])
        if isinstance(operation, dict)
        for name, path in operation.items()
    )


def _indented(text: str) -> str:
    """Indent a JSON text; return any other text, such as truncated JSON, unchanged."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
