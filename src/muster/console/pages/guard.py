"""The deprovisioning guard in the console: its state and held changes."""

from collections.abc import Iterator, Sequence

from muster.access.permissions import SETTINGS
from muster.console.actors import names_of
from muster.console.web import PageRoute, Visit
from muster.directory.guard.desk import GuardDesk
from muster.http.wire.message import Response
from muster.scim.errors import ScimError
from muster.storage.port.accounts import Accounts

SHOWN = 400
"""The most held changes on the page; a form may have 500 fields."""
_NAMED = 20
_DONE = {"approve": "Approved", "reject": "Rejected"}


class GuardPages:
    """The page of the deprovisioning guard."""

    def __init__(self, accounts: Accounts, desk: GuardDesk) -> None:
        self._accounts = accounts
        self._desk = desk

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/w/{workspace}/guard", SETTINGS, self.show)
        yield PageRoute("POST", "/w/{workspace}/guard/let-all", SETTINGS, self.let_all)
        yield PageRoute("POST", "/w/{workspace}/guard/selection", SETTINGS, self.decide)
        yield PageRoute("POST", "/w/{workspace}/guard/{id}/let", SETTINGS, self.let)
        yield PageRoute("POST", "/w/{workspace}/guard/{id}/keep", SETTINGS, self.keep)

    async def show(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        state = await self._desk.state(visit.caller)
        if visit.held > len(state.held):
            await self._desk.discard_made(visit.caller)
            visit.held = len(state.held)
        return visit.render(
            "guard.html",
            status,
            state=state,
            shown=state.held[:SHOWN],
            names=await names_of(self._accounts, visit.there().id),
            said=visit.flashed.get("said", ""),
            refused=visit.flashed.get("refused", []),
            error=error,
        )

    async def let_all(self, visit: Visit) -> Response:
        held = (await self._desk.state(visit.caller)).held
        return await self._each(visit, "approve", [write.id for write in held])

    async def decide(self, visit: Visit) -> Response:
        """Approve or reject the selected changes."""
        decision, ids = visit.text("decision"), visit.fields.get("user", [])
        if decision not in _DONE:
            return await self.show(visit, 400, "Choose whether to approve or reject.")
        if not ids:
            return await self.show(visit, 400, "Select at least one change.")
        return await self._each(visit, decision, ids)

    async def let(self, visit: Visit) -> Response:
        await self._desk.approve(visit.caller, visit.names["id"])
        return await visit.redirect_with("./guard", said="Change approved.")

    async def keep(self, visit: Visit) -> Response:
        await self._desk.reject(visit.caller, visit.names["id"])
        return await visit.redirect_with("./guard", said="Change rejected. The user is kept.")

    async def _each(self, visit: Visit, decision: str, ids: Sequence[str]) -> Response:
        """Decide each change, and say for which ones that was refused."""
        decide = self._desk.approve if decision == "approve" else self._desk.reject
        refused = []
        for user_id in dict.fromkeys(ids):
            try:
                await decide(visit.caller, user_id)
            except ScimError as error:
                refused.append([user_id, error.detail])
        total = len(dict.fromkeys(ids))
        number = f"{total - len(refused):,} of {total:,}" if refused else f"{total:,}"
        said = f"{_DONE[decision]} {number} {'change' if total == 1 else 'changes'}."
        return await visit.redirect_with("./guard", said=said, refused=refused[:_NAMED])
