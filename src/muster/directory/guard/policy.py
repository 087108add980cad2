"""What a workspace does not let provisioning do: to make users, or to deactivate and delete them."""

from datetime import datetime, timedelta

from muster.base.clock import timestamp
from muster.scim.document import Document
from muster.scim.errors import ScimError
from muster.scim.schema.model import ResourceType
from muster.storage.port.accounts import Workspace
from muster.storage.port.errors import Held
from muster.storage.port.resources import Guard

_USER = "User"
WINDOW = timedelta(hours=1)
"""Over which the guard counts."""


class Withheld(ScimError):
    """403: the workspace's settings do not allow it. attempted: create, deactivate or delete. It is recorded.

    guarded: the guard holds it, for an administrator to decide.
    """

    def __init__(self, attempted: str, detail: str, guarded: bool = False) -> None:
        super().__init__(403, detail)
        self.attempted = attempted
        self.guarded = guarded


def check_create(workspace: Workspace, resource_type: ResourceType) -> None:
    """Raises Withheld where users are not made by provisioning."""
    if resource_type.name == _USER and not workspace.automatic_provisioning:
        raise Withheld(
            "create", "automatic provisioning is off for this workspace: no user is made"
        )


def check_delete(workspace: Workspace, resource_type: ResourceType) -> None:
    """Raises Withheld where users are not deleted by provisioning."""
    if resource_type.name == _USER and not workspace.automatic_deprovisioning:
        raise Withheld(
            "delete", "automatic deprovisioning is off for this workspace: the user is not deleted"
        )


def check_change(
    workspace: Workspace, resource_type: ResourceType, before: Document, after: Document
) -> None:
    """Raises Withheld where users are not deactivated by provisioning, and this change would do that."""
    if (
        resource_type.name == _USER
        and not workspace.automatic_deprovisioning
        and deactivates(before, after)
    ):
        raise Withheld(
            "deactivate",
            "automatic deprovisioning is off for this workspace: active is not set to false",
        )


def guard_of(workspace: Workspace, now: datetime) -> Guard | None:
    """The guard that a workspace has, with the window that ends now; None where it is off."""
    if workspace.guard_mode == "off":
        return None
    return Guard(
        timestamp(now - WINDOW),
        workspace.guard_share,
        workspace.guard_least,
        workspace.guard_mode == "hold",
    )


def held(error: Held, attempted: str) -> Withheld:
    """What a client is told of a write that the guard holds: the rest of its sync goes on."""
    text = (
        f"the deprovisioning guard holds this: {error.done} users lost access within the last hour, and {error.allowed} may;"
        " an administrator lets it through, or not"
    )
    return Withheld(attempted, text, guarded=True)


def takes_access(resource_type: ResourceType, before: Document, after: Document | None) -> bool:
    """Whether a change deactivates an active user, or deletes one (after is None)."""
    if resource_type.name != _USER:
        return False
    return before.get("active") is not False if after is None else deactivates(before, after)


def gives_access(resource_type: ResourceType, before: Document | None, after: Document) -> bool:
    """Whether a change reactivates an inactive user, or restores a deleted one (before is None)."""
    if resource_type.name != _USER or after.get("active") is False:
        return False
    return before is None or before.get("active") is False


def deactivates(before: Document, after: Document) -> bool:
    """Whether a change takes a user from active, as one is who does not say, to not."""
    return before.get("active") is not False and after.get("active") is False
