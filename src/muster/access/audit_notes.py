"""What administrators do, as `changes` records it."""

from dataclasses import dataclass

import orjson

from muster.scim.values import Json
from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import ChangeOrigin, Note


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who administers a workspace, and from where. permissions: what they may hand on to a key."""

    workspace: Workspace
    origin: ChangeOrigin
    permissions: tuple[str, ...]

    def note(self, kind: str, item_id: str, action: str, **told: Json) -> Note:
        """The record of something that they did. told: what is to be known of it, without secrets."""
        return Note(self.workspace.id, self.origin, kind, item_id, action, orjson.dumps(told))
