"""The permissions of keys and administrators, and the role that has them all."""

from collections.abc import Iterable

ADMIN = "Admin"
SCIM = "Configure Open ID Connector & SCIM"
EDIT_ROLES = "Edit Roles"
IDENTITY_MAPPINGS = "Manage Identity Mappings"
SETTINGS = "Configure Settings"
AUDIT = "View audit logs"
RESTORE = "Undo & Restore"
"""Restoring resources from their history. SCIM does not include it: no provisioning client needs it."""
PERMISSIONS = (SCIM, EDIT_ROLES, IDENTITY_MAPPINGS, SETTINGS, AUDIT, RESTORE)


def allows(held: tuple[str, ...], needed: str) -> bool:
    """Whether a key that holds these may do what needs that permission."""
    return needed in held or ADMIN in held


def lacking(held: tuple[str, ...], needed: Iterable[str]) -> list[str]:
    """The needed permissions that a key with these permissions does not have."""
    return [permission for permission in needed if not allows(held, permission)]


def beyond(held: tuple[str, ...], wanted: Iterable[str]) -> list[str]:
    """The permissions among those wanted that whoever holds these cannot hand on."""
    return [] if ADMIN in held else [permission for permission in wanted if permission not in held]
