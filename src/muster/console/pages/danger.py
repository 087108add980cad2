"""The danger zone of a workspace: deletes all of its resources."""

from collections.abc import Iterator

from muster.access.permissions import ADMIN
from muster.console.pages.schemas import _ROOT
from muster.console.web import PageRoute, Visit
from muster.directory.wipe import wipe
from muster.http.wire.message import Response
from muster.storage.port.engine import Storage


class DangerPages:
    """The page that wipes a workspace."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", f"{_ROOT}/wipe", ADMIN, self.show)
        yield PageRoute("POST", f"{_ROOT}/wipe", ADMIN, self.wipe)

    async def show(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        said = visit.flashed.get("said", "")
        return visit.render("wipe.html", status, workspace=visit.there(), said=said, error=error)

    async def wipe(self, visit: Visit) -> Response:
        workspace = visit.there()
        if visit.text("name") != workspace.name:
            return await self.show(
                visit,
                400,
                error=f"name: type the workspace name, {workspace.name}, to confirm",
            )
        count = await wipe(self._storage, visit.caller)
        return await visit.redirect_with(
            "./wipe", said=f"Workspace wiped: {count} resources deleted."
        )
