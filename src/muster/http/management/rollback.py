"""/api/v1: undoing everything that one key did between two moments."""

from collections.abc import Iterator
from datetime import datetime

from muster.access.connections import Connections
from muster.access.origins import CredentialOrigins
from muster.access.permissions import RESTORE
from muster.directory.history.past import parse_time
from muster.directory.history.rollback import Rollback, Work
from muster.http.management.models.rollback import (
    PlanUndo,
    UndoAnswer,
    UndoPlan,
    UndoSelection,
    UndoStep,
)
from muster.http.management.router import ApiRoute, Call
from muster.http.management.tokens import Tokens
from muster.http.wire.errors import at
from muster.http.wire.message import Response, json_response
from muster.scim.errors import invalid_value, not_found
from muster.storage.port.accounts import Accounts


class UndoRoutes:
    """The operations of undoing."""

    def __init__(
        self,
        accounts: Accounts,
        rollback: Rollback,
        tokens: Tokens,
        connections: Connections,
        origins: CredentialOrigins,
    ) -> None:
        self._accounts = accounts
        self._connections = connections
        self._origins = origins
        self._rollback = rollback
        self._tokens = tokens

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET",
            "/undo",
            RESTORE,
            self.plan_undo,
            "Plan the undoing of the changes that a key made in a period",
            query=PlanUndo,
            answer=UndoPlan,
            errors=(404, 409, 410),
        )
        yield ApiRoute(
            "POST",
            "/undo",
            RESTORE,
            self.undo,
            "Undo changes that a key made in a period, in one transaction",
            body=UndoSelection,
            answer=UndoAnswer,
            errors=(404, 409, 410),
        )

    async def plan_undo(self, call: Call) -> Response:
        query = call.query(PlanUndo)
        since, until = _period(query)
        work = await self._work(call, query, since, until)
        plan = await self._rollback.plan(call.workspace, work)
        steps: list[UndoStep] = [
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
        answer: UndoPlan = {
            "at": await self._tokens.write(call.workspace, plan.as_of),
            "resources": steps,
        }
        return json_response(200, answer)

    async def undo(self, call: Call) -> Response:
        """Undo the selected changes of a plan.

        Resources that the key created are deleted only if `deletions` names them.
        In the answer, leftOut lists members that no longer exist.
        The guard and the provisioning switches apply, unless the body has `"override": true`.
        """
        body = await call.read(UndoSelection)
        caller = call.caller_overriding(body.override)
        since, until = _period(body)
        with at("/at"):
            latest = await self._tokens.read(call.workspace, body.at, "at")
        work = await self._work(call, body, since, until)
        chosen = body.resources, body.deletions
        undone = await self._rollback.execute(caller, work, latest, *chosen)
        answer: UndoAnswer = {"undone": undone.count, "leftOut": undone.left_out}
        return json_response(200, answer)

    async def _work(
        self, call: Call, asked: PlanUndo | UndoSelection, since: datetime, until: datetime
    ) -> Work:
        """Return the changes to undo: those of a key, or of all credentials of a connection.

        Raises:
            ScimError: 400 unless one of them is named; 404 if the key does not exist.
        """
        if bool(asked.key) == bool(asked.connection):
            raise invalid_value("key, connection: expected one of them, whose changes are undone")
        if asked.connection:
            with at("/connection"):
                connection = await self._connections.chosen(call.workspace, asked.connection)
            actors = (await self._origins.of(call.workspace)).actors(connection.id)
            return Work(f"connection:{connection.id}", since, until, actors=actors)
        with at("/key"):
            if await self._accounts.key(call.workspace, asked.key) is None:
                raise not_found("key: there is no such key in this workspace")
        return Work(f"key:{asked.key}", since, until)


def _period(given: PlanUndo | UndoSelection) -> tuple[datetime, datetime]:
    with at("/since"):
        since = parse_time(given.since, "since")
    with at("/until"):
        return since, parse_time(given.until, "until")
