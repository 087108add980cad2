"""Changes the names and the settings of a workspace together: all of them or none."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from muster.access.audit_notes import Administrator
from muster.access.permissions import ADMIN
from muster.access.settings import WorkspaceSettings
from muster.access.workspaces import notes_of, prepare_rename, taken
from muster.storage.port.accounts import Accounts, Setting, Workspace
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.errors import Conflict, Outdated

_TRIES = 5


@dataclass(frozen=True, slots=True)
class NewState:
    """The names and settings that a workspace is to have.

    Attributes:
        name: The new name; None for the present one.
        display_name: The new name that people see; None for the present one.
        settings: The new settings, by attribute of Workspace, which are validated already.
    """

    name: str | None = None
    display_name: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


async def change_workspace(
    accounts: Accounts,
    settings: WorkspaceSettings,
    workspace: Workspace,
    change: NewState,
    origin: ChangeOrigin,
    naming: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Workspace:
    """Change a workspace in one transaction, retrying if it changes concurrently.

    Args:
        accounts: The storage.
        settings: Checks the settings.
        workspace: The workspace, as it was read.
        change: The change.
        origin: Who makes it.
        naming: The context in which the new name is refused, so that the caller can say which
            value of its request an error is about.

    Raises:
        ScimError: 400, 403 or 409, as for `rename_workspace` and `WorkspaceSettings.change`.
        Outdated: The workspace keeps changing.
    """
    for _ in range(_TRIES):
        before = await accounts.workspace(workspace.id) or workspace
        by = Administrator(before, origin, (ADMIN,))
        after, notes = before, list[Note]()
        puts: list[Setting] = []
        if change.settings:
            after, changed = await settings.prepare(by, change.settings)
            notes += changed
        if change.name is not None and change.name != before.name:
            with naming():
                after, former, told = await prepare_rename(accounts, after, change.name, origin)
            puts.append(former)
            notes += told
        if change.display_name is not None and change.display_name != before.display_name:
            after = replace(after, display_name=change.display_name)
            detail = {"name": before.name, "displayName": change.display_name}
            notes += notes_of(before, origin, "update", {**detail})
        if after == before:
            return before
        try:
            await accounts.administer([after, *puts], notes, [before])
            return after
        except Outdated:
            continue
        except Conflict as conflict:
            if conflict.attribute == "name":
                with naming():
                    raise taken(after.name) from None
            await settings.check_group_names(by, after)
    raise Outdated
