"""Users and groups in the console: found as one types, and looked at one by one."""

import json
from collections.abc import Iterator
from typing import Any

from muster.access.permissions import SCIM
from muster.access.role_mappings import RoleMappings, granted
from muster.console.web import Route, Visit
from muster.directory.documents import parse, parse_all
from muster.directory.events import changed_paths
from muster.directory.service import Directory, Search
from muster.directory.undo import Undo
from muster.http.cursors import Cursor, Cursors
from muster.http.message import Response
from muster.http.tokens import Tokens
from muster.scim.errors import ScimError, not_found
from muster.scim.schema import ResourceType
from muster.storage.port import Change, Storage

_PAGE = 50
_HISTORY = 50
_MEMBERS = 100
_SORTS = {
    "/Users": {"": None, "userName": "userName", "name": "name.familyName", "changed": "meta.lastModified"},
    "/Groups": {"": None, "displayName": "displayName", "changed": "meta.lastModified"},
}


class DirectoryPages:
    """The pages of users and groups."""

    def __init__(self, storage: Storage, directory: Directory, undo: Undo, cursors: Cursors) -> None:
        self._storage = storage
        self._directory = directory
        self._undo = undo
        self._cursors = cursors
        self._tokens = Tokens(storage)
        self._mappings = RoleMappings(storage)

    def __iter__(self) -> Iterator[Route]:
        yield Route("GET", "/w/{workspace}/users", SCIM, self.users)
        yield Route("GET", "/w/{workspace}/groups", SCIM, self.groups)
        yield Route("GET", "/w/{workspace}/users/{id}", SCIM, self.user)
        yield Route("GET", "/w/{workspace}/groups/{id}", SCIM, self.group)
        yield Route("POST", "/w/{workspace}/{kind}/{id}/restore", SCIM, self.restore)

    async def users(self, visit: Visit) -> Response:
        return await self._list(visit, "/Users", "users")

    async def groups(self, visit: Visit) -> Response:
        return await self._list(visit, "/Groups", "groups")

    async def _list(self, visit: Visit, endpoint: str, plural: str) -> Response:
        kind = visit.caller.registry.types[endpoint]
        asked, raw = visit.text("q"), visit.text("filter")
        order = visit.text("sort") if visit.text("sort") in _SORTS[endpoint] else ""
        search = Search(raw or _filter(asked, endpoint) or None, None, _SORTS[endpoint][order], order == "changed", count=_PAGE)
        search.by_cursor = True
        if endpoint == "/Users" and asked.startswith("@") and not raw:
            search.filter, search.domain = None, asked[1:].strip() or None
        rows, error, following, total = [], "", "", 0
        named = (visit.there().id, "console", endpoint, search.filter, search.domain, search.sort_by, search.descending)
        try:
            place = Cursor(0, (), 0)
            if visit.text("cursor"):
                place = await self._cursors.read(visit.text("cursor"), named)
                search.after = place.places[0]
            page = await self._directory.find(visit.caller, kind, search)
            total = place.total if page.total is None else page.total
            rows = [(document["id"], document) for document in parse_all(page.documents)]
            if page.following is not None:
                following = await self._cursors.write(Cursor(0, (page.following,), total), named)
        except ScimError as failed:
            error = failed.detail
        values = {"rows": rows, "error": error, "following": following, "total": total, "q": asked, "filter": raw, "sort": order}
        partial = visit.request.header("hx-request") == "true" and visit.request.header("hx-boosted") is None
        template = "directory_rows.html" if partial else "directory.html"
        return visit.render(template, 200, plural=plural, sorts=_SORTS[endpoint], **values)

    async def user(self, visit: Visit) -> Response:
        return await self._one(visit, visit.caller.registry.types["/Users"], "users")

    async def group(self, visit: Visit) -> Response:
        return await self._one(visit, visit.caller.registry.types["/Groups"], "groups")

    async def _one(self, visit: Visit, kind: ResourceType, plural: str, status: int = 200, said: str = "") -> Response:
        workspace, resource_id = visit.there(), visit.names["id"]
        changes = await self._storage.history(workspace.id, resource_id, None, _HISTORY)
        document: dict[str, Any] | None = None
        try:
            document = parse((await self._directory.get(visit.caller, kind, resource_id)).document)
        except ScimError:
            if not changes or all(change.type != kind.name for change in changes):
                raise not_found(f"there is no {kind.name} with this id, and there was none") from None
        members = []
        if document is not None and plural == "groups":
            members = list(await self._storage.members(workspace.id, resource_id, -1, _MEMBERS))
        roles = granted((document or {}).get("roles"), await self._mappings.all(workspace.id)) if plural == "users" else []
        history = [
            (change, await self._tokens.write(workspace.id, change.sequence), _changed(change))
            for change in changes
            if change.type == kind.name
        ]
        shown = document or next((parse(change.document) for change in changes if change.version), {})
        parts = [(str(kind.core.definition["name"]), _rows(shown, kind.core))]
        for schema in kind.extensions.values():
            parts.append((str(schema.definition["name"]), _rows(shown.get(schema.id, {}), schema)))
        text = json.dumps(shown, indent=2, ensure_ascii=False)
        return visit.render(
            "resource.html",
            status,
            kind=kind,
            plural=plural,
            id=resource_id,
            there=document is not None,
            shown=shown,
            parts=[part for part in parts if part[1]],
            members=members,
            more=len(members) == _MEMBERS,
            roles=roles,
            history=history,
            text=text,
            said=said,
        )

    async def restore(self, visit: Visit) -> Response:
        """Bring a resource to what it was after one of its changes."""
        endpoints = {"users": "/Users", "groups": "/Groups"}
        plural = visit.names["kind"]
        if plural not in endpoints:
            raise not_found("there is no such page")
        kind = visit.caller.registry.types[endpoints[plural]]
        sequence = await self._tokens.read(visit.there().id, visit.text("change"), "change")
        try:
            await self._undo.restore(visit.caller, kind, visit.names["id"], sequence)
        except ScimError as error:
            return await self._one(visit, kind, plural, error.status, error.detail)
        return visit.redirect(f"./{plural}/{visit.names['id']}")


def _filter(asked: str, endpoint: str) -> str:
    """The filter that what someone types means: the beginning of a name or of an address."""
    if not asked:
        return ""
    quoted = json.dumps(asked)
    if endpoint == "/Groups":
        return f"displayName sw {quoted}"
    names = ("userName", "name.familyName", "name.givenName", "displayName", "emails.value")
    return " or ".join(f"{name} sw {quoted}" for name in names)


def _rows(held: dict[str, Any], schema: Any) -> list[tuple[str, str]]:
    """The attributes of a schema that have a value, each as a line of text."""
    rows = []
    for attribute in schema.attributes.values():
        value = held.get(attribute.name)
        if value is None or attribute.name in ("members", "groups"):
            continue
        for item in value if isinstance(value, list) else [value]:
            rows.append((attribute.name, _line(item)))
    return rows


def _line(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_line(item)}" for key, item in value.items())
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _changed(change: Change) -> list[tuple[str, str, str]]:
    """What a change changed: each path with what it was and is."""
    if change.before is None or not change.version:
        return []
    before, after = parse(change.before), parse(change.document)
    return [(path, _at(before, path), _at(after, path)) for path in changed_paths(before, after)]


def _at(document: dict[str, Any], path: str) -> str:
    if path.startswith("urn:"):
        urn, _, name = path.rpartition(":")
        value = document.get(urn, {}).get(name)
    else:
        value = document.get(path)
    return "—" if value is None else json.dumps(value, ensure_ascii=False)
