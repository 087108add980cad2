"""Applies the guard and the provisioning switches, and records each refusal.

Both are enforced in the transaction that stores the writes; the engines count (`DEPROVISIONED` in
`storage/`). The writes of clients and those of a rollback or restore differ: an administrator can
override both for the latter, and the guard holds the former until an administrator decides.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import orjson

from muster.base import clock
from muster.base.clock import timestamp
from muster.directory.caller import Caller
from muster.directory.guard import policy
from muster.directory.guard.policy import Withheld
from muster.scim.errors import ScimError, TryLater, forbidden
from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import Note
from muster.storage.port.errors import Held, Owned
from muster.storage.port.items import HELD_KIND, Item
from muster.storage.port.resources import Guard, Outcome, Put, Remove, Resources, Write

PAUSED_SECONDS = 300
"""Seconds after which the client of a paused connection is to try again."""
PauseConnection = Callable[[Caller, str], Awaitable[None]]
"""Pauses the connection of a caller, for a reason in words."""
_HINT = 'An administrator with the permission "Configure Settings" can override this.'


def switches(caller: Caller) -> Workspace | None:
    """Return the workspace whose switches apply; None if the caller overrides them."""
    return None if caller.overrides else caller.workspace


def protected_from(caller: Caller) -> frozenset[str]:
    """Return the users that a rollback or restore must keep; none if the caller overrides it."""
    return frozenset() if caller.overrides else caller.protected


async def note_override(storage: Resources, caller: Caller, user_id: str, outcome: Outcome) -> None:
    """Record that an administrator has taken the access of a protected user."""
    if not isinstance(outcome, Remove) and not (isinstance(outcome, Put) and outcome.deprovisions):
        return
    attempted = "delete" if isinstance(outcome, Remove) else "deactivate"
    detail = orjson.dumps({"attempted": attempted, "protected": True})
    origin = caller.origin(timestamp())
    await storage.record([Note(caller.workspace.id, origin, "User", user_id, "override", detail)])


def provisioning_guard(caller: Caller, type_name: str) -> Guard | None:
    """Return the guard for the write of a client; None if it is off or does not apply."""
    if not caller.guarded or type_name != "User":
        return None
    return policy.guard_of(caller.workspace, clock.now(), caller.guard_reset)


async def hold(
    storage: Resources,
    caller: Caller,
    refused: tuple[str, str],
    held: Held,
    attempted: str,
    pause: PauseConnection | None,
) -> ScimError:
    """Hold a change of a client for review, or pause its connection, as the mode says.

    Args:
        storage: The storage.
        caller: The client.
        refused: The type and the id of the resource.
        held: The figures of the guard.
        attempted: deactivate or delete.
        pause: Pauses the connection; None if nothing may change.

    Returns:
        The error to answer.
    """
    if caller.workspace.guard_mode != policy.PAUSE or caller.connection == "" or pause is None:
        withheld = policy.held_by_guard(held, attempted)
        await refuse(storage, caller, *refused, withheld)
        return withheld
    reason = policy.paused_by_guard(held)
    await pause(caller, reason)
    detail = f"the deprovisioning guard paused the connection: {reason}"
    origin = caller.origin(timestamp())
    body = orjson.dumps({"attempted": attempted, "detail": detail})
    await storage.record([Note(caller.workspace.id, origin, *refused, "refuse", body)])
    return TryLater(
        429,
        f"{detail}. Nothing was changed. Send the request again once an administrator has resumed"
        " the connection.",
        PAUSED_SECONDS,
    )


async def refuse(
    storage: Resources, caller: Caller, type_name: str, resource_id: str, withheld: Withheld
) -> None:
    """Record a refusal in the audit log; a held change is also listed under Guard."""
    origin = caller.origin(timestamp())
    detail = orjson.dumps({"attempted": withheld.attempted, "detail": withheld.detail})
    note = Note(caller.workspace.id, origin, type_name, resource_id, "refuse", detail)
    if not withheld.guarded:
        await storage.record([note])
        return
    body = {"attempted": withheld.attempted, "time": origin.time, "actor": origin.actor}
    if caller.connection:
        body["connection"] = caller.connection
    if withheld.reason != policy.LIMIT:
        body["reason"] = withheld.reason
    held = Item(caller.workspace.id, HELD_KIND, resource_id, body)
    await storage.record([replace(note, action="hold")], [held])


def guard(caller: Caller, type_name: str) -> Guard | None:
    """Return the guard for rolling back and restoring; None if it is off or overridden."""
    if caller.overrides or type_name != "User":
        return None
    return policy.guard_of(caller.workspace, clock.now())


async def enforced(
    storage: Resources, caller: Caller, writes: Sequence[Write], attempted: str, ids: Sequence[str]
) -> Sequence[Outcome]:
    """Store the writes of a rollback or restore in one transaction, and record an override.

    Args:
        storage: The storage.
        caller: The administrator, or the client of the management API.
        writes: The writes, with the guard and the switches that apply to them.
        attempted: restore or undo.
        ids: The ids of the resources concerned.

    Raises:
        Withheld: The guard or a switch forbids one of the writes.
        ScimError: 403 if the profile of the workspace forbids it.
        StorageError: The errors of `Resources.write_all`.
    """
    caller.check_may_write()
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
    except Owned as owned:
        detail = f"{owned_by(caller, owned).detail} {_HINT}"
    await _note(
        storage,
        caller,
        "refuse",
        {"attempted": attempted, "detail": detail, "resources": list(ids)},
    )
    raise Withheld(attempted, detail)


def owned_by(caller: Caller, owned: Owned) -> ScimError:
    """Return the error for a write to a resource that another connection owns exclusively."""
    name = caller.barred.get(owned.connection, "")
    return forbidden(
        f"The connection {name!r} owns this resource exclusively. Change it there, or let an"
        " administrator change it."
    )


async def _note(storage: Resources, caller: Caller, action: str, note: dict[str, object]) -> None:
    origin = caller.origin(timestamp())
    workspace = caller.workspace
    await storage.record(
        [Note(workspace.id, origin, "Workspace", workspace.name, action, orjson.dumps(note))]
    )
