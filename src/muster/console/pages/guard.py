"""The deprovisioning guard in the console: its state and held changes."""

from collections.abc import Iterator

from muster.access.permissions import SETTINGS
from muster.console.actors import names_of
from muster.console.web import PageRoute, Visit
from muster.directory.guard.desk import GuardDesk
from muster.http.wire.message import Response
from muster.storage.port.accounts import Accounts


class GuardPages:
    """The page of the deprovisioning guard."""

    def __init__(self, accounts: Accounts, desk: GuardDesk) -> None:
        self._accounts = accounts
        self._desk = desk

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/w/{workspace}/guard", SETTINGS, self.show)
        yield PageRoute("POST", "/w/{workspace}/guard/let-all", SETTINGS, self.let_all)
        yield PageRoute("POST", "/w/{workspace}/guard/{id}/let", SETTINGS, self.let)
        yield PageRoute("POST", "/w/{workspace}/guard/{id}/keep", SETTINGS, self.keep)

    async def show(self, visit: Visit) -> Response:
        names = await names_of(self._accounts, visit.there().id)
        return visit.render("guard.html", state=await self._desk.state(visit.caller), names=names)

    async def let_all(self, visit: Visit) -> Response:
        await self._desk.approve_all(visit.caller)
        return visit.redirect("./guard")

    async def let(self, visit: Visit) -> Response:
        await self._desk.approve(visit.caller, visit.names["id"])
        return visit.redirect("./guard")

    async def keep(self, visit: Visit) -> Response:
        await self._desk.reject(visit.caller, visit.names["id"])
        return visit.redirect("./guard")
