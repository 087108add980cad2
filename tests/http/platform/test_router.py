"""The routes of the platform API: each needs a platform key, and refuses values of other types."""

import re

import httpx
import orjson
import pytest

from muster.access.permissions import SCIM
from tests.http.management import test_router as management
from tests.http.management.test_bodies import VALUES, kind_of, nodes, replaced
from tests.support.platform import label
from tests.support.tenant import Tenant, problem

ROUTES = [
    ("GET", "/workspaces"),
    ("POST", "/workspaces"),
    ("GET", "/workspaces/x"),
    ("PATCH", "/workspaces/x"),
    ("DELETE", "/workspaces/x"),
    ("POST", "/workspaces/x/suspend"),
    ("POST", "/workspaces/x/resume"),
    ("POST", "/workspaces/x/restore"),
    ("GET", "/workspaces/x/invitations"),
    ("POST", "/workspaces/x/invitations"),
    ("DELETE", "/workspaces/x/invitations/x"),
    ("GET", "/workspaces/x/usage"),
    ("GET", "/usage"),
    ("GET", "/changes"),
    ("GET", "/brand"),
    ("PATCH", "/brand"),
    *(
        (method, path)
        for method, path, _ in management.ROUTES
        if path.startswith(("/webhooks", "/audit"))
    ),
    *(
        (method, f"/workspaces/x{path}")
        for method, path, _ in management.ROUTES
        if path.startswith(("/keys", "/connections", "/setup-links"))
    ),
]
WITHIN = re.compile(
    r".+Workspace(Key|Connection|OauthClient|Trust|SetupLink)$|.+Platform(Webhook)?$"
)
"""The operations whose bodies are those of the management API: see test_bodies.py there."""
SETTINGS = {"contract": "rfc7644", "strict": False, "guardShare": 10, "ipAllowlist": ["::1"]}
BODIES = {
    "createWorkspace": ("POST", "/workspaces", lambda: {
        "name": label("b"), "displayName": "B", "contract": "rfc7644", "strict": False}),
    "updateWorkspace": ("PATCH", "/workspaces/{workspace}", lambda: {**SETTINGS, "displayName": "B"}),
    "createInvitation": ("POST", "/workspaces/{workspace}/invitations", lambda: {
        "name": "Ada", "permissions": [SCIM], "expiresInDays": 7}),
    "updateBrand": ("PATCH", "/brand", lambda: {
        "name": "Acme", "accent": "#0a5c36", "logo": "data:image/svg+xml;base64,PHN2Zz48L3N2Zz4="}),
    "suspendWorkspace": ("POST", "/workspaces/{workspace}/suspend", lambda: {"reason": "x"}),
}  # fmt: skip
NO_BODY = {"resumeWorkspace", "restoreWorkspace"}
NULLABLE = {"updateBrand"}
"""Operations whose members may be null, to take back what was set."""


def operations(server):
    paths = httpx.get(f"{server.url}/openapi.json", timeout=30).json()["paths"]
    return [
        (method.upper(), path.removeprefix("/api/v1/platform"), operation)
        for path, item in paths.items()
        for method, operation in item.items()
        if path.startswith("/api/v1/platform") and method != "parameters"
    ]


def test_every_route_is_listed_here_and_says_which_key_it_needs(server):
    found = operations(server)
    assert {(method, re.sub(r"{\w+}", "x", path)) for method, path, _ in found} == set(ROUTES)
    assert all(operation["security"] == [{"platformKey": []}] for *_, operation in found)
    names = {"Workspaces", "Within a workspace", "Across workspaces"}
    assert {tag for *_, operation in found for tag in operation["tags"]} == names


@pytest.fixture(scope="module")
def tenant(server):
    with Tenant(server) as made:
        yield made


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_route_takes_platform_keys_alone(platform, tenant, method, path):
    for token in (tenant.token, platform.token + "x", platform.token[:-1], "x"):
        with platform.client(token) as client:
            refused = client.request(method, path, json={})
            assert "platform key" in problem(refused, 401)
            assert refused.headers["www-authenticate"].startswith("Bearer")
    problem(httpx.request(method, f"{tenant.server.url}/api/v1/platform{path}"), 401)
    answer = platform.api.request(method, path, json={} if method != "GET" else None)
    assert answer.status_code not in (401, 403)


def test_a_workspace_takes_no_platform_key(platform):
    for root, path in (("/api/v1", "/settings"), ("/scim/v2", "/Users")):
        with platform.client(platform.token, root) as client:
            refused = client.get(path)
            assert refused.status_code == 401
            assert "platform key" in refused.json()["detail"]


def test_unknown_paths_and_methods_are_refused(platform):
    problem(platform.api.get("/nothing"), 404)
    problem(platform.api.get(""), 404)
    refused = platform.api.put("/workspaces", json={})
    problem(refused, 405)
    assert refused.headers["allow"] == "GET, POST"


def test_every_route_with_a_body_is_tried(server):
    with_body = {
        operation["operationId"]
        for method, _, operation in operations(server)
        if method in ("POST", "PUT", "PATCH")
    }
    within = {found for found in with_body if WITHIN.match(found)}
    assert len(within) == 16
    assert with_body - within == {*BODIES, *NO_BODY}


@pytest.fixture(scope="module")
def place(platform):
    yield {"workspace": platform.workspace()}
    platform.api.patch("/brand", json=dict.fromkeys(("name", "logo", "accent"))).raise_for_status()


def send(platform, place, operation, body):
    method, path, _ = BODIES[operation]
    content, headers = orjson.dumps(body), {"content-type": "application/json"}
    return platform.api.request(method, path.format(**place), content=content, headers=headers)


@pytest.mark.parametrize("operation", BODIES)
def test_a_value_of_another_type_is_refused_and_named(platform, place, operation):
    body = BODIES[operation][2]()
    for path, value in nodes(body):
        for other in VALUES:
            if kind_of(other) == kind_of(value) and other != 1.5:
                continue
            if other is None and path and operation in NULLABLE:
                continue
            answer = send(platform, place, operation, replaced(body, path, other))
            assert problem(answer, 400), (operation, path, other)
            if path:
                (error,) = answer.json()["errors"]
                assert error["pointer"].startswith("/" + "/".join(map(str, path)))
    refused = send(platform, place, operation, {**body, "nobody": 1})
    assert problem(refused, 400)
    assert refused.json()["errors"][0]["pointer"] == "/nobody"


@pytest.mark.parametrize("operation", BODIES)
def test_no_value_is_an_error_of_the_server(platform, place, operation):
    body = BODIES[operation][2]()
    strings = ["", " ", "x" * 3000, "\u0000", "\u202e", "../..", "%00", "\ud7ff\U0001f600"]
    for path, value in nodes(body):
        for other in [*strings, -1, 2**31, 2**63, 1e308, ["x"] * 600, {"x": None}]:
            if kind_of(other) != kind_of(value) and isinstance(value, str | int | bool):
                continue
            answer = send(platform, place, operation, replaced(body, path, other))
            assert answer.status_code < 500, (operation, path, str(other)[:50], answer.text)


@pytest.mark.parametrize(
    ("method", "path"), sorted({(method, path) for method, path in ROUTES if "/x" in path})
)
def test_a_name_that_no_workspace_can_have_is_404(platform, method, path):
    for called in ("%00", "a%00b", "%FF", "%ED%A0%80", "no-such-workspace"):
        answer = platform.api.request(method, path.replace("/x", f"/{called}"), json={})
        assert answer.status_code == 404, (called, answer.text)
