"""The routes of the management API: permissions, walls, paths and parameters."""

import re

import httpx
import pytest

from muster.access.permissions import (
    ADMIN,
    AUDIT,
    EDIT_ROLES,
    IDENTITY_MAPPINGS,
    PERMISSIONS,
    READ,
    RESTORE,
    SCIM,
    SETTINGS,
    allows,
)
from tests.support.people import name
from tests.support.tenant import Tenant, problem

ROUTES = [
    ("GET", "/scim/role-mappings", SCIM),
    ("POST", "/scim/role-mappings", IDENTITY_MAPPINGS),
    ("POST", "/scim/role-mappings/preview", IDENTITY_MAPPINGS),
    ("DELETE", "/scim/role-mappings/x", IDENTITY_MAPPINGS),
    ("GET", "/users/x/roles", READ),
    ("GET", "/roles", EDIT_ROLES),
    ("POST", "/roles", EDIT_ROLES),
    ("GET", "/roles/x", EDIT_ROLES),
    ("PUT", "/roles/x", EDIT_ROLES),
    ("PATCH", "/roles/x", EDIT_ROLES),
    ("DELETE", "/roles/x", EDIT_ROLES),
    ("POST", "/wipe", ADMIN),
    ("GET", "/overview", SCIM),
    ("GET", "/undo", RESTORE),
    ("POST", "/undo", RESTORE),
    ("GET", "/open-id-connector", SCIM),
    ("PUT", "/open-id-connector", SCIM),
    ("DELETE", "/open-id-connector", SCIM),
    ("GET", "/settings", SETTINGS),
    ("PATCH", "/settings", SETTINGS),
    ("POST", "/ip-allowlist/validate", SETTINGS),
    ("GET", "/connections", SETTINGS),
    ("POST", "/connections", SETTINGS),
    ("GET", "/connections/x", SETTINGS),
    ("PATCH", "/connections/x", SETTINGS),
    ("DELETE", "/connections/x", SETTINGS),
    ("POST", "/connections/x/pause", SETTINGS),
    ("POST", "/connections/x/resume", SETTINGS),
    ("GET", "/connections/x/oauth-clients", SETTINGS),
    ("POST", "/connections/x/oauth-clients", SETTINGS),
    ("POST", "/connections/x/oauth-clients/x/rotate", SETTINGS),
    ("DELETE", "/connections/x/oauth-clients/x", SETTINGS),
    ("GET", "/connections/x/trusts", SETTINGS),
    ("GET", "/setup-links", SETTINGS),
    ("POST", "/setup-links", SETTINGS),
    ("GET", "/setup-links/x", SETTINGS),
    ("DELETE", "/setup-links/x", SETTINGS),
    ("POST", "/connections/x/trusts", SETTINGS),
    ("DELETE", "/connections/x/trusts/x", SETTINGS),
    ("GET", "/resources/x/connection", SCIM),
    ("GET", "/keys", SETTINGS),
    ("POST", "/keys", SETTINGS),
    ("GET", "/keys/x", SETTINGS),
    ("PATCH", "/keys/x", SETTINGS),
    ("POST", "/keys/x/rotate", SETTINGS),
    ("DELETE", "/keys/x", SETTINGS),
    ("POST", "/passwords/verify", SCIM),
    ("GET", "/changes", READ),
    ("GET", "/audit", AUDIT),
    ("GET", "/requests", SCIM),
    ("GET", "/requests/x", SCIM),
    ("GET", "/doctor", SCIM),
    ("POST", "/doctor/x/resolve", SETTINGS),
    ("POST", "/doctor/x/reopen", SETTINGS),
    ("GET", "/history/x", SCIM),
    ("GET", "/history/x/at", SCIM),
    ("POST", "/history/x/restore", RESTORE),
    ("GET", "/guard", SETTINGS),
    ("POST", "/guard/selection", SETTINGS),
    ("POST", "/guard/x/let", SETTINGS),
    ("POST", "/guard/x/keep", SETTINGS),
    ("GET", "/protected-users", SETTINGS),
    ("PUT", "/protected-users/x", SETTINGS),
    ("DELETE", "/protected-users/x", SETTINGS),
    ("GET", "/schemas", SETTINGS),
    ("POST", "/schemas", SETTINGS),
    ("POST", "/schemas/preview", SETTINGS),
    ("GET", "/schemas/x", SETTINGS),
    ("PUT", "/schemas/x", SETTINGS),
    ("DELETE", "/schemas/x", SETTINGS),
    ("GET", "/resource-types", SETTINGS),
    ("POST", "/resource-types", SETTINGS),
    ("GET", "/resource-types/x", SETTINGS),
    ("PUT", "/resource-types/x", SETTINGS),
    ("DELETE", "/resource-types/x", SETTINGS),
    ("GET", "/webhooks", SETTINGS),
    ("POST", "/webhooks", SETTINGS),
    ("GET", "/webhooks/event-types", SETTINGS),
    ("GET", "/webhooks/x", SETTINGS),
    ("PATCH", "/webhooks/x", SETTINGS),
    ("DELETE", "/webhooks/x", SETTINGS),
    ("POST", "/webhooks/x/rotate", SETTINGS),
    ("POST", "/webhooks/x/test", SETTINGS),
    ("GET", "/webhooks/x/deliveries", SETTINGS),
    ("POST", "/webhooks/x/redeliver", SETTINGS),
]

QUERIES = {
    "/changes": ("cursor", "limit", "wait"),
    "/audit": ("cursor", "limit", "actor", "type", "action"),
    "/requests": (
        *("before", "key", "status", "path", "resource", "limit"),
        *("person", "since", "until", "failed", "request"),
    ),
    "/overview": ("range",),
    "/undo": ("key", "since", "until"),
    "/history/x": ("before",),
    "/history/x/at": ("time",),
    "/webhooks/x/deliveries": ("limit",),
}
"""The parameters that reading takes."""


ALSO = {
    ("DELETE", "/connections/x"): SCIM,
    ("POST", "/connections/x/oauth-clients"): SCIM,
    ("POST", "/connections/x/oauth-clients/x/rotate"): SCIM,
    ("DELETE", "/connections/x/oauth-clients/x"): SCIM,
    ("POST", "/connections/x/trusts"): SCIM,
    ("DELETE", "/connections/x/trusts/x"): SCIM,
    ("POST", "/scim/role-mappings/preview"): READ,
    ("POST", "/setup-links"): SCIM,
    ("POST", "/webhooks"): SCIM,
    ("PATCH", "/webhooks/x"): SCIM,
    ("POST", "/webhooks/x/rotate"): SCIM,
    ("POST", "/webhooks/x/redeliver"): SCIM,
    ("POST", "/webhooks/x/test"): SCIM,
    ("POST", "/doctor/x/resolve"): SCIM,
    ("POST", "/doctor/x/reopen"): SCIM,
}
"""The second permission of the routes that need two."""


@pytest.mark.parametrize(("method", "path", "permission"), ROUTES)
def test_a_route_needs_its_permissions_and_no_other(tenant, method, path, permission):
    needed = [permission, *filter(None, [ALSO.get((method, path))])]
    for missing in needed:
        others = [
            arg
            for other in PERMISSIONS
            if not allows((other,), missing)
            for arg in ("--permission", other)
        ]
        with tenant.client(tenant.key(*others), "/api/v1") as client:
            assert missing in problem(client.request(method, path), 403)
    problem(httpx.request(method, f"{tenant.server.url}/api/v1{path}"), 401)
    given = [arg for one in needed for arg in ("--permission", one)]
    with tenant.client(tenant.key(*given), "/api/v1") as client:
        assert client.request(
            method, path, json={} if method != "GET" else None
        ).status_code not in (401, 403)


def test_every_permission_governs_some_route():
    assert {permission for _, _, permission in ROUTES} | set(ALSO.values()) == {*PERMISSIONS, ADMIN}


def test_every_route_is_listed_here(tenant):
    paths = tenant.api.get(f"{tenant.server.url}/openapi.json").json()["paths"]
    served = {
        (method.upper(), re.sub(r"{\w+}", "x", path.removeprefix("/api/v1")))
        for path, item in paths.items()
        for method in item
        if path.startswith("/api/v1")
        and not path.startswith("/api/v1/platform")
        and method != "parameters"
    }
    assert served == {(method, path) for method, path, _ in ROUTES}


def test_unknown_paths_methods_and_bodies_are_refused(tenant):
    problem(tenant.api.get("/nothing"), 404)
    response = tenant.api.delete("/settings")
    problem(response, 405)
    assert response.headers["allow"] == "GET, PATCH"
    problem(tenant.api.post("/roles", content=b"{"), 400)
    refused = tenant.api.post("/roles", content=b"x", headers={"content-type": "text/plain"})
    problem(refused, 415)
    assert refused.headers["accept"] == "application/scim+json, application/json"
    problem(tenant.api.post("/roles", json=[]), 400)


def test_workspaces_are_walls_here_too(server):
    with Tenant(server) as one, Tenant(server) as other:
        walled(one, other)


def walled(one, other):
    key = one.api.post("/keys", json={"name": name("k")}).json()
    mapping = one.api.post(
        "/scim/role-mappings", json={"idpValue": "x", "role": {"role": "y"}}
    ).json()
    one.api.post("/roles", json={"name": "r", "permissions": [SCIM]})
    user = one.user()
    problem(other.api.get(f"/keys/{key['id']}"), 404)
    problem(other.api.delete(f"/keys/{key['id']}"), 404)
    problem(other.api.delete(f"/scim/role-mappings/{mapping['id']}"), 404)
    problem(other.api.get("/roles/r"), 404)
    problem(other.api.get(f"/users/{user['id']}/roles"), 404)
    cursor = one.api.get("/changes").json()["cursor"]
    problem(other.api.get("/changes", params={"cursor": cursor}), 400)
    assert all(row["type"] == "ApiKey" for row in other.api.get("/audit").json()["rows"])


NO_TEXT = ("%00", "a%00b", "%FF", "%ED%A0%80")
"""What no text of a database can be: NUL, and bytes that are no UTF-8."""


@pytest.mark.parametrize(
    ("method", "path"), sorted({(method, path) for method, path, _ in ROUTES if "/x" in path})
)
def test_a_name_that_no_text_can_be_is_404(fresh, method, path):
    for called in NO_TEXT:
        answer = fresh.api.request(method, path.replace("/x", f"/{called}"), json={})
        assert answer.status_code == 404 if "%00" in called else answer.status_code < 500, (
            called,
            answer.text,
        )


@pytest.mark.parametrize(
    "called", ["a%41b", "%", "%zz", "100%25", "50% off", "é", "a b", "a+b", "a?b#c", '"', "\\", "ﬀ"]
)
def test_the_location_of_an_item_with_any_name_finds_it(fresh, called):
    made = fresh.api.post("/roles", json={"name": called, "permissions": [SCIM]})
    place = made.headers["location"].removeprefix("/api/v1")
    assert fresh.api.get(place).json()["name"] == called
    assert fresh.api.delete(place).status_code == 204
    assert fresh.api.get(place).status_code == 404


@pytest.mark.parametrize(
    ("path", "name"), [(path, name) for path, names in QUERIES.items() for name in names]
)
def test_a_parameter_that_no_text_can_be_is_the_clients_mistake(fresh, path, name):
    for value in NO_TEXT:
        answer = fresh.api.get(f"{path}?{name}={value}")
        assert answer.status_code < 500, (value, answer.text)
