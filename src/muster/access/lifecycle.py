"""Suspends, deletes and restores workspaces, and changes their display names.

A workspace that is suspended or deleted answers no program: every request with a credential of its
own gets 503 with `Retry-After`, which identity providers take for an outage. So they keep their
state and continue later. They stop synchronising on 401, 403 or 404. The state is part of the
workspace, which every process reads again when the epoch changes, as it does for a revoked key.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from muster.access.workspaces import DEFAULT, notes_of
from muster.base import clock
from muster.base.clock import timestamp
from muster.scim.errors import ScimError
from muster.storage.port.accounts import Accounts, Deletion, Suspension, Workspace
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.errors import Outdated

GRACE = timedelta(days=7)
"""The time for which a deleted workspace can be restored."""
CLOSED_SECONDS = 3600
"""Seconds after which the client of a workspace that answers nothing is to try again."""
MAX_REASON = 300
"""Characters of a reason for a suspension, or for the pause of a connection."""
_TRIES = 5


def closed_because(workspace: Workspace) -> str | None:
    """Return the reason why a workspace answers no program; None if it does."""
    if workspace.deleted is not None:
        return (
            f"The workspace {workspace.name!r} was deleted at {workspace.deleted.since}. Its data"
            f" is erased after {workspace.deleted.until}."
        )
    if workspace.suspended is not None:
        reason = f": {workspace.suspended.reason}" if workspace.suspended.reason else ""
        return (
            f"The workspace {workspace.name!r} was suspended at"
            f" {workspace.suspended.since}{reason.rstrip('.')}."
        )
    return None


def check_reason(reason: str) -> str:
    """Return the reason for a suspension or a pause without the spaces around it.

    Logs of clients show it in a line, so it must be one.

    Raises:
        ValueError: It is too long, or has control characters.
    """
    if not re.fullmatch(rf"[^\x00-\x1f\x7f]{{0,{MAX_REASON}}}", reason):
        raise ValueError(f"expected at most {MAX_REASON} characters, without control characters")
    return reason.strip()


async def suspend_workspace(
    accounts: Accounts, workspace: Workspace, reason: str, origin: ChangeOrigin
) -> Workspace:
    """Suspend a workspace: SCIM and its management API answer 503 until it is resumed.

    Its keys, data and settings stay. If it is suspended already, only the reason changes.

    Args:
        accounts: The storage.
        workspace: The workspace.
        reason: A sentence that clients and the console show; empty for none.
        origin: Who suspends it.

    Raises:
        ScimError: 409 if it is deleted.
        Outdated: The workspace keeps changing.
    """

    def suspended(standing: Workspace) -> Workspace:
        _check_kept(standing)
        since = timestamp() if standing.suspended is None else standing.suspended.since
        return replace(standing, suspended=Suspension(since, reason))

    return await _set(accounts, workspace, suspended, origin, "suspend", reason=reason)


async def resume_workspace(
    accounts: Accounts, workspace: Workspace, origin: ChangeOrigin
) -> Workspace:
    """Let a suspended workspace answer again; an active one stays as it is.

    Raises:
        ScimError: 409 if it is deleted.
        Outdated: The workspace keeps changing.
    """

    def resumed(standing: Workspace) -> Workspace:
        _check_kept(standing)
        return replace(standing, suspended=None)

    return await _set(accounts, workspace, resumed, origin, "resume")


async def delete_workspace(
    accounts: Accounts, workspace: Workspace, origin: ChangeOrigin
) -> Workspace:
    """Delete a workspace. It can be restored for the time of GRACE; then its data is erased.

    Raises:
        ScimError: 409 for the workspace `default`.
        Outdated: The workspace keeps changing.
    """
    if workspace.name == DEFAULT:
        raise ScimError(
            409,
            f"The workspace {DEFAULT!r} cannot be deleted: every start creates it if it is"
            " missing. Suspend it instead.",
        )

    def deleted(standing: Workspace) -> Workspace:
        if standing.deleted is not None:
            return standing
        now = clock.now()
        return replace(standing, deleted=Deletion(timestamp(now), timestamp(now + GRACE)))

    return await _set(accounts, workspace, deleted, origin, "delete")


async def restore_workspace(
    accounts: Accounts, workspace: Workspace, origin: ChangeOrigin
) -> Workspace:
    """Take back the deletion of a workspace. If it was suspended before, it still is.

    Raises:
        ScimError: 409 if its data is being erased.
        Outdated: The workspace keeps changing.
    """

    def restored(standing: Workspace) -> Workspace:
        if standing.deleted is not None and standing.deleted.begun:
            raise ScimError(
                409, f"The data of the workspace {standing.name!r} is being erased. It is too late."
            )
        return replace(standing, deleted=None)

    return await _set(accounts, workspace, restored, origin, "restore")


async def begin_erasing(
    accounts: Accounts, workspace: Workspace, now: datetime, origin: ChangeOrigin
) -> Workspace:
    """Mark a workspace whose time has come as being erased: it cannot be restored any more.

    Returns:
        The workspace; unchanged if it was restored in the meantime, or has time left.
    """

    def begun(standing: Workspace) -> Workspace:
        if standing.deleted is None or standing.deleted.until > timestamp(now):
            return standing
        return replace(standing, deleted=replace(standing.deleted, begun=True))

    return await _set(accounts, workspace, begun, origin, "erase")


def _check_kept(workspace: Workspace) -> None:
    """Raise ScimError 409 if a workspace is deleted."""
    if workspace.deleted is not None:
        raise ScimError(
            409, f"The workspace {workspace.name!r} is deleted. Restore it first, if it still can."
        )


async def _set(
    accounts: Accounts,
    workspace: Workspace,
    change: Callable[[Workspace], Workspace],
    origin: ChangeOrigin,
    action: str,
    **detail: str,
) -> Workspace:
    """Change a workspace and record it, retrying if it changes concurrently."""
    standing: Workspace | None = workspace
    for _ in range(_TRIES):
        if standing is None:
            break
        changed = change(standing)
        if changed == standing:
            read, standing = standing, await accounts.workspace(workspace.id)
            if standing == read:
                return read
            continue  # the workspace has changed since it was read
        notes = notes_of(standing, origin, action, {"name": standing.name, **detail})
        try:
            await accounts.administer([changed], notes, [standing])
            return changed
        except Outdated:
            standing = await accounts.workspace(workspace.id)
    raise Outdated
