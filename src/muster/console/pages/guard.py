"""The deprovisioning guard in the console: its state and held changes."""

from collections.abc import Iterator, Mapping, Sequence

from muster.access.connections import Connections
from muster.access.origins import CredentialOrigins
from muster.access.permissions import SETTINGS
from muster.console.stamps import stamp_of
from muster.console.web import PageRoute, Visit
from muster.directory.guard.desk import GuardDesk, HeldWrite
from muster.http.wire.message import Response
from muster.insight.credentials import credential_names
from muster.scim.errors import ScimError
from muster.storage.port.accounts import Accounts

SHOWN = 400
"""The most held changes on the page; each is two fields of the form."""
_NAMED = 20
_DONE = {"approve": "Approved", "reject": "Rejected"}


class GuardPages:
    """The page of the deprovisioning guard."""

    def __init__(
        self,
        accounts: Accounts,
        desk: GuardDesk,
        connections: Connections,
        origins: CredentialOrigins,
    ) -> None:
        self._accounts = accounts
        self._desk = desk
        self._connections = connections
        self._origins = origins

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/w/{workspace}/guard", SETTINGS, self.show)
        yield PageRoute("POST", "/w/{workspace}/guard/let-all", SETTINGS, self.let_all)
        yield PageRoute("POST", "/w/{workspace}/guard/selection", SETTINGS, self.decide)
        yield PageRoute("POST", "/w/{workspace}/guard/{id}/let", SETTINGS, self.let)
        yield PageRoute("POST", "/w/{workspace}/guard/{id}/keep", SETTINGS, self.keep)

    async def show(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        workspace = visit.there().id
        state = await self._desk.state(visit.caller)
        if visit.held > len(state.held):
            await self._desk.discard_made(visit.caller)
            visit.held = len(state.held)
        return visit.render(
            "guard.html",
            status,
            state=state,
            shown=state.held[:SHOWN],
            stamp=_stamp(state.held),
            names=await credential_names(self._accounts, workspace),
            connections={one.id: one.name for one in await self._connections.all(workspace)},
            origins=await self._origins.of(workspace),
            said=visit.flashed.get("said", ""),
            refused=visit.flashed.get("refused", []),
            error=error,
        )

    async def let_all(self, visit: Visit) -> Response:
        return await self._all(visit, "approve")

    async def _all(self, visit: Visit, decision: str) -> Response:
        """Decide all held changes, unless others are held than those that the page has shown."""
        held = (await self._desk.state(visit.caller)).held
        if visit.text("all") not in ("", _stamp(held)):
            return await self.show(
                visit,
                409,
                "The list has changed since you opened this page. Nothing was"
                f" {_DONE[decision].lower()}. Check it, and decide again.",
            )
        seen = {write.id: write.attempted for write in held}
        return await self._each(visit, decision, list(seen), seen)

    async def decide(self, visit: Visit) -> Response:
        """Approve or reject the selected changes, or reject all of them."""
        decision, ids = visit.text("decision"), visit.fields.get("user", [])
        if decision == "reject-all":
            return await self._all(visit, "reject")
        if decision not in _DONE:
            return await self.show(visit, 400, "Choose whether to approve or reject.")
        if not ids:
            return await self.show(visit, 400, "Select at least one change.")
        return await self._each(visit, decision, ids, _seen(visit))

    async def let(self, visit: Visit) -> Response:
        user_id = visit.names["id"]
        try:
            await self._desk.approve(visit.caller, user_id, _seen(visit).get(user_id))
        except ScimError as error:
            if error.status == 404:
                raise
            return await self.show(visit, error.status, error.detail)
        return await visit.redirect_with("./guard", said="Change approved.")

    async def keep(self, visit: Visit) -> Response:
        await self._desk.reject(visit.caller, visit.names["id"])
        return await visit.redirect_with("./guard", said="Change rejected. The user is kept.")

    async def _each(
        self, visit: Visit, decision: str, ids: Sequence[str], seen: Mapping[str, str]
    ) -> Response:
        """Decide each change, and say for which ones that was refused."""
        refused = []
        for user_id in dict.fromkeys(ids):
            try:
                if decision == "approve":
                    await self._desk.approve(visit.caller, user_id, seen.get(user_id))
                else:
                    await self._desk.reject(visit.caller, user_id)
            except ScimError as error:
                refused.append([user_id, error.detail])
        total = len(dict.fromkeys(ids))
        number = f"{total - len(refused):,} of {total:,}" if refused else f"{total:,}"
        said = f"{_DONE[decision]} {number} {'change' if total == 1 else 'changes'}."
        return await visit.redirect_with("./guard", said=said, refused=refused[:_NAMED])


def _seen(visit: Visit) -> dict[str, str]:
    """Return the changes that the page has shown, by the id of the user."""
    pairs = (text.partition(" ") for text in visit.fields.get("held", []))
    return {user_id: attempted for attempted, _, user_id in pairs}


def _stamp(held: Sequence[HeldWrite]) -> str:
    """Return a text that differs if other changes are held; a repeated request changes nothing."""
    return stamp_of(sorted([write.id, write.attempted] for write in held))
