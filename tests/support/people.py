"""Users for the tests from outside, each with a name of its own."""

import itertools
import os

from muster.scim.patch import PATCH_OP
from muster.scim.schema.model import ENTERPRISE_USER, GROUP, USER

_numbers = itertools.count()


def name(stem: str = "user") -> str:
    return f"{stem}-{os.getpid()}-{next(_numbers)}@example.com"


def person(user_name: str | None = None, **attributes) -> dict:
    user_name = user_name or name()
    return {
        "schemas": [USER, ENTERPRISE_USER],
        "userName": user_name,
        "name": {"givenName": "Barbara", "familyName": "Jensen"},
        "emails": [{"value": user_name, "type": "work", "primary": True}],
        "active": True,
        ENTERPRISE_USER: {"department": "Tours"},
        **attributes,
    }


def group(display_name: str | None = None, *members: dict, **attributes) -> dict:
    """A group whose members are given by their answers."""
    listed = [{"value": member["id"]} for member in members]
    return {
        "schemas": [GROUP],
        "displayName": display_name or name("group"),
        "members": listed,
        **attributes,
    }


def patch(*operations: dict) -> dict:
    return {"schemas": [PATCH_OP], "Operations": list(operations)}


def replace(path: str, value) -> dict:
    return patch({"op": "replace", "path": path, "value": value})


def error_of(response, status: int, scim_type: str | None = None) -> str:
    """Check a SCIM Error (RFC 7644 section 3.12), and return its detail."""
    body = response.json()
    assert response.status_code == status, body
    assert response.headers["content-type"] in ("application/scim+json", "application/json")
    assert body["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert body["status"] == str(status)
    assert body.get("scimType") == scim_type, body
    return body["detail"]
