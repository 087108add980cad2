"""/api/v1/history: the history of a resource, and restoring it."""

from collections.abc import Iterator, Sequence

from muster.access.permissions import RESTORE, SCIM
from muster.base.clock import timestamp
from muster.base.loop_turns import LoopTurns
from muster.directory.documents import parse
from muster.directory.history.events import changed_paths, document_in_log
from muster.directory.history.past import Past, parse_time
from muster.directory.history.restore import Restorer
from muster.http.management.models.history import (
    FindHistory,
    GetPast,
    HistoryChange,
    HistoryPage,
    MembersMoved,
    PastAnswer,
    Restore,
    RestoreAnswer,
)
from muster.http.management.router import ApiRoute, Call
from muster.http.management.tokens import Tokens
from muster.http.wire.base_url import SCIM_ROOT
from muster.http.wire.errors import at
from muster.http.wire.message import Response, json_response
from muster.scim.errors import ScimError, invalid_value, not_found
from muster.scim.schema.model import ResourceType
from muster.storage.ids import key_of
from muster.storage.port.changes import Change
from muster.storage.port.resources import Resources

_TOLD = frozenset({"refuse", "hold", "let", "keep", "override", "protect", "unprotect"})
"""The notes of the audit log that belong to the history of a resource."""


class HistoryRoutes:
    """The operations on the history of resources."""

    def __init__(self, storage: Resources, past: Past, restorer: Restorer, tokens: Tokens) -> None:
        self._storage = storage
        self._restorer = restorer
        self._past = past
        self._tokens = tokens

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET",
            "/history/{id}",
            SCIM,
            self.find_history,
            "List the changes of a resource, newest first",
            query=FindHistory,
            answer=HistoryPage,
        )
        yield ApiRoute(
            "GET",
            "/history/{id}/at",
            SCIM,
            self.get_past,
            "Retrieve a resource as it was at a moment, with its memberships",
            query=GetPast,
            answer=PastAnswer,
        )
        yield ApiRoute(
            "POST",
            "/history/{id}/restore",
            RESTORE,
            self.restore,
            "Restore a resource to a former state",
            body=Restore,
            answer=RestoreAnswer,
            errors=(409,),
        )

    async def find_history(self, call: Call) -> Response:
        """List the changes of a resource, newest first.

        Keys, settings and other objects of the audit log have no history here, because the audit
        log needs a permission of its own.
        """
        query, resource = call.query(FindHistory), call.names["id"]
        before = None
        if query.cursor or query.before is not None:
            with at("/cursor" if query.cursor else "/before"):
                before = await self._tokens.read(
                    call.workspace,
                    query.cursor or query.before or "",
                    "cursor" if query.cursor else "before",
                )
        if key_of(resource) is None:
            raise _unknown(resource)
        changes = await self._storage.history(call.workspace, resource, before, query.limit)
        if not changes and not await self._storage.history(call.workspace, resource, None, 1):
            raise _unknown(resource)
        types = {kind.name for kind in call.grant.registry.types.values()}
        shown = [
            change
            for change in changes
            if change.version or (change.type in types and change.action in _TOLD)
        ]
        items, turns = [], LoopTurns()
        for change in shown:
            items.append(await self._change(call, change))
            await turns.handled(len(change.document) + len(change.before or b""))
        answer: HistoryPage = {
            "items": items,
            "nextCursor": await self._next(call.workspace, resource, changes),
        }
        return json_response(200, answer)

    async def _next(self, workspace: int, resource: str, changes: Sequence[Change]) -> str | None:
        """The cursor of the changes before these; None if there are none.

        A page can be shorter than its limit, because the storage bounds its bytes.
        """
        if not changes:
            return None
        last = changes[-1].sequence
        if not await self._storage.history(workspace, resource, last, 1):
            return None
        return await self._tokens.write(workspace, last)

    async def get_past(self, call: Call) -> Response:
        """Retrieve a resource as it was at a moment, with its memberships."""
        query = call.query(GetPast)
        with at("/time"):
            time = parse_time(query.time, "time")
        was = await self._past.state_at(call.workspace, call.names["id"], timestamp(time))
        if was is None:
            raise not_found(
                f"{call.names['id'][:100]!r} did not exist then, or its state is no longer kept"
            )
        change = await self._change(call, was.change)
        answer: PastAnswer = {
            "change": change["change"],
            "deleted": was.change.action == "delete",
            "resource": change["resource"],
            "resourceType": was.change.type,
            "members": was.members,
            "groups": was.groups,
        }
        return json_response(200, answer)

    async def _change(self, call: Call, change: Change) -> HistoryChange:
        before = parse(change.before) if change.before is not None else {}
        document = parse(change.document)
        return {
            "change": await self._tokens.write(call.workspace, change.sequence),
            "time": change.origin.time,
            "actor": change.origin.actor,
            "address": change.origin.address,
            "requestId": change.origin.request_id,
            "action": change.action,
            "resourceType": change.type,
            "version": change.version,
            "attributes": changed_paths(before, document) if change.action == "update" else [],
            "members": members_moved(change),
            "resource": document_in_log(change, call.base + SCIM_ROOT),
        }

    async def restore(self, call: Call) -> Response:
        """Restore the state after a `change` of the history, or the state at a `time`.

        A time restores the memberships of that time too. A deleted resource gets its id and its
        groups back. In the answer, leftOut lists members that no longer exist. The guard and the
        provisioning switches apply, unless the body has `"override": true`.
        """
        body = await call.read(Restore)
        caller = call.caller_overriding(body.override)
        if (body.change is None) == (body.time is None):
            raise invalid_value(
                "body: expected either change, from the history, or time, such as"
                " 2026-01-31T09:00:00Z"
            )
        kind, resource_id = await self._kind(call), call.names["id"]
        if body.change is not None:
            with at("/change"):
                sequence = await self._tokens.read(call.workspace, body.change, "change")
            back = await self._restorer.restore(caller, kind, resource_id, sequence)
        else:
            with at("/time"):
                time = parse_time(body.time, "time")
            back = await self._restorer.restore_to(caller, kind, resource_id, timestamp(time))
        left_out = {"leftOut": back.left_out} if back.left_out else {}
        return json_response(200, {**call.document(back.stored.document), **left_out})

    async def _kind(self, call: Call) -> ResourceType:
        """The type of the resource, according to its stored changes. Raises ScimError 404."""
        last = await self._past.last_write(call.workspace, call.names["id"])
        types = {kind.name: kind for kind in call.grant.registry.types.values()}
        if last is None or last.type not in types:
            raise _unknown(call.names["id"])
        return types[last.type]


def _unknown(resource_id: str) -> ScimError:
    return not_found(f"nothing is known of {resource_id[:100]!r}")


def members_moved(change: Change) -> MembersMoved | None:
    """The members that a change of a group moved; None if it moved none."""
    if change.members is None:
        return None
    return {"added": list(change.members.added), "removed": list(change.members.removed)}
