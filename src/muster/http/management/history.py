"""/api/v1/history: the history of a resource, and restoring it."""

from collections.abc import Iterator
from typing import Any

from muster.access.permissions import RESTORE, SCIM
from muster.base.clock import timestamp
from muster.directory.documents import parse
from muster.directory.history.events import changed_paths
from muster.directory.history.past import Past, parse_time
from muster.directory.history.restore import Restorer
from muster.http.management.bodies import Restore
from muster.http.management.router import ApiRoute, Call
from muster.http.management.tokens import Tokens
from muster.http.wire.message import Response, json_response
from muster.scim.errors import invalid_value, not_found
from muster.scim.schema.model import ResourceType
from muster.storage.ids import key_of
from muster.storage.port.changes import Change
from muster.storage.port.resources import Resources

_HISTORY = 200
_TOLD = frozenset({"refuse", "hold", "let", "keep"})
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
            "What became of a resource, the newest first",
        )
        yield ApiRoute(
            "GET",
            "/history/{id}/at",
            SCIM,
            self.get_past,
            "A resource as it was at a moment, with its memberships then",
        )
        yield ApiRoute(
            "POST",
            "/history/{id}/restore",
            RESTORE,
            self.restore,
            "Brings a resource back to what it was",
        )

    async def find_history(self, call: Call) -> Response:
        """The changes of a resource, the newest first; with `before`, those before a change.

        Keys, settings and other things of the audit log have no history here: it needs a permission of its own.
        """
        if key_of(call.names["id"]) is None:
            return json_response(200, [])
        asked = call.request.parameters().get("before")
        before = None if asked is None else await self._tokens.read(call.workspace, asked, "before")
        changes = await self._storage.history(call.workspace, call.names["id"], before, _HISTORY)
        types = {kind.name for kind in call.grant.registry.types.values()}
        shown = [
            change
            for change in changes
            if change.version or (change.type in types and change.action in _TOLD)
        ]
        return json_response(200, [await self._change(call, change) for change in shown])

    async def get_past(self, call: Call) -> Response:
        """With the parameter time. members are of a group, groups those that anything else was in directly: their ids."""
        time = parse_time(call.request.parameters().get("time"), "time")
        was = await self._past.state_at(call.workspace, call.names["id"], timestamp(time))
        if was is None:
            raise not_found(
                f"{call.names['id'][:100]!r} was not there then, or what it was is not kept any more"
            )
        change = await self._change(call, was.change)
        deleted = was.change.action == "delete"
        shown = {"change": change["change"], "deleted": deleted, "resource": change["resource"]}
        return json_response(
            200,
            {
                **shown,
                "resourceType": was.change.type,
                "members": was.members,
                "groups": was.groups,
            },
        )

    async def _change(self, call: Call, change: Change) -> dict[str, Any]:
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
            "members": None if change.members is None else change.members.as_json(),
            "resource": call.document(change.document),
        }

    async def restore(self, call: Call) -> Response:
        """Restore the state after a `change` of the history, or the state at a `time` with the memberships of that time.

        A deleted resource gets its id and its groups back. In the answer, leftOut lists members that no longer exist.
        The guard and the provisioning switches apply, unless the body has `"override": true`.
        """
        body = await call.read(Restore)
        caller = call.caller_overriding(body.override)
        if (body.change is None) == (body.time is None):
            raise invalid_value(
                "name either change, from the history, or time, a moment such as 2026-01-31T09:00:00Z"
            )
        kind, resource_id = await self._kind(call), call.names["id"]
        if body.change is not None:
            sequence = await self._tokens.read(call.workspace, body.change, "change")
            back = await self._restorer.restore(caller, kind, resource_id, sequence)
        else:
            back = await self._restorer.restore_to(
                caller, kind, resource_id, timestamp(parse_time(body.time, "time"))
            )
        left_out = {"leftOut": back.left_out} if back.left_out else {}
        return json_response(200, {**call.document(back.stored.document), **left_out})

    async def _kind(self, call: Call) -> ResourceType:
        """The type of the resource, by what is known of it. Raises ScimError 404."""
        last = await self._past.last_write(call.workspace, call.names["id"])
        types = {kind.name: kind for kind in call.grant.registry.types.values()}
        if last is None or last.type not in types:
            raise not_found(f"nothing is known of {call.names['id'][:100]!r}")
        return types[last.type]
