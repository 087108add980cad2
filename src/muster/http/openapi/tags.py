"""The groups of the API reference: each operation has one tag, and each tag is in one group."""

from collections.abc import Iterable
from typing import Any

from muster.scim.schema.model import ResourceType

SEARCH, DISCOVERY, OTHER = "Search and bulk", "Discovery", "Other"
WEBHOOKS, OAUTH, HEALTH = "Webhooks", "OAuth", "Health"
_WORKSPACES, _WITHIN, _OF_ALL = "Workspaces", "Within a workspace", "Across workspaces"
_SCIM = "SCIM"
_GROUPS: dict[str, dict[str, str]] = {
    _SCIM: {
        SEARCH: "Searches in the body of a request, and many operations in one (RFC 7644 sections"
        " 3.4.3 and 3.7).",
        DISCOVERY: "The features, resource types and schemas of the workspace (RFC 7644 section"
        " 4).",
    },
    "People and groups": {
        "History and undo": "A resource as it was, its restore, and the undo of a key's changes.",
        "Roles of people": "The roles of a user, and the mappings of values of the identity"
        " provider that give them.",
        "Guard": "Changes that are held for review, and users whom provisioning cannot remove.",
        "Passwords": "The verification of a user's password.",
    },
    "Keys and access": {
        "API keys": "Create, rotate and revoke API keys.",
        "Roles of keys": "Named sets of permissions.",
        "Connections": "The identity providers of the workspace, their OAuth clients and the"
        " tokens of other issuers that are trusted.",
        "Set-up links": "Pages on which a customer's administrator connects a provider without an"
        " account.",
        "Sign-in": "How administrators sign in with OpenID Connect.",
        "IP allowlist": "Whether an address may send requests.",
        OAUTH: "Access tokens for OAuth clients, and their metadata (RFC 6749, 7523 and 8414)."
        " They need no API key.",
    },
    "Events": {
        "Feed": "Every change in order, from any cursor, without gaps.",
        WEBHOOKS: "Endpoints of yours that events are sent to, signed and retried.",
    },
    "Operations": {
        "Settings": "The settings of the workspace.",
        "Schemas": "Schemas and resource types of the workspace's own.",
        "Requests and doctor": "Recent requests, their deviations and failures, with advice.",
        "Overview": "Figures, and items that need attention.",
        "Audit log": "Actions of administrators, keys and commands.",
        "Wipe": "The deletion of every resource of the workspace.",
        HEALTH: "The state of the service, for load balancers and monitoring. It needs no key.",
    },
    "Many workspaces": {
        _WORKSPACES: "Workspaces of customers: create, suspend, delete, restore, and invite their"
        " administrators.",
        _WITHIN: "The API keys, connections and set-up links of one workspace, as in the"
        " management API.",
        _OF_ALL: "The feed, webhooks, usage and audit log of all workspaces together.",
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
    "webhooks": WEBHOOKS,
    "wipe": "Wipe",
}
_OF_WORKSPACE = ("", "suspend", "resume", "restore", "invitations", "usage")
"""What the platform API has after the name of a workspace that is no part of its content."""


def tag_of(path: str) -> str:
    """Return the tag of an operation under /api/v1, by its path after that."""
    folder, *rest = path.strip("/").split("/")
    if folder != "platform":
        return _OF_FOLDERS.get(folder, OTHER)
    if rest[0] != "workspaces":
        return _OF_ALL
    return _WORKSPACES if "".join(rest[2:3]) in _OF_WORKSPACE else _WITHIN


def tag_of_type(resource_type: ResourceType) -> str:
    """Return the tag of the operations on a resource type: its plural, as in its path."""
    plural = resource_type.endpoint.strip("/")
    return f"{_SCIM} {plural}" if any(plural in of for of in _GROUPS.values()) else plural


def tags(resource_types: Iterable[ResourceType]) -> dict[str, Any]:
    """Return the tags of the document, and their groups (the extension x-tagGroups)."""
    types = {
        tag_of_type(found): found.description or f"Resources of the type {found.name}."
        for found in resource_types
    }
    groups = {group: {**(types if group == _SCIM else {}), **of} for group, of in _GROUPS.items()}
    return {
        "tags": [
            {"name": name, "description": text}
            for of in groups.values()
            for name, text in of.items()
        ],
        "x-tagGroups": [{"name": group, "tags": list(of)} for group, of in groups.items()],
    }
