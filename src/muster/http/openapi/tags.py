"""The groups of the API reference: each operation has one tag, and each tag is in one group."""

from collections.abc import Iterable
from typing import Any

from muster.scim.schema.model import ResourceType

SEARCH, DISCOVERY, PLATFORM, OTHER = "Search and bulk", "Discovery", "Platform", "Other"
_SCIM = "SCIM"
_GROUPS: dict[str, dict[str, str]] = {
    _SCIM: {
        SEARCH: "Searches in the body of a request, and many operations in one (RFC 7644).",
        DISCOVERY: "The features, resource types and schemas of the workspace.",
    },
    "People and groups": {
        "History and undo": "A resource as it was, its restore, and the undo of changes.",
        "Roles of people": "The roles of a user, and the mappings that give them.",
        "Guard": "Changes that are held for review, and users whom provisioning cannot remove.",
        "Passwords": "The verification of a user's password.",
    },
    "Keys and access": {
        "API keys": "Create, rotate and revoke API keys.",
        "Roles of keys": "Sets of permissions with a name.",
        "Connections": "The identity providers of the workspace, and their OAuth credentials.",
        "Set-up links": "Pages on which a customer's administrator connects a provider.",
        "Sign-in": "How administrators sign in with OpenID Connect.",
        "IP allowlist": "Whether an address may send requests.",
    },
    "Events": {
        "Feed": "Every change in order, from any cursor.",
        "Webhooks": "Events that are sent to you, signed and retried.",
    },
    "Operations": {
        "Settings": "The settings of the workspace.",
        "Schemas": "Schemas and resource types of the workspace's own.",
        "Requests and doctor": "What clients sent, and what is wrong with it.",
        "Overview": "Figures, and items that need attention.",
        "Audit log": "What administrators and keys did.",
        "Wipe": "The deletion of every resource of the workspace.",
    },
    "Many workspaces": {
        PLATFORM: "Workspaces of customers, with a platform key: create, suspend, delete, follow.",
    },
}
_OF_FOLDERS = {
    "audit": "Audit log",
    "changes": "Feed",
    "connections": "Connections",
    "doctor": "Requests and doctor",
    "guard": "Guard",
    "history": "History and undo",
    "ip-allowlist": "IP allowlist",
    "keys": "API keys",
    "open-id-connector": "Sign-in",
    "overview": "Overview",
    "passwords": "Passwords",
    "protected-users": "Guard",
    "requests": "Requests and doctor",
    "resource-types": "Schemas",
    "resources": "Connections",
    "roles": "Roles of keys",
    "schemas": "Schemas",
    "scim": "Roles of people",
    "settings": "Settings",
    "setup-links": "Set-up links",
    "undo": "History and undo",
    "users": "Roles of people",
    "webhooks": "Webhooks",
    "wipe": "Wipe",
}


def tag_of(path: str) -> str:
    """Return the tag of an operation of the management API, by the first segment of its path."""
    return _OF_FOLDERS.get(path.split("/")[1], OTHER)


def tag_of_type(resource_type: ResourceType) -> str:
    """Return the tag of the operations on a resource type: its plural, as in its path."""
    plural = resource_type.endpoint.strip("/")
    return f"{_SCIM} {plural}" if any(plural in of for of in _GROUPS.values()) else plural


def tags(resource_types: Iterable[ResourceType]) -> dict[str, Any]:
    """Return the tags of the document, and their groups (the extension x-tagGroups)."""
    types = {tag_of_type(resource_type): "" for resource_type in resource_types}
    groups = {group: {**(types if group == _SCIM else {}), **of} for group, of in _GROUPS.items()}
    return {
        "tags": [
            {"name": name} | ({"description": text} if text else {})
            for of in groups.values()
            for name, text in of.items()
        ],
        "x-tagGroups": [{"name": group, "tags": list(of)} for group, of in groups.items()],
    }
