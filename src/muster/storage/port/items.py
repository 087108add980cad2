"""Configuration items of a workspace."""

from dataclasses import dataclass

from muster.scim.values import Json

INSTALLATION = 0
"""The workspace of items that belong to no workspace, such as administrators."""


TRIM_KIND, TRIM_ID = "trimmed", "changes"
"""The item that records how far the changes of a workspace are trimmed.

It contains the sequence number of the last trimmed row, and the hash of that row (`chain`).
"""


HELD_KIND = "held"
"""The kind of items that describe the writes that the guard holds for review."""


PROTECTED_KIND = "protected"
"""The kind of items that mark protected users, by the id of the user."""


@dataclass(frozen=True, slots=True)
class Item:
    """A small piece of configuration.

    Attributes:
        workspace: The workspace's id, or INSTALLATION.
        kind: The kind of item, such as `role` or `role-mapping`.
        body: The content as JSON; None to delete the item.
    """

    workspace: int
    kind: str
    id: str
    body: Json


PLATFORM_KEY_USE_KIND = "platform-key-use"
"""The kind of items that record when platform keys were last used."""


ERASING_KIND = "erasing"
"""The kind of items that hold how far workspaces are erased, by the id of the workspace."""


HIGHEST_KIND = "highest-workspace"
"""The kind of the item with the highest id among the erased workspaces, which none gets again."""


IDEMPOTENT_KIND = "idempotent-answer"
"""The kind of items that hold answers of the platform API to repeat; ids begin with their day."""


INVITATION_PLACE_KIND = "invitation-place"
"""The kind of items by which invitations are found; ids are WORKSPACE:INVITATION."""


TRIMMED_OF_ALL = "all"
"""The id of the item of TRIM_KIND with the last row that is trimmed in any workspace."""
