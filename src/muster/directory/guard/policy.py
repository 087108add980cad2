"""The provisioning switches, the guard and the protected users of a workspace.

The switches allow or forbid provisioning clients to create users, or to deactivate and delete them.
The guard limits how many users may lose access within an hour. A protected user loses it only by an
administrator's decision, such as an account for emergencies.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from muster.base.clock import timestamp
from muster.scim.document import Document
from muster.scim.errors import ScimError
from muster.scim.schema.model import ResourceType
from muster.storage.port.accounts import Workspace
from muster.storage.port.errors import Held
from muster.storage.port.resources import Guard

_USER = "User"
HOLD, PAUSE = "hold", "pause"
"""The modes in which the guard refuses a change beyond the limit.

It holds the change for review, or pauses the connection that sent it.
"""
LIMIT, PROTECTED = "limit", "protected"
"""The reasons for which the guard holds a write."""
WINDOW = timedelta(hours=1)
"""The period over which the guard counts."""


class Withheld(ScimError):
    """403: a switch or the guard of the workspace forbids the write.

    The refusal is recorded in the audit log.

    Attributes:
        attempted: create, deactivate or delete; restore or undo.
        guarded: Whether the guard holds the write until an administrator decides.
        reason: limit, or protected if the user is protected.
    """

    def __init__(
        self, attempted: str, detail: str, guarded: bool = False, reason: str = LIMIT
    ) -> None:
        super().__init__(403, detail)
        self.attempted = attempted
        self.guarded = guarded
        self.reason = reason


def check_create(workspace: Workspace, resource_type: ResourceType) -> None:
    """Check that provisioning may create the resource; raises Withheld."""
    if resource_type.name == _USER and not workspace.automatic_provisioning:
        raise Withheld(
            "create", "automatic provisioning is off for this workspace: the user was not created"
        )


def check_delete(workspace: Workspace, resource_type: ResourceType) -> None:
    """Check that provisioning may delete the resource; raises Withheld."""
    if resource_type.name == _USER and not workspace.automatic_deprovisioning:
        raise Withheld(
            "delete", "automatic deprovisioning is off for this workspace: the user was not deleted"
        )


def check_change(
    workspace: Workspace, resource_type: ResourceType, before: Document, after: Document
) -> None:
    """Check a change that may deactivate a user; raises Withheld."""
    if (
        resource_type.name == _USER
        and not workspace.automatic_deprovisioning
        and deactivates(before, after)
    ):
        raise Withheld(
            "deactivate",
            "automatic deprovisioning is off for this workspace: the user was not deactivated",
        )


def check_protected(
    protected: Collection[str], user_id: str, before: Document, after: Document | None
) -> None:
    """Check that a write does not take the access of a protected user; raises Withheld.

    Args:
        protected: The ids of the protected users.
        user_id: The id of the resource.
        before: Its current document.
        after: Its next document; None for a deletion.
    """
    if user_id not in protected or (after is not None and not deactivates(before, after)):
        return
    attempted = "delete" if after is None else "deactivate"
    name = str(before.get("userName"))[:100]
    text = f"{name} is a protected user, whom provisioning may not {attempted}"
    raise Withheld(attempted, text, guarded=True, reason=PROTECTED)


def guard_of(workspace: Workspace, now: datetime, reset: str = "") -> Guard | None:
    """Return the guard of a workspace for the window that ends now; None if it is off.

    Args:
        workspace: The workspace, with the settings of the connection.
        now: The current time.
        reset: The time at which an administrator let a client go on that the guard had paused.
    """
    if workspace.guard_mode == "off":
        return None
    return Guard(
        timestamp(now - WINDOW),
        workspace.guard_share,
        workspace.guard_least,
        workspace.guard_mode in (HOLD, PAUSE),
        reset,
    )


def held_by_guard(error: Held, attempted: str) -> Withheld:
    """Return the error for a write that the guard holds.

    It is a 403 for this user alone, so that clients go on with the rest of their sync.
    """
    text = (
        f"the deprovisioning guard holds this change, because {error.done} users lost access within"
        f" the last hour, and the limit is {error.allowed}. An administrator decides under Guard."
    )
    return Withheld(attempted, text, guarded=True)


def paused_by_guard(error: Held) -> str:
    """Return the reason for which the guard pauses a connection."""
    return f"{error.done} users lost access within the last hour, and the limit is {error.allowed}"


def deprovisions(resource_type: ResourceType, before: Document, after: Document | None) -> bool:
    """Return whether a user with access loses it; `after` is None for a deletion."""
    if resource_type.name != _USER:
        return False
    return before.get("active") is not False if after is None else deactivates(before, after)


def reprovisions(resource_type: ResourceType, before: Document | None, after: Document) -> bool:
    """Return whether a user without access gets it back; `before` is None if deleted."""
    if resource_type.name != _USER or after.get("active") is False:
        return False
    return before is None or before.get("active") is False


def deactivates(before: Document, after: Document) -> bool:
    """Return whether a change sets `active` from true (or absent) to false."""
    return before.get("active") is not False and after.get("active") is False
