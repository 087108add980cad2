"""The permissions of keys and administrators, and the role that has them all."""

from collections.abc import Iterable

ADMIN = "Admin"
SCIM = "Configure Open ID Connector & SCIM"
READ = "Read directory"
"""Reads under /scim/v2, the feed, and the roles of users; writes nothing. Part of SCIM."""
EDIT_ROLES = "Edit Roles"
IDENTITY_MAPPINGS = "Manage Identity Mappings"
SETTINGS = "Configure Settings"
AUDIT = "View audit logs"
RESTORE = "Undo & Restore"
"""Restores resources from history. Not part of SCIM: no provisioning client needs it."""
PERMISSIONS = (SCIM, READ, EDIT_ROLES, IDENTITY_MAPPINGS, SETTINGS, AUDIT, RESTORE)
NOTES = {
    SCIM: "Provisions users and groups over SCIM. In the console: users, groups, connections,"
    " requests and the doctor.",
    READ: "Reads users, groups, their roles and the feed of changes, and changes nothing. Part of"
    f' "{SCIM}".',
    EDIT_ROLES: "Creates, changes and deletes roles for API keys.",
    IDENTITY_MAPPINGS: "Maps role values of the identity provider to roles of your application.",
    SETTINGS: "Changes settings, API keys, webhooks and schemas, and decides held changes.",
    AUDIT: "Reads and exports the audit log.",
    RESTORE: "Restores earlier versions of users and groups, and rolls back the changes of a key.",
}
"""For each permission, a sentence about the actions that it allows."""
ADMIN_NOTE = "Every permission, and what no other permission opens."
"""The sentence about the role that has every permission."""
_INCLUDED = {READ: SCIM}
"""The permission that includes another, by the included one."""


def allows(held: tuple[str, ...], needed: str) -> bool:
    """Return whether the held permissions include the needed one."""
    return needed in held or ADMIN in held or _INCLUDED.get(needed) in held


def lacking(held: tuple[str, ...], needed: Iterable[str]) -> list[str]:
    """Return the needed permissions that are not held."""
    return [permission for permission in needed if not allows(held, permission)]


def beyond(held: tuple[str, ...], wanted: Iterable[str]) -> list[str]:
    """Return the wanted permissions that a holder of `held` may not grant to others."""
    return [permission for permission in wanted if not allows(held, permission)]
