"""/api/v1/platform/changes: the events of all workspaces in one order."""

import asyncio
from collections.abc import Iterator
from typing import Any

from muster.access.origins import CredentialOrigins
from muster.directory.history.events import events
from muster.events.reach import connections_of_keys, names_of
from muster.http.management.models.feed import FindChanges
from muster.http.management.tokens import Tokens
from muster.http.platform.models.feed import PlatformEventPage
from muster.http.platform.router import PLATFORM, PlatformCall, PlatformRoute
from muster.http.wire.base_url import SCIM_ROOT
from muster.http.wire.errors import at
from muster.http.wire.message import Response, json_response
from muster.scim.errors import ScimError
from muster.storage.port.changes import Change
from muster.storage.port.engine import Storage
from muster.storage.port.items import INSTALLATION, TRIM_KIND, TRIMMED_OF_ALL

_ASK_SECONDS = 0.25
_END = "end"


class PlatformFeedRoutes:
    """The operation on the feed of all workspaces."""

    def __init__(self, storage: Storage, tokens: Tokens, origins: CredentialOrigins) -> None:
        self._storage = storage
        self._origins = origins
        self._tokens = tokens

    def __iter__(self) -> Iterator[PlatformRoute]:
        yield PlatformRoute(
            "GET",
            "/platform/changes",
            PLATFORM,
            self.find_platform_changes,
            "List events of all workspaces after a position, oldest first",
            query=FindChanges,
            answer=PlatformEventPage,
            errors=(410,),
        )

    async def find_platform_changes(self, call: PlatformCall) -> Response:
        """List events of all workspaces after a cursor, oldest first.

        The order is that of the sequence numbers of changes. Only those are read that no open
        transaction can precede any more, so none is skipped.
        """
        query = call.query(FindChanges)
        after = await self._position(query.cursor)
        loop = asyncio.get_running_loop()
        end = loop.time() + query.wait
        gone = asyncio.ensure_future(call.request.gone())
        try:
            while True:
                until = await self._storage.settled_change()
                changes = (
                    await self._storage.changes_of_all(after, until, query.limit)
                    if until > after
                    else ()
                )
                # Notes of the installation have numbers too; without changes all are passed.
                after = changes[-1].sequence if changes else max(after, until)
                told = await self._told(call, list(changes))
                left = end - loop.time()
                if told or left <= 0 or gone.done():
                    break
                if not changes:
                    await asyncio.wait({gone}, timeout=min(left, _ASK_SECONDS))
        finally:
            gone.cancel()
        content = {
            "items": told,
            "nextCursor": await self._tokens.write(INSTALLATION, after),
            "more": until > after,
        }
        return json_response(200, content)

    async def _told(self, call: PlatformCall, changes: list[Change]) -> list[dict[str, Any]]:
        """Return the events of changes with the names of their workspaces."""
        scim, told = call.base + SCIM_ROOT, []
        found = [(change, list(events(change, scim))) for change in changes]
        found = [(change, listed) for change, listed in found if listed]
        names = await names_of(self._storage, {change.workspace for change, _ in found})
        keys = await connections_of_keys(self._storage, [change for change, _ in found])
        for change, listed in found:
            token = await self._tokens.write(INSTALLATION, change.sequence)
            connection = keys.get((change.workspace, change.origin.actor))
            if change.origin.actor.startswith(("oauth:", "trust:")):
                origins = await self._origins.of(change.workspace)
                connection = origins.of_actor(change.origin.actor)
            told += [
                {
                    "id": f"{token}.{number}",
                    "workspace": names.get(change.workspace, ""),
                    **event.to_json(connection),
                }
                for number, event in enumerate(listed)
            ]
        return told

    async def _position(self, cursor: str) -> int:
        """Return the position that a cursor names.

        Raises:
            ScimError: 400 if it names none; 410 if changes after it were trimmed.
        """
        if cursor == _END:
            return await self._storage.settled_change()
        mark = await self._storage.item(INSTALLATION, TRIM_KIND, TRIMMED_OF_ALL)
        begins = 0 if mark is None else int(mark.body["sequence"])
        if not cursor:
            return begins
        with at("/cursor"):
            after = await self._tokens.read(INSTALLATION, cursor)
            if after < begins:
                raise ScimError(
                    410,
                    "cursor: changes that follow it were deleted after their retention time. Read"
                    " the current users and groups, and continue with the cursor 'end'.",
                )
        return after
