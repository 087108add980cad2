"""Access to every route: no key, a provisioning key, read-only, another workspace."""

import re
from urllib.parse import quote

import httpx
import orjson
import pytest

from muster.access.permissions import AUDIT, PERMISSIONS, READ, SCIM, lacking
from muster.http.platform.router import PLATFORM_ROOT
from tests.http.management.test_bodies import schema
from tests.http.management.test_router import ALSO, ROUTES
from tests.support.people import group, name, patch, person, replace
from tests.support.tenant import Tenant

URN = "urn:walls:User"
OPEN = {"/healthz", "/readyz", "/openapi.json", "/docs", "/metrics"}
"""What anyone may ask for."""


class Place:
    """A workspace with one of everything that a path can name, and its secrets."""

    def __init__(self, tenant):
        self.tenant, self.api, self.scim = tenant, tenant.api, tenant.scim
        secret = name("secret").partition("@")[0]
        self.user = tenant.user(displayName=secret)
        self.group = self.scim.post("/Groups", json=group(secret, self.user)).json()
        self.key = self.made("/keys", {"name": secret})
        self.role = self.made("/roles", {"name": secret, "permissions": [SCIM]})
        self.mapping = self.made(
            "/scim/role-mappings", {"idpValue": secret, "role": {"role": secret}}
        )
        self.hook = self.made(
            "/webhooks", {"url": f"https://{secret}.example/", "events": ["guard.held"]}
        )
        self.made("/schemas", schema(URN))
        kind = {
            "name": "Thing",
            "endpoint": "/Things",
            "schema": "urn:walls:Thing",
            "description": secret,
        }
        assert (
            self.api.post("/schemas", json={**schema("urn:walls:Thing"), "extends": []}).status_code
            == 201
        )
        self.made("/resource-types", kind)
        self.scim.post("/Users", json=person(self.user["userName"]))
        self.request = tenant.recorded(1)[0]["number"]
        self.change = self.api.get(f"/history/{self.user['id']}").json()["items"][0]["change"]
        self.cursor = self.api.get("/changes").json()["cursor"]
        self.secrets = [secret, self.user["userName"]]

    def made(self, path, body):
        answer = self.api.post(path, json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def path(self, template):
        """A path with this workspace's values for its {names}."""
        filled = {
            "/scim/v2/Users/{id}": self.user["id"],
            "/scim/v2/Groups/{id}": self.group["id"],
            "/scim/v2/ResourceTypes/{name}": "Thing",
            "/scim/v2/Schemas/{name}": URN,
            "/api/v1/keys/{id}": self.key["id"],
            "/api/v1/scim/role-mappings/{id}": self.mapping["id"],
            "/api/v1/users/{id}": self.user["id"],
            "/api/v1/roles/{name}": self.role["name"],
            "/api/v1/guard/{id}": self.user["id"],
            "/api/v1/schemas/{urn}": URN,
            "/api/v1/resource-types/{name}": "Thing",
            "/api/v1/requests/{number}": self.request,
            "/api/v1/history/{id}": self.user["id"],
            "/api/v1/webhooks/{id}": self.hook["id"],
        }
        folder = template.partition("}")[0] + "}"
        return (
            template if "{" not in template else re.sub(r"{\w+}", filled.get(folder, "x"), template)
        )

    def state(self):
        """All that an administrator can see of the workspace, but for when keys were used."""
        seen = [
            self.scim.get(path).json()
            for path in ("/Users", "/Groups", "/ResourceTypes", "/Schemas")
        ]
        paths = (
            "/settings",
            "/roles",
            "/webhooks",
            "/schemas",
            "/resource-types",
            "/scim/role-mappings",
            "/guard",
            "/keys",
        )
        seen += [self.api.get(path).json() for path in paths]
        for key in seen[-1]["items"]:
            del key["lastUsed"]
        seen.append(
            [row["id"] for row in self.api.get("/audit", params={"limit": 1000}).json()["rows"]]
        )
        return seen


@pytest.fixture(scope="module")
def place(server):
    with Tenant(server) as tenant:
        yield Place(tenant)


@pytest.fixture(scope="module")
def stranger(server):
    with Tenant(server) as tenant:
        yield tenant


@pytest.fixture(scope="module")
def routes(server, place):
    """Every operation of the OpenAPI document with a custom type, and /Me."""
    document = place.api.get(f"{server.url}/openapi.json").json()
    found = [
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in ("get", "post", "put", "patch", "delete") and operation.get("security") != []
    ]
    me = [(method, "/scim/v2/Me") for method in ("GET", "PUT", "PATCH", "DELETE", "POST")]
    assert len(found) > 70
    return [(method, path) for method, path in (*found, *me) if "Things" not in path]


@pytest.fixture(scope="module")
def workspace_routes(routes):
    """The operations that a key of a workspace can have the permission for."""
    return [(method, path) for method, path in routes if not path.startswith(PLATFORM_ROOT)]


def bodies(place, method, path):
    """Valid bodies for a route, so that only permissions and walls refuse it."""
    if path.startswith("/scim/v2"):
        user = (
            person()
            if method == "POST"
            else {**person(place.user["userName"]), "id": place.user["id"]}
        )
        operation = {"method": "DELETE", "path": f"/Users/{place.user['id']}"}
        bulk = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": [operation],
        }
        search = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
            "filter": 'userName sw ""',
        }
        if "search" in path or path.endswith("Bulk"):
            return search if "search" in path else bulk
        sound = group(name("g"), place.user) if "Groups" in path else user
        return (
            patch({"op": "replace", "path": "displayName", "value": "taken"})
            if method == "PATCH"
            else sound
        )
    return {
        "/api/v1/settings": {"strict": True},
        "/api/v1/wipe": {"workspace": place.tenant.name},
        "/api/v1/keys": {"name": name("k"), "user": place.user["id"]},
        "/api/v1/roles": {"name": name("r"), "permissions": [SCIM]},
        "/api/v1/roles/{name}": {"permissions": [AUDIT]},
        "/api/v1/scim/role-mappings": {"idpValue": name("v"), "role": {"role": "x"}},
        "/api/v1/passwords/verify": {"userName": place.user["userName"], "password": "x"},
        "/api/v1/history/{id}/restore": {"change": place.change},
        "/api/v1/webhooks/{id}": {"enabled": False},
        "/api/v1/webhooks/{id}/redeliver": {"from": place.cursor},
        "/api/v1/schemas/{urn}": {**schema(URN), "description": "taken"},
    }.get(path, {})


def ask(client, place, method, path, token=None):
    body = bodies(place, method, path) if method in ("POST", "PUT", "PATCH") else None
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    if body is not None:
        headers["content-type"] = "application/json"
    content = None if body is None else orjson.dumps(body)
    return client.request(method, place.path(path), content=content, headers=headers)


@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer x.y.z", "Basic YTpi", "revoked"])
def test_every_route_requires_a_key(server, place, routes, authorization):
    before = place.state()
    if authorization == "revoked":
        made = place.made("/keys", {"name": name("short")})
        place.api.delete(f"/keys/{made['id']}")
        authorization, before = f"Bearer {made['token']}", place.state()
    headers = {} if authorization is None else {"authorization": authorization}
    with httpx.Client(base_url=server.url, headers=headers, timeout=30) as client:
        for method, path in routes:
            answer = ask(client, place, method, path)
            assert answer.status_code == 401, (method, path, answer.text)
            assert not any(secret in answer.text for secret in place.secrets), (method, path)
    assert place.state() == before


def needed(method, path):
    """The permissions that a route needs."""
    if path.startswith("/scim/v2"):
        return {READ if method == "GET" or path.endswith("/.search") else SCIM}
    short = re.sub(r"{\w+}", "x", path.removeprefix("/api/v1"))
    rules = {(row[0], row[1]): row[2] for row in ROUTES}
    return {rules[method, short], *filter(None, [ALSO.get((method, short))])}


HOLDERS = {
    "provisioning key": (SCIM,),
    "key of an application that reads": (READ,),
    "read-only administrator": (AUDIT,),
    "all but provisioning": tuple(permission for permission in PERMISSIONS if permission != SCIM),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_missing_permission_is_403_without_effect(server, place, workspace_routes, holder):
    role = place.made("/roles", {"name": name("role"), "permissions": list(HOLDERS[holder])})
    made = place.made("/keys", {"name": name("k"), "role": role["name"]})
    before, refused = place.state(), 0
    with httpx.Client(base_url=server.url, timeout=30) as client:
        for method, path in workspace_routes:
            if not lacking(HOLDERS[holder], needed(method, path)):
                continue
            answer = ask(client, place, method, path, made["token"])
            assert answer.status_code == 403, (method, path, answer.text)
            assert not any(secret in answer.text for secret in place.secrets), (method, path)
            refused += 1
    assert refused
    assert place.state() == before


def test_a_key_that_may_read_reads_all_of_the_directory(server, place, workspace_routes):
    made = place.made("/keys", {"name": name("reader"), "permissions": [READ]})
    before, read = place.state(), set()
    # the key is bound to no user, and the body of a search filters by an attribute of users
    with httpx.Client(base_url=server.url, timeout=30) as client:
        for method, path in workspace_routes:
            if needed(method, path) == {READ}:
                answer = ask(client, place, method, path, made["token"])
                expected = {"/scim/v2/Me": 501, "/scim/v2/Groups/.search": 400}.get(path, 200)
                assert answer.status_code == expected, (method, path, answer.text)
                read.add((method, path))
        headers = {"authorization": f"Bearer {made['token']}"}
        for method, path in WRITES:
            answer = client.request(method, f"/scim/v2{path}", headers=headers)
            assert (answer.status_code, SCIM in answer.text) == (403, True), (method, path)
        assert client.head("/scim/v2/Users", headers=headers).status_code == 200
    assert {("GET", "/api/v1/changes"), ("POST", "/scim/v2/Users/.search")} <= read
    assert len([path for _, path in read if path.startswith("/api/v1")]) == 2
    assert place.state() == before


WRITES = [
    ("PUT", "/Users/.search"),
    ("PATCH", "/Users/.search"),
    ("DELETE", "/Groups/.search"),
    ("POST", "/Users/x.search"),
    ("POST", "/.search/Users"),
    ("POST", "/Bulk/"),
    ("OPTIONS", "/Users"),
    ("PROPFIND", "/Users"),
]
"""Requests that write, or that are near one that reads."""


def test_workspaces_are_isolated(server, place, stranger, routes):
    before = place.state()
    with httpx.Client(base_url=server.url, timeout=30) as client:
        for method, path in routes:
            answer = ask(client, place, method, path, stranger.token)
            assert answer.status_code < 500 or answer.status_code == 501, (
                method,
                path,
                answer.text,
            )
            if path.startswith(PLATFORM_ROOT):
                assert answer.status_code == 401, (method, path, answer.text)
            elif "{" in path:
                no_history = {"items": [], "nextCursor": None}
                known = answer.status_code == 200 and answer.json() == no_history
                assert answer.status_code in (400, 404) or known, (method, path, answer.text)
            shown = re.sub(
                r'"detail":"[^"]*"', "", answer.text
            )  # an error repeats what was asked for
            assert not any(secret in shown for secret in place.secrets), (method, path)
    assert place.state() == before


def test_tokens_of_another_workspace_are_rejected(place, stranger):
    user = stranger.user()
    asked = [
        stranger.api.get("/changes", params={"cursor": place.cursor}),
        stranger.api.get("/audit", params={"cursor": place.cursor}),
        stranger.api.get(f"/history/{user['id']}", params={"before": place.change}),
        stranger.api.post(f"/history/{user['id']}/restore", json={"change": place.change}),
    ]
    assert [answer.status_code for answer in asked] == [400] * 4
    with_role = stranger.api.post("/keys", json={"name": name("k"), "role": place.role["name"]})
    for_user = stranger.api.post("/keys", json={"name": name("k"), "user": place.user["id"]})
    in_group = stranger.scim.post("/Groups", json=group("g", place.user))
    manager = {
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
            "manager": {"value": place.user["id"]}
        }
    }
    assert [with_role.status_code, for_user.status_code, in_group.status_code] == [404, 404, 400]
    shown = stranger.scim.post("/Users", json=person(**manager))
    assert not any(secret in shown.text for secret in place.secrets)
    assert (
        stranger.scim.patch(f"/Users/{place.user['id']}", json=replace("active", False)).status_code
        == 404
    )


def test_public_routes_reveal_nothing_about_workspaces(server, place):
    for path in OPEN:
        answer = httpx.get(server.url + path, headers={"accept": "*/*"}, follow_redirects=True)
        assert answer.status_code == 200, path
        assert not any(secret in answer.text for secret in place.secrets), path
        assert (
            path == "/metrics" or place.tenant.name not in answer.text
        )  # metrics count by workspace


ODD = [
    "",
    "\0",
    " ",
    "-1",
    "0",
    "9" * 30,
    "1.5",
    "x" * 3000,
    "\ud7ff\U0001f600",
    "%",
    "%00",
    "'",
    '"',
    "..",
    "2026-01-01",
    "null",
]


@pytest.mark.slow
def test_malformed_parameters_and_paths_never_cause_a_500(place, routes):
    document = place.api.get(f"{place.tenant.server.url}/openapi.json").json()
    shared = {
        f"#/components/parameters/{key}": value
        for key, value in document["components"].get("parameters", {}).items()
    }
    for path, item in document["paths"].items():
        given = [
            shared.get(parameter.get("$ref", ""), parameter)
            for parameter in item.get("get", {}).get("parameters", ())
        ]
        for parameter in [found["name"] for found in given if found["in"] == "query"]:
            for value in ODD:
                answer = place.api.get(
                    f"{place.tenant.server.url}{place.path(path)}", params={parameter: value}
                )
                assert answer.status_code < 500, (path, parameter, ascii(value)[:40], answer.text)
        if "{" in path:
            for value in ODD[1:]:
                filled = re.sub(r"{\w+}", lambda _, value=value: quote(value, safe=""), path)
                answer = place.api.get(f"{place.tenant.server.url}{filled}")
                assert answer.status_code < 500, (path, ascii(value)[:40], answer.text)
