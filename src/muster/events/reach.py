"""The changes that a webhook or a feed reads: those of one workspace, or of all.

A webhook of the installation, which belongs to no workspace, reads the changes of all of them.
"""

from collections.abc import Sequence

from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import Change
from muster.storage.port.engine import Statement, Storage
from muster.storage.port.items import INSTALLATION

PLATFORM = Workspace(INSTALLATION, "", "rfc7644", strict=False, created="")
"""Stands for the installation where a workspace is expected."""


async def workspace_of(storage: Storage, workspace: int) -> Workspace | None:
    """Return the workspace with an id, which may stand for the installation."""
    return PLATFORM if workspace == INSTALLATION else await storage.workspace(workspace)


async def latest(storage: Storage, workspace: int) -> int:
    """Return the position of the last change that can be read."""
    if workspace == INSTALLATION:
        return await storage.settled_change()
    return await storage.latest_change(workspace)


async def changes_after(
    storage: Storage, workspace: int, after: int, limit: int
) -> Sequence[Change]:
    """Return changes after a position in order, each with the document before."""
    if workspace == INSTALLATION:
        return await storage.changes_of_all(after, await storage.settled_change(), limit)
    return await storage.changes(workspace, after, limit, with_before=True)


async def names_of(storage: Storage, workspaces: set[int]) -> dict[int, str]:
    """Return the names of workspaces by id."""
    if not workspaces:
        return {}
    listed = ", ".join(map(str, sorted(workspaces)))
    names = f"SELECT id, name FROM workspaces WHERE id IN ({listed})"  # noqa: S608 (integers)
    return {row[0]: row[1] for row in await storage.query(Statement(names, ()))}


async def connections_of_keys(
    storage: Storage, changes: Sequence[Change]
) -> dict[tuple[int, str], str]:
    """Return the connections of the API keys that made changes, by workspace and actor.

    One query, because the changes may be those of many workspaces.
    """
    keys = {
        (change.workspace, change.origin.actor.removeprefix("key:"))
        for change in changes
        if change.origin.actor.startswith("key:")
    }
    if not keys:
        return {}
    places = ", ".join(f"${number}" for number in range(1, len(keys) + 1))
    workspaces = ", ".join(sorted({str(workspace) for workspace, _ in keys}))
    sql = (
        "SELECT workspace, id, coalesce(connection, 'default') FROM api_keys"  # noqa: S608 (integers)
        f" WHERE workspace IN ({workspaces}) AND id IN ({places})"
    )
    found = await storage.query(Statement(sql, tuple(key for _, key in sorted(keys))))
    return {(row[0], f"key:{row[1]}"): row[2] for row in found}
