"""What a workspace does not let provisioning do: to make users, or to deactivate and delete them."""

from muster.scim.errors import ScimError
from muster.scim.resource import Document
from muster.scim.schema import ResourceType
from muster.storage.port import Workspace

_USER = "User"


class Withheld(ScimError):
    """403: the workspace's settings do not allow it. attempted: create, deactivate or delete. It is recorded."""

    def __init__(self, attempted: str, detail: str) -> None:
        super().__init__(403, detail)
        self.attempted = attempted


def check_create(workspace: Workspace, resource_type: ResourceType) -> None:
    """Raises Withheld where users are not made by provisioning."""
    if resource_type.name == _USER and not workspace.automatic_provisioning:
        raise Withheld("create", "automatic provisioning is off for this workspace: no user is made")


def check_delete(workspace: Workspace, resource_type: ResourceType) -> None:
    """Raises Withheld where users are not deleted by provisioning."""
    if resource_type.name == _USER and not workspace.automatic_deprovisioning:
        raise Withheld("delete", "automatic deprovisioning is off for this workspace: the user is not deleted")


def check_change(workspace: Workspace, resource_type: ResourceType, before: Document, after: Document) -> None:
    """Raises Withheld where users are not deactivated by provisioning, and this change would do that."""
    if resource_type.name == _USER and not workspace.automatic_deprovisioning and deactivates(before, after):
        raise Withheld("deactivate", "automatic deprovisioning is off for this workspace: active is not set to false")


def deactivates(before: Document, after: Document) -> bool:
    """Whether a change takes a user from active, as one is who does not say, to not."""
    return before.get("active") is not False and after.get("active") is False
