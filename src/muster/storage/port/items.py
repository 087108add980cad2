"""Configuration items of a workspace."""

from dataclasses import dataclass

from muster.scim.values import Json

INSTALLATION = 0


TRIM_KIND, TRIM_ID = "trimmed", "changes"
"""The item that says up to where the changes of a workspace are not kept any more: sequence, and chain, the hash of that row."""


HELD_KIND = "held"
"""The resource type that has members, those that members are of (RFC 7643 section 4.2), what stands for no workspace, and the
kind of items that say what the guard holds.
"""


@dataclass(frozen=True, slots=True)
class Item:
    """Something small that a workspace is configured with. kind: role, role-mapping, … body: JSON, None to remove it.

    workspace: INSTALLATION for what is no workspace's, as its administrators.
    """

    workspace: int
    kind: str
    id: str
    body: Json
