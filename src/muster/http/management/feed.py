"""/api/v1/changes: the feed of changes from any point, without gaps or duplicates."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from muster.access.connections import Connections
from muster.access.origins import CredentialOrigins, Origins
from muster.access.permissions import AUDIT, READ
from muster.base.loop_turns import LoopTurns
from muster.directory.history.events import document_in_log, events
from muster.http.management.history import members_moved
from muster.http.management.models.feed import (
    AuditPage,
    AuditRow,
    EventPage,
    FindAudit,
    FindChanges,
)
from muster.http.management.router import ApiRoute, Call
from muster.http.management.tokens import Tokens
from muster.http.wire.admission import GaveWay, Waits
from muster.http.wire.base_url import SCIM_ROOT
from muster.http.wire.errors import at
from muster.http.wire.message import Response, json_response
from muster.scim.errors import ScimError
from muster.storage.port.changes import Change, ChangeFilter
from muster.storage.port.engine import Storage
from muster.storage.port.errors import StorageError
from muster.storage.port.items import TRIM_ID, TRIM_KIND
from muster.storage.port.resources import Resources

_ASK_SECONDS = 0.25
_END = "end"


class FeedRoutes:
    """The operations on the feed, and the audit log that it is read from."""

    def __init__(
        self,
        storage: Storage,
        tokens: Tokens,
        connections: Connections,
        origins: CredentialOrigins,
    ) -> None:
        self._storage = storage
        self._tokens = tokens
        self._connections = connections
        self._origins = origins
        self._watch = Watch(storage)

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET",
            "/changes",
            READ,
            self.find_changes,
            "List events after a position, oldest first",
            query=FindChanges,
            answer=EventPage,
            errors=(410,),
        )
        yield ApiRoute(
            "GET",
            "/audit",
            AUDIT,
            self.find_audit,
            "List rows of the audit log after a position, oldest first",
            query=FindAudit,
            answer=AuditPage,
            errors=(410,),
        )

    async def find_changes(self, call: Call) -> Response:
        """List events after a cursor, oldest first."""
        query = call.query(FindChanges)
        after, limit = await self._position(call, query.cursor), query.limit
        changes = await self._storage.changes(call.workspace, after, limit, with_before=True)
        loop = asyncio.get_running_loop()
        end = loop.time() + query.wait
        told: list[dict[str, Any]] = []
        turns = LoopTurns()
        scim = call.base + SCIM_ROOT
        origins = await self._origins.of(call.workspace)
        while True:
            for change in changes:
                token = await self._tokens.write(call.workspace, change.sequence)
                told.extend(
                    {"id": f"{token}.{n}", **event.to_json(origins.of_actor(event.actor))}
                    for n, event in enumerate(events(change, scim))
                )
                await turns.handled(len(change.document))
            after = changes[-1].sequence if changes else after
            if told or loop.time() >= end:
                break
            if not changes and not await self._change(call, after, end):
                break
            changes = await self._storage.changes(call.workspace, after, limit, with_before=True)
        return await self._page(call, after, told, "events")

    async def find_audit(self, call: Call) -> Response:
        """List rows of the audit log after a cursor, oldest first."""
        query = call.query(FindAudit)
        after = await self._position(call, query.cursor)
        origins = await self._origins.of(call.workspace)
        actors = None
        if query.connection:
            with at("/connection"):
                connection = await self._connections.chosen(call.workspace, query.connection)
            actors = origins.actors(connection.id)
        criteria = ChangeFilter(query.actor, query.type, query.action, actors)
        changes = await self._storage.changes(call.workspace, after, query.limit)
        rows, turns = [], LoopTurns()
        for change in changes:
            if criteria.matches(change):
                rows.append(await self._audit_row(call, change, origins))
                await turns.handled(len(change.document))
        after = changes[-1].sequence if changes else after
        return await self._page(call, after, rows, "rows")

    async def _audit_row(self, call: Call, change: Change, origins: Origins) -> AuditRow:
        return {
            "id": await self._tokens.write(call.workspace, change.sequence),
            "time": change.origin.time,
            "actor": change.origin.actor,
            "connection": origins.of_actor(change.origin.actor),
            "address": change.origin.address,
            "requestId": change.origin.request_id,
            "action": change.action,
            "type": change.type,
            "resource": change.id,
            "version": change.version,
            "document": document_in_log(change, call.base + SCIM_ROOT),
            "members": members_moved(change),
            "hash": None if change.chain is None else change.chain.hex(),
        }

    async def _page(
        self, call: Call, after: int, items: Sequence[object], former_name: str
    ) -> Response:
        """The answer with a page of the feed or of the audit log.

        Version 0.1 answered the list and the cursor by other names. Both have them until 1.0; the
        list is serialised once.
        """
        cursor = await self._tokens.write(call.workspace, after)
        listed = orjson.Fragment(orjson.dumps(items))
        content = {
            "items": listed,
            "nextCursor": cursor,
            "more": await self._storage.latest_change(call.workspace) > after,
            former_name: listed,
            "cursor": cursor,
        }
        return json_response(200, content)

    async def _position(self, call: Call, cursor: str) -> int:
        """The position that a cursor names. Raises ScimError 400 and 410."""
        if cursor == _END:
            return await self._storage.latest_change(call.workspace)
        with at("/cursor"):
            after = await self._tokens.read(call.workspace, cursor) if cursor else 0
            return await self._kept(call.workspace, after)

    async def _kept(self, workspace: int, after: int) -> int:
        """Return the place to continue from: at least the first change that is retained.

        Raises:
            ScimError: 410 if changes after the place were trimmed, so none is skipped.
        """
        mark = await self._storage.item(workspace, TRIM_KIND, TRIM_ID)
        begins = 0 if mark is None else int(mark.body["sequence"])
        if 0 < after < begins:
            raise ScimError(
                410,
                "cursor: the changes that follow it were deleted after their retention time."
                " Read the current users and groups, and continue with the cursor 'end'.",
            )
        return max(after, begins)

    async def _change(self, call: Call, after: int, end: float) -> bool:
        """Wait until something has changed after a place.

        False if the time is up, the client has gone, or another request needs its place.
        """
        request, left = call.request, max(0.0, end - asyncio.get_running_loop().time())
        changed, gone = (
            asyncio.ensure_future(self._watch.change(call.workspace, after)),
            asyncio.ensure_future(request.gone()),
        )
        try:
            async with (request.waits or Waits()).waiting(call.workspace, left, idle=True):
                await asyncio.wait((changed, gone), return_when=asyncio.FIRST_COMPLETED)
            return changed.done() and changed.result()
        except (TimeoutError, GaveWay):
            return False
        finally:
            changed.cancel()
            gone.cancel()


class Watch:
    """Tells those who wait for changes of a workspace, and asks the storage once for all of them.

    The change may be made by another process, which cannot set an event of this one.
    """

    def __init__(self, storage: Resources) -> None:
        self._storage = storage
        self._waiting: dict[int, dict[asyncio.Future[bool], int]] = {}
        self._asking: dict[int, asyncio.Task[None]] = {}

    async def change(self, workspace: int, after: int) -> bool:
        """True once something has changed after a place. Raises StorageError."""
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(workspace, {})[told] = after
        if workspace not in self._asking:
            self._asking[workspace] = asyncio.create_task(self._ask(workspace))
        try:
            return await told
        finally:
            waiting = self._waiting.get(workspace, {})
            waiting.pop(told, None)
            if not waiting:
                self._waiting.pop(workspace, None)

    async def _ask(self, workspace: int) -> None:
        """Ask as long as somebody waits."""
        try:
            while waiting := self._waiting.get(workspace):
                try:
                    latest = await self._storage.latest_change(workspace)
                except StorageError as error:
                    for told in waiting:
                        if not told.done():
                            told.set_exception(type(error)(*error.args))
                else:
                    for told, after in waiting.items():
                        if latest > after and not told.done():
                            told.set_result(True)
                await asyncio.sleep(_ASK_SECONDS)
        finally:
            del self._asking[workspace]
