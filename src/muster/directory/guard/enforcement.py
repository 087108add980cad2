"""Applies the guard and the provisioning switches to rolling back and restoring.

Both are enforced in the transaction that stores the writes. An administrator can override them
explicitly. The audit log records overrides and refusals.
"""

from collections.abc import Sequence

import orjson

from muster.base import clock
from muster.base.clock import timestamp
from muster.directory.caller import Caller
from muster.directory.guard import policy
from muster.directory.guard.policy import Withheld
from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import Note
from muster.storage.port.errors import Held
from muster.storage.port.resources import Guard, Outcome, Resources, Write

_HINT = 'An administrator with the permission "Configure Settings" can override this.'


def switches(caller: Caller) -> Workspace | None:
    """Return the workspace whose switches apply; None if the caller overrides them."""
    return None if caller.overrides else caller.workspace


def guard(caller: Caller, type_name: str) -> Guard | None:
    """Return the guard for writes of a resource type; None if it is off or overridden."""
    if caller.overrides or type_name != "User":
        return None
    return policy.guard_of(caller.workspace, clock.now())


async def enforced(
    storage: Resources, caller: Caller, writes: Sequence[Write], attempted: str, ids: Sequence[str]
) -> Sequence[Outcome]:
    """Store writes in one transaction; the audit log records an override or a refusal.

    Args:
        storage: The storage.
        caller: The administrator, or the client of the management API.
        writes: The writes, with the guard and the switches that apply to them.
        attempted: restore or undo.
        ids: The ids of the resources concerned.

    Raises:
        Withheld: The guard or a switch forbids one of the writes.
        StorageError: The errors of `Resources.write_all`.
    """
    if caller.overrides:
        await _note(storage, caller, "override", {"attempted": attempted, "resources": list(ids)})
    try:
        return await storage.write_all(caller.workspace.id, writes)
    except Held as held:
        detail = (
            f"The deprovisioning guard does not allow this: {held.done} users lost access within"
            f" the last hour, and the limit is {held.allowed}. {_HINT}"
        )
    except Withheld as withheld:
        detail = f"{withheld.detail}. {_HINT}"
    await _note(
        storage,
        caller,
        "refuse",
        {"attempted": attempted, "detail": detail, "resources": list(ids)},
    )
    raise Withheld(attempted, detail)


async def _note(storage: Resources, caller: Caller, action: str, note: dict[str, object]) -> None:
    origin = caller.origin(timestamp())
    workspace = caller.workspace
    await storage.record(
        [Note(workspace.id, origin, "Workspace", workspace.name, action, orjson.dumps(note))]
    )
