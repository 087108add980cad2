"""The sidebar of the console: its groups, pages and the permission that each needs."""

from collections.abc import Sequence
from typing import NamedTuple

from muster.access.permissions import AUDIT, EDIT_ROLES, RESTORE, SCIM, SETTINGS


class Page(NamedTuple):
    """A page of a workspace in the sidebar and in the command palette.

    Attributes:
        path: Its path within the workspace.
        title: Its title.
        icon: The name of its icon.
        permission: The permission that it needs.
        key: The key that opens it after `g`; empty for none.
    """

    path: str
    title: str
    icon: str
    permission: str
    key: str = ""


class Group(NamedTuple):
    """A group of pages.

    Attributes:
        title: The heading above them; empty for none.
        pages: The pages.
    """

    title: str
    pages: Sequence[Page]


GROUPS: Sequence[Group] = (
    Group("", (Page("", "Overview", "layout-dashboard", SCIM, "o"),)),
    Group(
        "Directory",
        (
            Page("/users", "Users", "users", SCIM, "u"),
            Page("/groups", "Groups", "users-group", SCIM, "p"),
            Page("/role-mappings", "Role mappings", "arrows-exchange", SCIM, "m"),
        ),
    ),
    Group(
        "Connections",
        (
            Page("/connect", "Connect", "plug-connected", SCIM, "c"),
            Page("/open-id-connector", "Single sign-on", "login-2", SCIM, ""),
        ),
    ),
    Group(
        "Activity",
        (
            Page("/requests", "Requests", "activity", SCIM, "r"),
            Page("/audit", "Audit log", "list-details", AUDIT, "a"),
            Page("/doctor", "Doctor", "stethoscope", SCIM, "d"),
            Page("/undo", "Rollback", "arrow-back-up", RESTORE, "b"),
        ),
    ),
    Group(
        "Protection",
        (
            Page("/guard", "Guard", "shield-half", SETTINGS, ""),
            Page("/protected-users", "Protected users", "shield-lock", SETTINGS, ""),
        ),
    ),
    Group(
        "Develop",
        (
            Page("/keys", "API keys", "key", SETTINGS, "k"),
            Page("/roles", "Roles", "lock-access", EDIT_ROLES, ""),
            Page("/webhooks", "Webhooks", "webhook", SETTINGS, "w"),
            Page("/schemas", "Schemas", "schema", SETTINGS, ""),
        ),
    ),
    Group("", (Page("/settings", "Settings", "settings", SETTINGS, "s"),)),
)
_PAGES = {page.path: page for group in GROUPS for page in group.pages}
_ROOT = "/w/{workspace}"
_WITHIN = {"/wipe": "/settings"}
"""Pages that belong to another page's entry."""


def current(pattern: str) -> str | None:
    """Return the path of the sidebar entry that a page belongs to.

    Args:
        pattern: The path pattern of the page.
    """
    if not pattern.startswith(_ROOT):
        return None
    path = pattern.removeprefix(_ROOT)
    first = f"/{path.split('/')[1]}" if path else ""
    return _WITHIN.get(first, first)


def page_at(path: str | None) -> Page | None:
    """Return the page of a sidebar entry."""
    return None if path is None else _PAGES.get(path)
