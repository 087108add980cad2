"""Users and groups as the pages of the console share them: types, names and searches."""

import json

from muster.console.web import Visit
from muster.scim.errors import not_found
from muster.scim.schema.model import ResourceType
from muster.scim.values import Json
from muster.storage.port.resources import Stored

ENDPOINTS = {"users": "/Users", "groups": "/Groups"}
"""The endpoint of each path segment that lists resources."""
_SEARCHED = {
    "users": ("userName", "name.familyName", "name.givenName", "displayName", "emails.value"),
    "groups": ("displayName",),
}


def kind_of(visit: Visit) -> tuple[ResourceType, str]:
    """Return the resource type of a page, and the segment of its path.

    Raises:
        ScimError: 404 if the path names no resources.
    """
    plural = visit.page.split("/")[3]
    if plural not in ENDPOINTS:
        raise not_found("Page not found.")
    return visit.caller.registry.types[ENDPOINTS[plural]], plural


def called(document: dict[str, Json]) -> str:
    """Return the name under which a page shows a resource."""
    return str(document.get("displayName") or document.get("userName") or document["id"])


def name_filter(plural: str, text: str, operator: str = "sw") -> str:
    """Return the filter for resources with a name that starts with a text.

    Args:
        plural: users or groups.
        text: The text.
        operator: co for names that contain the text.
    """
    quoted = json.dumps(text)
    return " or ".join(f"{name} {operator} {quoted}" for name in _SEARCHED[plural])


def any_version(_: Stored) -> None:
    """Accept any version, as the precondition of a write."""
