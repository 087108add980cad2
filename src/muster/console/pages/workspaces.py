"""The list of workspaces, in which owners of the installation create and rename them."""

from collections.abc import Iterator

from muster.access.settings import CONTRACTS
from muster.access.workspaces import DEFAULT, create_workspace, rename_workspace
from muster.console.web import INSTALLATION_ADMIN, SIGNED_IN, PageRoute, Visit
from muster.http.wire.message import Response
from muster.scim.errors import ScimError, not_found
from muster.storage.port.accounts import Accounts

_SHOWN = 200


class WorkspacePages:
    """The page to change to another workspace, to create one, or to rename one."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", "/workspaces", SIGNED_IN, self.show)
        yield PageRoute("POST", "/workspaces", INSTALLATION_ADMIN, self.create)
        yield PageRoute("POST", "/workspaces/{id}/rename", INSTALLATION_ADMIN, self.rename)

    async def show(
        self, visit: Visit, status: int = 200, error: str = "", renaming: int | None = None
    ) -> Response:
        asked = visit.text("q")
        found = [
            (workspace, start)
            for workspace in sorted(visit.workspaces, key=lambda workspace: workspace.name)
            if asked.lower() in workspace.name.lower() and (start := visit.start(workspace))
        ]
        return visit.render(
            "workspaces.html",
            status,
            found=found[:_SHOWN],
            more=max(0, len(found) - _SHOWN),
            q=asked,
            error=error,
            said=visit.flashed.get("said", ""),
            renaming=renaming,
            default=DEFAULT,
            owns=visit.session is not None and visit.session.admin.everywhere,
            typed={item: visit.text(item) if error else "" for item in ("name", "contract")},
        )

    async def create(self, visit: Visit) -> Response:
        name, contract = visit.text("name"), visit.text("contract", CONTRACTS[0])
        try:
            await create_workspace(self._accounts, name, contract, visit.origin)
        except ScimError as error:
            return await self.show(visit, error.status, error.detail)
        return await visit.redirect_with("/workspaces", said=f'Workspace "{name}" was created.')

    async def rename(self, visit: Visit) -> Response:
        number = visit.names["id"]
        found = (item for item in visit.workspaces if str(item.id) == number)
        workspace = next(found, None)
        if workspace is None:
            raise not_found("Workspace not found.")
        try:
            renamed = await rename_workspace(
                self._accounts, workspace, visit.text("name"), visit.origin
            )
        except ScimError as error:
            return await self.show(visit, error.status, error.detail, workspace.id)
        said = f'Workspace "{workspace.name}" is called "{renamed.name}" now. Old links still work.'
        return await visit.redirect_with("/workspaces", said=said)
