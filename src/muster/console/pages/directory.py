"""The lists of users and groups in the console: search, sorting, columns, export, deleted ones."""

import asyncio
from collections.abc import AsyncGenerator, Iterator

from muster.access.permissions import SCIM
from muster.console.csv_rows import csv_row
from muster.console.exports import Piece, audited
from muster.console.listings import COUNTED, ListQuery, cell, columns_of, read_query
from muster.console.pages.selection import actions_of
from muster.console.resources import ENDPOINTS, called, kind_of
from muster.console.web import PageRoute, Visit
from muster.directory.documents import parse, parse_all
from muster.directory.service import Directory, Listing, Search
from muster.http.management.tokens import Tokens
from muster.http.scim.cursors import Cursor, Cursors
from muster.http.wire.message import Response
from muster.insight.access_story import AccessStory
from muster.insight.credentials import credential_names
from muster.scim.errors import ScimError
from muster.scim.schema.model import ResourceType
from muster.storage.port.changes import Change, ChangeFilter
from muster.storage.port.engine import Storage

_PAGE = 50
_CHUNK = 500
_SEARCHES = 20
"""The number of storage searches for one page of deleted resources."""


class DirectoryPages:
    """The pages that list users and groups."""

    def __init__(
        self,
        storage: Storage,
        directory: Directory,
        cursors: Cursors,
        tokens: Tokens,
        story: AccessStory,
    ) -> None:
        self._story = story
        self._storage = storage
        self._directory = directory
        self._cursors = cursors
        self._tokens = tokens

    def __iter__(self) -> Iterator[PageRoute]:
        for plural in ENDPOINTS:
            root = f"/w/{{workspace}}/{plural}"
            yield PageRoute("GET", root, SCIM, self.show)
            yield PageRoute("GET", f"{root}/export.csv", SCIM, self.export)
            yield PageRoute("GET", f"{root}/deleted", SCIM, self.deleted)

    async def show(self, visit: Visit) -> Response:
        kind, plural = kind_of(visit)
        query, error, following, total = ListQuery(plural), "", "", 0
        documents: list[dict[str, object]] = []
        try:
            query = read_query(visit, plural, kind)
            page, total, following = await self._page(visit, kind, query)
            documents = list(parse_all(page.documents))
        except ScimError as failed:
            error = failed.detail
        refusals = []
        if plural == "users" and query.q and not documents and not error:
            names = await credential_names(self._storage, visit.there().id)
            refusals = await self._story.refused_creations(visit.there().id, query.q, names)
        columns = {column.path: column for column in columns_of(plural, kind)}
        partial = (
            visit.request.header("hx-request") == "true"
            and visit.request.header("hx-boosted") is None
        )
        return visit.render(
            "directory_rows.html" if partial else "directory.html",
            plural=plural,
            query=query,
            chips=query.chips(await self._group_name(visit, query.group)),
            columns=[columns[path] for path in query.columns if path in columns],
            available=columns.values(),
            rows=[
                (document["id"], document, [cell(document, path) for path in query.columns])
                for document in documents
            ],
            total=total,
            everything=await self._everything(visit, kind),
            counted=COUNTED,
            following=query.following(following, len(documents)) if following else None,
            previous=query.previous(_PAGE),
            error=error or visit.flashed.get("error", ""),
            said=visit.flashed.get("said", ""),
            refused=visit.flashed.get("refused", []),
            actions=actions_of(visit, plural),
            refusals=refusals,
        )

    async def _group_name(self, visit: Visit, group_id: str) -> str:
        """Return the name of a group; its id if there is no such group."""
        stored = group_id and await self._storage.get(visit.there().id, "Group", group_id)
        return called(parse(stored.document)) if stored else group_id

    async def _everything(self, visit: Visit, kind: ResourceType) -> int:
        """Return the number of all resources of a type."""
        return (await self._directory.find(visit.caller, kind, Search(count=0))).total or 0

    async def _page(
        self, visit: Visit, kind: ResourceType, query: ListQuery
    ) -> tuple[Listing, int, str]:
        """Return a page, the number of all matches, and the cursor of the next page."""
        search = query.search(_PAGE)
        named = (
            visit.there().id,
            "console",
            kind.endpoint,
            search.filter,
            search.domain,
            search.sort_by,
            search.descending,
        )
        place = Cursor(0, (), 0)
        if query.cursor:
            place = await self._cursors.read(query.cursor, named)
            search.after = place.places[0]
        page = await self._directory.find(visit.caller, kind, search)
        total = place.total if page.total is None else page.total
        if page.following is None:
            return page, total, ""
        return page, total, await self._cursors.write(Cursor(0, (page.following,), total), named)

    async def export(self, visit: Visit) -> Response:
        """Stream the whole list with its filter and columns as CSV."""
        kind, plural = kind_of(visit)
        query = read_query(visit, plural, kind)
        search = query.search(_CHUNK)
        titles = {column.path: column.title for column in columns_of(plural, kind)}
        first = await self._directory.find(visit.caller, kind, search)
        response = visit.file("text/csv; charset=utf-8", b"", f"{plural}-{visit.there().name}.csv")

        async def pieces() -> AsyncGenerator[Piece]:
            page = first
            yield Piece(csv_row(["id", *(titles[path] for path in query.columns)]))
            while True:
                rows = [
                    csv_row([document["id"], *(cell(document, path) for path in query.columns)])
                    for document in parse_all(page.documents)
                ]
                yield Piece(b"".join(rows), len(rows))
                if page.following is None:
                    return
                search.after = page.following
                page = await self._directory.find(visit.caller, kind, search)

        response.stream = audited(visit, self._storage, plural, query.parameters(), pieces())
        return response

    async def deleted(self, visit: Visit) -> Response:
        """List the latest deletions; each leads to the page that can restore it."""
        kind, plural = kind_of(visit)
        workspace, before = visit.there().id, visit.text("before")
        place = await self._tokens.read(workspace, before, "before") if before else None
        rows: list[Change] = []
        wanted = ChangeFilter(type=kind.name, action="delete")
        for _ in range(_SEARCHES):
            found, place = await self._storage.search_changes(
                workspace, place, _PAGE - len(rows), wanted
            )
            rows += found
            if place is None or len(rows) == _PAGE:
                break
            await asyncio.sleep(0)
        return visit.render(
            "deleted.html",
            plural=plural,
            rows=[(change, _called(change)) for change in rows],
            names=await credential_names(self._storage, workspace),
            following=None if place is None else await self._tokens.write(workspace, place),
        )


def _called(change: Change) -> str:
    document = parse(change.before if change.before is not None else change.document)
    return called({"id": change.id, **document})
