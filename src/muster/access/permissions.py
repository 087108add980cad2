"""The permissions that a key can have, and the role that has them all."""

ADMIN = "Admin"
SCIM = "Configure Open ID Connector & SCIM"
PERMISSIONS = (SCIM, "Edit Roles", "Manage Identity Mappings", "Configure Settings", "View audit logs")


def allows(held: tuple[str, ...], needed: str) -> bool:
    """Whether a key that holds these may do what needs that permission."""
    return needed in held or ADMIN in held
