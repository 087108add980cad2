"""The roles of administrators in words, and the choices of the form that invites them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from muster.access.administrators import EVERYWHERE
from muster.access.permissions import (
    ADMIN,
    AUDIT,
    IDENTITY_MAPPINGS,
    NOTES,
    PERMISSIONS,
    RESTORE,
    SCIM,
    SETTINGS,
)


class RoleChoice(NamedTuple):
    """A role in words.

    Attributes:
        title: Its name.
        note: A sentence about its permissions.
        permissions: Its permissions.
    """

    title: str
    note: str
    permissions: tuple[str, ...]


CHOICES: Mapping[str, RoleChoice] = {
    "owner": RoleChoice(
        "Owner", "Everything, including settings, keys and other administrators.", (ADMIN,)
    ),
    "directory": RoleChoice(
        "Directory administrator",
        "Users, groups, connections, requests and rollback. No settings and no keys.",
        (SCIM, IDENTITY_MAPPINGS, RESTORE),
    ),
    "auditor": RoleChoice("Auditor", "Reads the audit log, and nothing else.", (AUDIT,)),
}
"""The roles to choose from; others are chosen as permissions."""


_CHANGES = (
    ("users and groups", (SCIM, RESTORE)),
    ("settings", (SETTINGS,)),
    ("API keys", (SETTINGS,)),
    ("other administrators", ()),
)
"""What administrators can change, with the permissions that allow it besides Admin."""


def role_in_words(roles: Mapping[str, Sequence[str]]) -> str:
    """Return a role by its title, or else its permissions."""
    return "; ".join(dict.fromkeys(map(_title, roles.values())))


def allowed_in_words(permissions: Sequence[str]) -> list[str]:
    """Return a sentence for each thing that a role allows."""
    if ADMIN in permissions:
        return [CHOICES["owner"].note]
    return [note for permission, note in NOTES.items() if permission in permissions]


def note_of(permissions: Sequence[str]) -> str:
    """Return the sentences about a role for a list."""
    choice = choice_of(permissions)
    return choice.note if choice is not None else " ".join(allowed_in_words(permissions))


def withheld_in_words(permissions: Sequence[str]) -> str:
    """Return a sentence about the changes that a role does not allow; empty if it allows all."""
    if ADMIN in permissions:
        return ""
    held = set(permissions)
    kept = [title for title, enough in _CHANGES if not held.intersection(enough)]
    listed = " or ".join(filter(None, (", ".join(kept[:-1]), kept[-1])))
    return f"Cannot change {listed}."


def place_in_words(place: str, workspaces: Mapping[str, str]) -> str:
    """Return the name of the place in which a role applies.

    Args:
        place: The id of a workspace, or EVERYWHERE.
        workspaces: The names of the workspaces by their ids.
    """
    if place == EVERYWHERE:
        return "all workspaces"
    return workspaces.get(place, "a deleted workspace")


def choice_of(permissions: Sequence[str]) -> RoleChoice | None:
    """Return the role with exactly these permissions, or None."""
    if ADMIN in permissions:
        return CHOICES["owner"]
    same = (item for item in CHOICES.values() if set(item.permissions) == set(permissions))
    return next(same, None)


def _title(permissions: Sequence[str]) -> str:
    choice = choice_of(permissions)
    if choice is not None:
        return choice.title
    return ", ".join(each for each in PERMISSIONS if each in permissions)
