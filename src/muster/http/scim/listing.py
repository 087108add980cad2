"""Lists of one or several resource types (RFC 7644 section 3.4.2)."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import replace

from muster.directory.caller import Caller
from muster.directory.documents import with_base_url
from muster.directory.groups.member_edits import MEMBERS
from muster.directory.groups.memberships import split
from muster.directory.service import Directory, Search
from muster.http.scim.cursors import Cursor, Cursors
from muster.http.scim.groups import pieces, projected_in_turns, shows_members
from muster.http.scim.search import search_of
from muster.http.wire.media import answer_type
from muster.http.wire.message import Request, Response
from muster.http.wire.streaming import streamed
from muster.scim.messages import LIST_END, list_head
from muster.scim.projection import projection
from muster.scim.schema.discovery import Limits
from muster.scim.schema.model import ResourceType

Part = tuple[ResourceType, bytes]
"""A resource type and comma-separated documents of it."""
Page = tuple[list[Part], int, int, Cursor | None]
"""The parts, the number of resources in them, the total, and the cursor of the next page."""

_BEGINNING = Cursor(0, (), 0)


class ListRequest:
    """Answers requests for lists."""

    def __init__(self, directory: Directory, limits: Limits, cursors: Cursors) -> None:
        self._directory = directory
        self._limits = limits
        self._cursors = cursors

    async def answer(
        self,
        request: Request,
        caller: Caller,
        types: Sequence[ResourceType],
        parameters: dict[str, str],
        base: str,
    ) -> Response:
        """Answer a search with a page of results.

        Raises:
            ScimError: A parameter is invalid.
        """
        search = search_of(parameters, self._limits)
        wanted = parameters.get("attributes"), parameters.get("excludedAttributes")
        if wanted != (None, None):
            projection(types[0], *wanted)  # reject an invalid projection before reading
        if search.by_cursor:
            parts, count, total, place = await self._by_cursor(
                caller, types, search, parameters["cursor"]
            )
        else:
            parts, count, total, _ = await self._page(caller, types, search, _BEGINNING)
            place = f'"startIndex":{search.start_index},'
        head = list_head(count, total, place)
        headers = [("content-type", answer_type(request))]
        bodies = []
        for resource_type, documents in parts:
            shown = projection(resource_type, *wanted)
            if resource_type.computed == MEMBERS and shows_members(shown):
                return await streamed(200, headers, self._pieces(head, parts, wanted, caller, base))
            bodies.append(await projected_in_turns(with_base_url(documents, base), shown))
        return Response(200, headers, b"%b%b%b" % (head, b",".join(bodies), LIST_END))

    async def _by_cursor(
        self, caller: Caller, types: Sequence[ResourceType], search: Search, text: str
    ) -> tuple[list[Part], int, int, str]:
        """Return the page after a cursor, or the first page if the cursor is empty.

        Returns:
            The parts, their number of resources, the total, and the JSON member with the next
            cursor, empty on the last page.
        """
        names = [resource_type.name for resource_type in types]
        bound = (
            caller.workspace.id,
            names,
            search.filter,
            search.domain,
            search.sort_by,
            search.descending,
        )
        cursor = await self._cursors.read(text, bound) if text else _BEGINNING
        parts, count, total, following = await self._page(caller, types, search, cursor)
        if following is None:
            return parts, count, total, ""
        written = await self._cursors.write(replace(following, total=total), bound)
        return parts, count, total, f'"nextCursor":"{written}",'

    def _page(
        self, caller: Caller, types: Sequence[ResourceType], search: Search, cursor: Cursor
    ) -> Awaitable[Page]:
        if len(types) == 1:
            return self._alone(caller, types[0], search, cursor)
        return (self._in_turn if search.sort_by is None else self._merged)(
            caller, types, search, cursor
        )

    async def _alone(
        self, caller: Caller, resource_type: ResourceType, search: Search, cursor: Cursor
    ) -> Page:
        """Return a page of one resource type."""
        if cursor.places:
            search.after = cursor.places[0]
        page = await self._directory.find(caller, resource_type, search)
        following = None if page.following is None else Cursor(0, (page.following,), 0)
        parts = [(resource_type, page.documents)] if page.count else []
        return parts, page.count, cursor.total or page.total or 0, following

    async def _in_turn(
        self, caller: Caller, types: Sequence[ResourceType], search: Search, cursor: Cursor
    ) -> Page:
        """Return a page of several types, listed one type after the other."""
        parts: list[Part] = []
        count, total, size = 0, cursor.total, -1
        following: Cursor | None = None
        for kind, resource_type in enumerate(types[cursor.kind :], cursor.kind):
            wanted = replace(search, count=search.count - count)
            if search.by_cursor:
                wanted.after = cursor.places[0] if kind == cursor.kind and cursor.places else None
            else:
                wanted.start_index = max(1, search.start_index - total)
            page = await self._directory.find(caller, resource_type, wanted, types)
            count += page.count
            total += page.total if page.total is not None and not cursor.total else 0
            if page.count:
                parts.append((resource_type, page.documents))
                size += len(page.documents) + 1
                self._directory.check_page(size)
            if following is None and page.following is not None:
                following = Cursor(kind, (page.following,), 0)
            elif following is None and count == search.count and kind + 1 < len(types):
                following = Cursor(kind + 1, (), 0)
        return parts, count, total, following

    async def _merged(
        self, caller: Caller, types: Sequence[ResourceType], search: Search, cursor: Cursor
    ) -> Page:
        """Return a page of several types, merged into one sort order."""
        page = await self._directory.merge(
            caller, types, search, cursor.places or (None,) * len(types)
        )
        total = cursor.total if page.total is None else page.total
        following = None if page.following is None else Cursor(0, page.following, 0)
        return (
            [(item.resource_type, item.document) for item in page.found],
            len(page.found),
            total,
            following,
        )

    async def _pieces(
        self,
        head: bytes,
        parts: Sequence[Part],
        wanted: tuple[str | None, str | None],
        caller: Caller,
        base: str,
    ) -> AsyncIterator[bytes]:
        """Yield a list that contains groups with members, in chunks."""
        before = head
        for resource_type, documents in parts:
            shown = projection(resource_type, *wanted)
            if resource_type.computed != MEMBERS:
                yield before + await projected_in_turns(with_base_url(documents, base), shown)
                before = b","
                continue
            for group_id, document in split(documents):
                yield before
                before = b","
                async for piece in pieces(
                    group_id, document, shown, base, lambda at: self._directory.members(caller, at)
                ):
                    yield piece
        yield LIST_END
