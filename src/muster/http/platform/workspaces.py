"""/api/v1/platform/workspaces."""

import functools
from collections.abc import Iterator
from typing import cast

from muster.access.lifecycle import (
    delete_workspace,
    restore_workspace,
    resume_workspace,
    suspend_workspace,
)
from muster.access.settings import WorkspaceSettings, shown
from muster.access.workspace_changes import NewState, change_workspace
from muster.access.workspaces import create_workspace
from muster.http.management.models.settings import SettingsAnswer
from muster.http.management.pages import cut, read_cursor
from muster.http.management.router import created
from muster.http.platform.models.workspaces import (
    DeleteWorkspace,
    ErasingAnswer,
    FindWorkspaces,
    NewWorkspace,
    Suspend,
    WorkspaceAnswer,
    WorkspaceChange,
    WorkspaceList,
)
from muster.http.platform.router import PLATFORM, PlatformCall, PlatformRoute
from muster.http.wire.base_url import SCIM_ROOT
from muster.http.wire.errors import FieldError, InvalidRequest, at
from muster.http.wire.message import Response, json_response
from muster.storage.port.accounts import ERASING, Accounts, Workspace
from muster.storage.port.items import ERASING_KIND, INSTALLATION

_ROOT = "/platform/workspaces"
_ONE = f"{_ROOT}/{{name}}"


class WorkspaceRoutes:
    """The operations on workspaces."""

    def __init__(self, accounts: Accounts, settings: WorkspaceSettings) -> None:
        self._accounts = accounts
        self._settings = settings

    def __iter__(self) -> Iterator[PlatformRoute]:
        yield PlatformRoute(
            "GET",
            _ROOT,
            PLATFORM,
            self.find_workspaces,
            "List workspaces",
            query=FindWorkspaces,
            answer=WorkspaceList,
        )
        yield PlatformRoute(
            "POST",
            _ROOT,
            PLATFORM,
            self.create_workspace,
            "Create a workspace",
            201,
            body=NewWorkspace,
            answer=WorkspaceAnswer,
            errors=(409,),
        )
        yield PlatformRoute(
            "GET",
            _ONE,
            PLATFORM,
            self.get_workspace,
            "Retrieve a workspace",
            answer=WorkspaceAnswer,
        )
        yield PlatformRoute(
            "PATCH",
            _ONE,
            PLATFORM,
            self.update_workspace,
            "Change the names or the settings of a workspace",
            body=WorkspaceChange,
            answer=WorkspaceAnswer,
            errors=(409,),
        )
        yield PlatformRoute(
            "DELETE",
            _ONE,
            PLATFORM,
            self.delete_workspace,
            "Delete a workspace, which can be restored for 7 days",
            202,
            query=DeleteWorkspace,
            answer=WorkspaceAnswer,
            errors=(409,),
        )
        yield from self._states()

    def _states(self) -> Iterator[PlatformRoute]:
        yield PlatformRoute(
            "POST",
            f"{_ONE}/suspend",
            PLATFORM,
            self.suspend_workspace,
            "Suspend a workspace: SCIM answers 503 until it is resumed",
            body=Suspend,
            body_optional=True,
            answer=WorkspaceAnswer,
            errors=(409,),
        )
        yield PlatformRoute(
            "POST",
            f"{_ONE}/resume",
            PLATFORM,
            self.resume_workspace,
            "Resume a suspended workspace",
            answer=WorkspaceAnswer,
            errors=(409,),
        )
        yield PlatformRoute(
            "POST",
            f"{_ONE}/restore",
            PLATFORM,
            self.restore_workspace,
            "Restore a deleted workspace whose data is not erased yet",
            answer=WorkspaceAnswer,
            errors=(409,),
        )

    async def find_workspaces(self, call: PlatformCall) -> Response:
        query = call.query(FindWorkspaces)
        after = str(read_cursor(query.cursor, ("",))[0]) if query.cursor else ""
        found = await self._accounts.list_workspaces(
            after, query.limit + 1, query.name, query.state
        )
        shown, following = cut(found, lambda workspace: (workspace.name,), query.limit)
        answer: WorkspaceList = {
            "items": [await _shown(self._accounts, each, call.base) for each in shown],
            "nextCursor": following,
        }
        return json_response(200, answer)

    async def get_workspace(self, call: PlatformCall) -> Response:
        workspace = await call.workspace(deleted=True)
        return json_response(200, await _shown(self._accounts, workspace, call.base))

    async def create_workspace(self, call: PlatformCall) -> Response:
        body = await call.read(NewWorkspace)

        def answer(made: Workspace) -> Response:
            return created(answer_of(made, call.base), _ROOT, made.name)

        with at("/name"):
            made = await create_workspace(
                self._accounts,
                body.name,
                body.contract,
                call.origin,
                strict=body.strict,
                display_name=body.display_name.strip(),
                items=lambda made: call.keep(answer(made)).puts,
            )
        call.request.workspace = made.name
        return answer(made)

    async def update_workspace(self, call: PlatformCall) -> Response:
        """Change the names and the settings of a workspace: all that is given, or nothing."""
        workspace = await call.workspace()
        body = await call.read(WorkspaceChange)
        given = body.changes()
        name, display_name = given.pop("name", None), given.pop("display_name", None)
        with at("/rateLimit"):
            self._settings.check_rate_limit(body.rate_limit)
        shown_name = None if display_name is None else display_name.strip()
        changed = await change_workspace(
            self._accounts,
            self._settings,
            workspace,
            NewState(name, shown_name, given),
            call.origin,
            functools.partial(at, "/name"),
        )
        return _answer(200, call, changed)

    async def delete_workspace(self, call: PlatformCall) -> Response:
        """Delete a workspace.

        Its clients get 503 at once. Its data is kept for 7 days, in which it can be restored, and
        is then erased in the background.
        """
        workspace = await call.workspace(deleted=True)
        query = call.query(DeleteWorkspace)
        if query.confirm != workspace.name:
            detail = f"To delete the workspace, repeat its name: confirm={workspace.name}."
            raise InvalidRequest(400, detail, [FieldError("/confirm", detail)])
        deleted = await delete_workspace(self._accounts, workspace, call.origin)
        return _answer(202, call, deleted)

    async def suspend_workspace(self, call: PlatformCall) -> Response:
        """Suspend a workspace.

        Its clients get 503 with `Retry-After: 3600`, which they take for an outage: they keep their
        state and try again. Its keys and data stay.
        """
        workspace = await call.workspace(deleted=True)
        body = await call.read(Suspend, empty=True)
        suspended = await suspend_workspace(
            self._accounts, workspace, body.reason.strip(), call.origin
        )
        return _answer(200, call, suspended)

    async def resume_workspace(self, call: PlatformCall) -> Response:
        workspace = await call.workspace(deleted=True)
        return _answer(200, call, await resume_workspace(self._accounts, workspace, call.origin))

    async def restore_workspace(self, call: PlatformCall) -> Response:
        workspace = await call.workspace(deleted=True)
        return _answer(200, call, await restore_workspace(self._accounts, workspace, call.origin))


def _answer(status: int, call: PlatformCall, workspace: Workspace) -> Response:
    return json_response(status, answer_of(workspace, call.base))


async def _shown(accounts: Accounts, workspace: Workspace, base: str) -> WorkspaceAnswer:
    """Return a workspace with the progress of erasing it."""
    if workspace.state != ERASING:
        return answer_of(workspace, base)
    item = await accounts.item(INSTALLATION, ERASING_KIND, str(workspace.id))
    found = {"done": 0, "total": 0} if item is None else item.body
    return answer_of(workspace, base, {"done": found["done"], "total": found["total"]})


def answer_of(
    workspace: Workspace, base: str, erasing: ErasingAnswer | None = None
) -> WorkspaceAnswer:
    """Return a workspace as the platform API shows it."""
    suspended, deleted = workspace.suspended, workspace.deleted
    return {
        "name": workspace.name,
        "displayName": workspace.display_name or workspace.name,
        "state": workspace.state,
        "suspended": None
        if suspended is None
        else {"since": suspended.since, "reason": suspended.reason},
        "deleted": None if deleted is None else {"since": deleted.since, "until": deleted.until},
        "erasing": erasing,
        "created": workspace.created,
        "baseUrl": base + SCIM_ROOT,
        "consoleUrl": f"{base}/w/{workspace.name}",
        "settings": cast(SettingsAnswer, shown(workspace)),
    }
