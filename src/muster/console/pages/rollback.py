"""Rollback in the console: previews and undoes the changes of one key in a period."""

from collections.abc import Iterator
from datetime import timedelta

from muster.access.permissions import RESTORE
from muster.base import clock
from muster.console.actors import listed
from muster.console.web import PageRoute, Visit
from muster.directory.history.past import parse_time
from muster.directory.history.rollback import Rollback, RollbackPlan
from muster.http.management.tokens import Tokens
from muster.http.wire.message import Response
from muster.scim.errors import ScimError, not_found
from muster.storage.port.accounts import Accounts

_PATH = "/w/{workspace}/undo"


class RollbackPages:
    """The rollback page."""

    def __init__(self, accounts: Accounts, rollback: Rollback, tokens: Tokens) -> None:
        self._accounts = accounts
        self._rollback = rollback
        self._tokens = tokens

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", _PATH, RESTORE, self.show)
        yield PageRoute("POST", _PATH, RESTORE, self.undo)

    async def show(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        """Show the form and, once a key and a period are chosen, the preview."""
        plan, at = None, ""
        if visit.text("key"):
            try:
                plan = await self._plan(visit)
                at = await self._tokens.write(visit.there().id, plan.as_of)
            except ScimError as failed:
                status, error = failed.status if status == 200 else status, error or failed.detail
        now = clock.now()
        until = visit.text("until") or f"{now + timedelta(minutes=1):%Y-%m-%dT%H:%M}"
        asked = {
            "key": visit.text("key"),
            "since": visit.text("since") or f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M}",
        }
        keys = await self._accounts.keys(visit.there().id)
        values = {"plan": plan, "at": at, "keys": keys, "asked": {**asked, "until": until}}
        return visit.render(
            "undo.html", status, said=visit.flashed.get("said", ""), error=error, **values
        )

    async def undo(self, visit: Visit) -> Response:
        ids = visit.fields.get("resource", [])
        if not ids:
            return await self.show(visit, 400, error="Select at least one resource to roll back.")
        try:
            at = await self._tokens.read(visit.there().id, visit.text("at"), "at")
            since, until = (parse_time(visit.text(name), name) for name in ("since", "until"))
            caller = visit.caller_overriding()
            undone = await self._rollback.execute(
                caller, await self._actor(visit), since, until, at, ids
            )
        except ScimError as error:
            return await self.show(visit, error.status, error=error.detail)
        without = (
            f" Members that no longer exist were left out: {listed(undone.left_out)}."
            if undone.left_out
            else ""
        )
        said = f"Rolled back {undone.count} resources. See the audit log for details.{without}"
        return await visit.redirect_with(
            "./undo", {name: visit.text(name) for name in ("key", "since", "until")}, said=said
        )

    async def _plan(self, visit: Visit) -> RollbackPlan:
        since, until = (parse_time(visit.text(name), name) for name in ("since", "until"))
        return await self._rollback.plan(visit.there().id, await self._actor(visit), since, until)

    async def _actor(self, visit: Visit) -> str:
        if await self._accounts.key(visit.there().id, visit.text("key")) is None:
            raise not_found("API key not found.")
        return f"key:{visit.text('key')}"
