"""The search of the command palette: users, groups and requests of a workspace."""

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlencode

from muster.access.permissions import SCIM
from muster.console.resources import ENDPOINTS, name_filter
from muster.console.web import PageRoute, Visit
from muster.directory.documents import parse_all
from muster.directory.service import Directory, Search
from muster.http.wire.message import Response
from muster.insight.access_story import AccessStory
from muster.insight.alerts import counted
from muster.scim.errors import ScimError
from muster.storage.records.requests import RequestFilter, RequestStore

_FOUND = 5
_MOST_CHARACTERS = 200
_LEAST_CHARACTERS = 3
"""The least characters for which refused requests are searched."""


class Hit(NamedTuple):
    """A result of the palette.

    Attributes:
        title: Its first line.
        detail: Its second line.
        icon: The name of its icon.
        path: Its page within the workspace.
    """

    title: str
    detail: str
    icon: str
    path: str


class PalettePages:
    """The search of the command palette."""

    def __init__(self, directory: Directory, requests: RequestStore, story: AccessStory) -> None:
        self._story = story
        self._directory = directory
        self._requests = requests

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/w/{workspace}/palette", SCIM, self.search)

    async def search(self, visit: Visit) -> Response:
        asked = visit.text("q")[:_MOST_CHARACTERS]
        hits: list[Hit] = []
        if asked:
            hits += await self._resources(visit, "users", asked)
            if not hits:
                hits += await self._refused(visit, asked)
            hits += await self._resources(visit, "groups", asked)
            hits += await self._request(visit, asked)
        return visit.render("palette.html", hits=hits)

    async def _resources(self, visit: Visit, plural: str, asked: str) -> list[Hit]:
        kind = visit.caller.registry.types[ENDPOINTS[plural]]
        search = Search(name_filter(plural, asked), count=_FOUND, by_cursor=True, counted=1)
        try:
            page = await self._directory.find(visit.caller, kind, search)
        except ScimError:
            return []  # a name that no filter can hold matches nobody
        return [_hit(document, plural) for document in parse_all(page.documents)]

    async def _refused(self, visit: Visit, asked: str) -> list[Hit]:
        """Return a link to the refused creations of somebody who does not exist."""
        if len(asked) < _LEAST_CHARACTERS:
            return []
        who, number = await self._story.refused_about(visit.there().id, asked)
        if not number:
            return []
        query = urlencode({"person": who, "status": "failed"})
        title, detail = f"Refused requests about {who}", counted(number, "request")
        return [Hit(title, detail, "alert-triangle", f"/requests?{query}")]

    async def _request(self, visit: Visit, asked: str) -> list[Hit]:
        wanted = RequestFilter(request_id=asked, limit=1)
        found = await self._requests.find(visit.there().id, wanted)
        return [
            Hit(
                f"{kept.method} {kept.path or '/'}",
                f"Request {kept.request_id}, status {kept.status}",
                "activity",
                f"/requests/{kept.number}",
            )
            for kept in found
        ]


def _hit(document: dict[str, str], plural: str) -> Hit:
    name, user_name = document.get("displayName"), document.get("userName")
    path = f"/{plural}/{document['id']}"
    if plural == "groups":
        return Hit(name or document["id"], "Group", "users-group", path)
    return Hit(name or user_name or document["id"], user_name or "", "users", path)
