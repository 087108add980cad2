"""The sidebar of the console: its groups, pages and the permission that each needs."""

from collections.abc import Sequence
from typing import NamedTuple

from muster.access.permissions import ADMIN, AUDIT, EDIT_ROLES, RESTORE, SCIM, SETTINGS, allows


class MenuPage(NamedTuple):
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
    pages: Sequence[MenuPage]


class Action(NamedTuple):
    """An action in the command palette.

    Attributes:
        path: The path within the workspace of the page that it begins on.
        title: Its title.
        icon: The name of its icon.
        permission: The permission that it needs.
        words: Further words by which it is found.
    """

    path: str
    title: str
    icon: str
    permission: str
    words: str


GROUPS: Sequence[Group] = (
    Group("", (MenuPage("", "Overview", "layout-dashboard", SCIM, "o"),)),
    Group(
        "Directory",
        (
            MenuPage("/users", "Users", "users", SCIM, "u"),
            MenuPage("/groups", "Groups", "users-group", SCIM, "p"),
            MenuPage("/role-mappings", "Role mappings", "arrows-exchange", SCIM, "m"),
        ),
    ),
    Group(
        "Connections",
        (
            MenuPage("/connections", "Connections", "affiliate", SETTINGS, ""),
            MenuPage("/connect", "Connect a provider", "plug-connected", SCIM, "c"),
            MenuPage("/setup-links", "Set-up links", "link", SETTINGS, ""),
            MenuPage("/open-id-connector", "Single sign-on", "login-2", SCIM, ""),
        ),
    ),
    Group(
        "Activity",
        (
            MenuPage("/requests", "Requests", "activity", SCIM, "r"),
            MenuPage("/audit", "Audit log", "list-details", AUDIT, "a"),
            MenuPage("/doctor", "Doctor", "stethoscope", SCIM, "d"),
            MenuPage("/undo", "Rollback", "arrow-back-up", RESTORE, "b"),
        ),
    ),
    Group(
        "Protection",
        (
            MenuPage("/guard", "Guard", "shield-half", SETTINGS, ""),
            MenuPage("/protected-users", "Protected users", "shield-lock", SETTINGS, ""),
        ),
    ),
    Group(
        "Develop",
        (
            MenuPage("/keys", "API keys", "key", SETTINGS, "k"),
            MenuPage("/roles", "Roles", "lock-access", EDIT_ROLES, ""),
            MenuPage("/webhooks", "Webhooks", "webhook", SETTINGS, "w"),
            MenuPage("/schemas", "Schemas", "schema", SETTINGS, ""),
        ),
    ),
    Group(
        "",
        (
            MenuPage("/administrators", "Administrators", "user-shield", ADMIN, ""),
            MenuPage("/settings", "Settings", "settings", SETTINGS, "s"),
        ),
    ),
)
ACTIONS: Sequence[Action] = (
    Action("/users/new", "New user", "user-plus", SCIM, "create add user person employee joiner"),
    Action("/users/import", "Import users from CSV", "upload", SCIM, "import csv upload file"),
    Action("/users/deleted", "Restore a deleted user", "arrow-back-up", SCIM, "undelete recover"),
    Action("/users", "Deactivate a user", "users", SCIM, "leaver offboard cut off disable block"),
    Action("/undo", "Undo a bad sync", "arrow-back-up", RESTORE, "rollback revert mistake"),
    Action("/schemas", "Add a custom attribute", "schema", SETTINGS, "field extension schema"),
    Action("/groups/deleted", "Restore a deleted group", "arrow-back-up", SCIM, "undelete recover"),
    Action("/groups/new", "New group", "users-group", SCIM, "create add group team"),
    Action("/keys", "Create an API key", "key", SETTINGS, "create new add api key token secret"),
    Action("/roles", "Create a role", "lock-access", EDIT_ROLES, "create new add role permissions"),
    Action("/webhooks", "Add a webhook", "webhook", SETTINGS, "create new add webhook endpoint"),
    Action("/protected-users", "Protect a user from deactivation", "shield-lock", SETTINGS, "add"),
    Action(
        *("/administrators", "Invite an administrator", "user-plus", ADMIN),
        "invite add new administrator admin colleague",
    ),
)
"""The actions of the command palette that begin on a page of the workspace."""
_PAGES = {page.path: page for group in GROUPS for page in group.pages}
_ROOT = "/w/{workspace}"
_WITHIN = {"/wipe": "/settings", "/resource-types": "/schemas"}
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


def first_path(held: tuple[str, ...]) -> str | None:
    """Return the path of the first page that some permissions open; None if they open none."""
    pages = _PAGES.values()
    return next((page.path for page in pages if allows(held, page.permission)), None)


def page_at(path: str | None) -> MenuPage | None:
    """Return the page of a sidebar entry."""
    return None if path is None else _PAGES.get(path)
