"""The lists of users and groups in the console, with search as you type."""

import json
from collections.abc import Iterator

from muster.access.permissions import SCIM
from muster.console.web import PageRoute, Visit
from muster.directory.documents import parse_all
from muster.directory.service import Directory, Search
from muster.http.scim.cursors import Cursor, Cursors
from muster.http.wire.message import Response
from muster.scim.errors import ScimError

_PAGE = 50
_SORTS = {
    "/Users": {
        "": None,
        "userName": "userName",
        "name": "name.familyName",
        "changed": "meta.lastModified",
    },
    "/Groups": {"": None, "displayName": "displayName", "changed": "meta.lastModified"},
}


class DirectoryPages:
    """The pages that list users and groups."""

    def __init__(self, directory: Directory, cursors: Cursors) -> None:
        self._directory = directory
        self._cursors = cursors

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/w/{workspace}/users", SCIM, self.users)
        yield PageRoute("GET", "/w/{workspace}/groups", SCIM, self.groups)

    async def users(self, visit: Visit) -> Response:
        return await self._list(visit, "/Users", "users")

    async def groups(self, visit: Visit) -> Response:
        return await self._list(visit, "/Groups", "groups")

    async def _list(self, visit: Visit, endpoint: str, plural: str) -> Response:
        kind = visit.caller.registry.types[endpoint]
        asked, raw = visit.text("q"), visit.text("filter")
        order = visit.text("sort") if visit.text("sort") in _SORTS[endpoint] else ""
        search = Search(
            raw or _filter(asked, endpoint) or None,
            None,
            _SORTS[endpoint][order],
            order == "changed",
            count=_PAGE,
        )
        search.by_cursor = True
        if endpoint == "/Users" and asked.startswith("@") and not raw:
            search.filter, search.domain = None, asked[1:].strip() or None
        rows, error, following, total = [], "", "", 0
        named = (
            visit.there().id,
            "console",
            endpoint,
            search.filter,
            search.domain,
            search.sort_by,
            search.descending,
        )
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
        values = {
            "rows": rows,
            "error": error,
            "following": following,
            "total": total,
            "q": asked,
            "filter": raw,
            "sort": order,
        }
        partial = (
            visit.request.header("hx-request") == "true"
            and visit.request.header("hx-boosted") is None
        )
        template = "directory_rows.html" if partial else "directory.html"
        return visit.render(template, 200, plural=plural, sorts=_SORTS[endpoint], **values)


def _filter(asked: str, endpoint: str) -> str:
    """Return a filter for names and e-mail addresses that start with a text."""
    if not asked:
        return ""
    quoted = json.dumps(asked)
    if endpoint == "/Groups":
        return f"displayName sw {quoted}"
    names = ("userName", "name.familyName", "name.givenName", "displayName", "emails.value")
    return " or ".join(f"{name} sw {quoted}" for name in names)
