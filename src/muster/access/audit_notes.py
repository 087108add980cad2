"""Audit log entries for actions of administrators."""

from dataclasses import dataclass

import orjson

from muster.scim.values import Json
from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import ChangeOrigin, Note


@dataclass(frozen=True, slots=True)
class Administrator:
    """An administrator, or API key, that changes the configuration of a workspace.

    Attributes:
        workspace: The workspace.
        origin: The actor, request, time and address, for the audit log.
        permissions: The permissions they hold, and so may grant.
    """

    workspace: Workspace
    origin: ChangeOrigin
    permissions: tuple[str, ...]

    def note(self, kind: str, item_id: str, action: str, **detail: Json) -> Note:
        """Return the audit log entry for an action.

        Args:
            kind: The kind of the item, such as ApiKey.
            item_id: The id of the item.
            action: The action, such as create.
            **detail: Details to record, without secrets.
        """
        return Note(self.workspace.id, self.origin, kind, item_id, action, orjson.dumps(detail))
