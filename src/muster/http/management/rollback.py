"""/api/v1: undoing everything that one key did between two moments."""

from collections.abc import Iterator

from muster.access.permissions import RESTORE
from muster.directory.history.past import parse_time
from muster.directory.history.rollback import Rollback
from muster.http.management.bodies import UndoSelection
from muster.http.management.router import ApiRoute, Call
from muster.http.management.tokens import Tokens
from muster.http.wire.message import Response, json_response
from muster.scim.errors import not_found
from muster.scim.values import Json
from muster.storage.port.accounts import Accounts


class UndoRoutes:
    """The operations of undoing."""

    def __init__(self, accounts: Accounts, rollback: Rollback, tokens: Tokens) -> None:
        self._accounts = accounts
        self._rollback = rollback
        self._tokens = tokens

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET",
            "/undo",
            RESTORE,
            self.plan_undo,
            "What a key did between two moments, and how it would be undone",
        )
        yield ApiRoute(
            "POST",
            "/undo",
            RESTORE,
            self.undo,
            "Undoes what a key did between two moments, in one transaction",
        )

    async def plan_undo(self, call: Call) -> Response:
        parameters = call.request.parameters()
        since, until = (parse_time(parameters.get(name), name) for name in ("since", "until"))
        plan = await self._rollback.plan(
            call.workspace, await self._actor(call, parameters.get("key")), since, until
        )
        steps = [
            {
                "resourceType": step.type,
                "id": step.id,
                "name": step.name,
                "action": step.action,
                "changes": step.changes,
                "changedByOthers": step.changed_by_others,
            }
            for step in plan.steps
        ]
        return json_response(
            200, {"at": await self._tokens.write(call.workspace, plan.as_of), "resources": steps}
        )

    async def undo(self, call: Call) -> Response:
        """Undo what was selected from a plan. In the answer, leftOut lists members that no longer exist.

        The guard and the provisioning switches apply, unless the body has `"override": true`.
        """
        body = await call.read(UndoSelection)
        caller = call.caller_overriding(body.override)
        since, until = parse_time(body.since, "since"), parse_time(body.until, "until")
        at = await self._tokens.read(call.workspace, body.at, "at")
        actor = await self._actor(call, body.key)
        undone = await self._rollback.execute(caller, actor, since, until, at, body.resources)
        return json_response(200, {"undone": undone.count, "leftOut": undone.left_out})

    async def _actor(self, call: Call, key: Json) -> str:
        if not isinstance(key, str) or await self._accounts.key(call.workspace, key) is None:
            raise not_found("key: there is no such key in this workspace")
        return f"key:{key}"
