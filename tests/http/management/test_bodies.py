"""Every value in a body of the management API, replaced by another type."""

import copy
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from joserfc.jwk import ECKey

from muster.access.permissions import SCIM
from tests.support.people import name
from tests.support.tenant import Tenant, problem

URN = "urn:acme:scim:User"
VALUES = ["x", 7, 1.5, True, None, [], {}, [[1]], [{}], {"a": {"b": []}}]
"""A value of each type of JSON, and some that hold others."""


class Place:
    """A workspace with one of everything that bodies are about."""

    def __init__(self, tenant):
        self.tenant = tenant
        self.api = tenant.api
        self.user = tenant.user()
        self.key = self.api.post("/keys", json={"name": name("k")}).json()["id"]
        self.role = self.api.post("/roles", json={"name": "r", "permissions": [SCIM]}).json()[
            "name"
        ]
        self.connection = self.api.post("/connections", json={"name": "Okta"}).json()["id"]
        self.client = self.api.post(
            f"/connections/{self.connection}/oauth-clients", json={"name": "Entra"}
        ).json()["clientId"]
        self.hook = self.api.post("/webhooks", json={"url": "https://receiver.example/"}).json()[
            "id"
        ]
        assert self.api.post("/schemas", json=schema(URN)).status_code == 201
        core = {"id": "urn:acme:Gadget", "name": "Gadget", "attributes": [{"name": "serial"}]}
        self.api.post("/schemas", json=core)
        gadget = {"name": "Gadget", "endpoint": "/Gadgets", "schema": core["id"]}
        assert self.api.post("/resource-types", json=gadget).status_code == 201
        now = datetime.now(UTC)
        self.period = {
            "since": (now - timedelta(hours=1)).isoformat(),
            "until": (now + timedelta(hours=1)).isoformat(),
        }
        self.own = self.api.get("/keys").json()["items"][0]["id"]
        self.at = self.api.get("/undo", params={"key": self.own, **self.period}).json()["at"]
        self.change = self.api.get(f"/history/{self.user['id']}").json()["items"][0]["change"]

    def recorded(self):
        """How many rows the audit log has."""
        return len(self.api.get("/audit", params={"limit": 1000}).json()["rows"])


@pytest.fixture(scope="module")
def place(server):
    with Tenant(server) as tenant:
        yield Place(tenant)


def schema(urn):
    attributes = [
        {"name": "code", "type": "string", "multiValued": False, "required": False, "caseExact": True, "indexed": True,
         "mutability": "readWrite", "returned": "default", "uniqueness": "none", "description": "x"},
        {"name": "parts", "type": "complex", "multiValued": True, "subAttributes": [{"name": "value", "type": "string"}]},
    ]  # fmt: skip
    return {
        "id": urn,
        "name": "Acme",
        "description": "x",
        "extends": ["User"],
        "attributes": attributes,
    }


CONNECTOR = {
    "title": "Corp", "issuer": "http://127.0.0.1:1", "clientId": "x", "clientSecret": "x", "allowedDomains": ["corp.example"],
    "permissions": [SCIM], "trustEmail": True,
}  # fmt: skip
SETTINGS = {
    "contract": "rfc7644", "strict": False, "automaticProvisioning": True, "automaticDeprovisioning": True,
    "uniqueGroupNames": False, "ipAllowlist": ["127.0.0.0/8", "::1"], "rateLimit": 10_000_000, "guardMode": "watch",
    "guardShare": 10, "guardLeast": 20, "requestsDays": 5, "changesDays": 30,
    "scimCredentials": "any", "profile": "none",
}  # fmt: skip
PUBLIC_KEYS = {"keys": [ECKey.generate_key("P-256", {"kid": "one"}).as_dict(private=False)]}
NO_BODY = {
    "testWebhook",
    "letThrough",
    "keepHeld",
    "resolveFinding",
    "reopenFinding",
    "resumeConnection",
}
CONNECTION = {
    "provider": "okta", "ownership": "shared", "strict": False, "contract": "rfc7644", "rateLimit": 10_000,
    "ipAllowlist": ["127.0.0.0/8", "::1"], "guardMode": "watch", "guardShare": 10, "guardLeast": 20,
    "automaticProvisioning": True, "automaticDeprovisioning": True, "recordReads": "2031-01-31T09:00:00Z",
}  # fmt: skip
BODIES = {
    "decideHeld": ("POST", "/guard/selection", lambda _: {"decision": "keep", "users": ["x"]}),
    "updateSettings": ("PATCH", "/settings", lambda _: SETTINGS),
    "wipe": ("POST", "/wipe", lambda place: {"workspace": place.tenant.name}),
    "validateAddress": ("POST", "/ip-allowlist/validate", lambda _: {"address": "192.0.2.1"}),
    "createConnection": ("POST", "/connections", lambda _: {**CONNECTION, "name": name("c")}),
    "updateConnection": ("PATCH", "/connections/{connection}", lambda _: {**CONNECTION, "name": name("c")}),
    "pauseConnection": ("POST", "/connections/{connection}/pause", lambda _: {"reason": "x"}),
    "createOauthClient": ("POST", "/connections/{connection}/oauth-clients", lambda _: {
        "name": name("client"), "auth": "private_key_jwt", "jwks": PUBLIC_KEYS}),
    "rotateOauthClient": ("POST", "/connections/{connection}/oauth-clients/{client}/rotate", lambda _: {"overlapSeconds": 5}),
    "createSetupLink": ("POST", "/setup-links", lambda _: {
        "connection": "default", "provider": "okta", "expiresInDays": 3, "returnUrl": "https://app.example/done", "contact": "Ada"}),
    "createTrust": ("POST", "/connections/{connection}/trusts", lambda _: {
        "issuer": "https://issuer.example/v2.0", "audience": "api://muster", "subject": name("subject"), "tenant": "x"}),
    "createKey": ("POST", "/keys", lambda place: {
        "name": name("k"), "permissions": [SCIM], "rateLimit": 5, "connection": "default", "expiresInSeconds": 5, "user": place.user["id"], "role": place.role}),
    "updateKey": ("PATCH", "/keys/{key}", lambda _: {
        "name": name("k"), "rateLimit": 5, "expires": "2031-01-31T09:00:00Z"}),
    "rotateKey": ("POST", "/keys/{key}/rotate", lambda _: {"overlapSeconds": 5}),
    "createRole": ("POST", "/roles", lambda _: {"name": name("role"), "permissions": [SCIM]}),
    "changeRole": ("PATCH", "/roles/{role}", lambda place: {"name": place.role, "permissions": [SCIM]}),
    "updateRole": ("PUT", "/roles/{role}", lambda place: {"name": place.role, "permissions": [SCIM]}),
    "createRoleMapping": ("POST", "/scim/role-mappings", lambda _: {"idpValue": name("v"), "role": {"role": "x", "tag": "y"}}),
    "previewRoleMappings": ("POST", "/scim/role-mappings/preview", lambda _: {
        "add": [{"idpValue": name("v"), "role": {"role": "x", "tag": "y"}}], "remove": []}),
    "setOpenIdConnector": ("PUT", "/open-id-connector", lambda _: CONNECTOR),
    "protectUser": ("PUT", "/protected-users/{user[id]}", lambda _: {"reason": "x"}),
    "verifyPassword": ("POST", "/passwords/verify", lambda _: {"userName": name("u"), "password": "x"}),
    "undo": ("POST", "/undo", lambda place: {
        "key": place.own, **place.period, "at": place.at, "resources": [], "deletions": [place.user["id"]], "override": True}),
    "restore": ("POST", "/history/{user[id]}/restore", lambda place: {"change": place.change, "override": False}),
    "restore at a time": ("POST", "/history/{user[id]}/restore", lambda place: {"time": place.period["until"]}),
    "createSchema": ("POST", "/schemas", lambda _: schema(f"urn:{name('acme')}:User")),
    "previewSchema": ("POST", "/schemas/preview", lambda _: schema(URN)),
    "updateSchema": ("PUT", f"/schemas/{URN}", lambda _: schema(URN)),
    "createResourceType": ("POST", "/resource-types", lambda _: {
        "name": "Device", "endpoint": "/Devices", "description": "x", "schema": "urn:acme:Device",
        "schemaExtensions": [{"schema": "urn:acme:More", "required": False}]}),
    "updateResourceType": ("PUT", "/resource-types/Gadget", lambda _: {
        "name": "Gadget", "endpoint": "/Gadgets", "description": "x", "schema": "urn:acme:Gadget",
        "schemaExtensions": [{"schema": URN, "required": False}]}),
    "createWebhook": ("POST", "/webhooks", lambda _: {
        "url": "https://receiver.example/", "events": ["user.*", "*"], "description": "x", "enabled": False}),
    "updateWebhook": ("PATCH", "/webhooks/{hook}", lambda _: {
        "url": "https://receiver.example/", "events": ["*"], "enabled": True}),
    "rotateWebhook": ("POST", "/webhooks/{hook}/rotate", lambda _: {"overlapSeconds": 5}),
    "redeliver": ("POST", "/webhooks/{hook}/redeliver", lambda _: {"event": "x"}),
    "redeliver from": ("POST", "/webhooks/{hook}/redeliver", lambda _: {"from": ""}),
}  # fmt: skip
_INHERITED = frozenset(CONNECTION) - {"provider", "ownership"}
NULLABLE = {
    "createConnection": _INHERITED,
    "updateConnection": _INHERITED,
    "createOauthClient": {"jwksUri"},
    "createTrust": {"tenant"},
    "createSetupLink": {"connection", "provider", "returnUrl", "contact"},
    "updateSettings": {"rateLimit", "requestsDays", "changesDays"},
    "createKey": {"permissions", "rateLimit", "expiresInSeconds", "user", "role"},
    "updateKey": {"rateLimit", "expires"},
    "rotateKey": {"overlapSeconds"},
    "rotateWebhook": {"overlapSeconds"},
    "updateRole": {"name"},
    "createRoleMapping": {"role.tag"},
    "previewRoleMappings": {"add.0.role.tag"},
    "setOpenIdConnector": {"clientSecret"},
}
"""Where null is a value like another, as it says "not given"."""


SCHEMAS = {
    *("createSchema", "previewSchema", "updateSchema", "createResourceType", "updateResourceType")
}
"""Definitions of RFC 7643 section 7, which clients may send with more in them."""


def nodes(value, path=()):
    """Every place in a JSON value."""
    yield path, value
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in items:
        yield from nodes(item, (*path, key))


def replaced(body, path, value):
    if not path:
        return value
    made = copy.deepcopy(body)
    holder = made
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return made


def kind_of(value):
    return (
        "number"
        if isinstance(value, int | float) and not isinstance(value, bool)
        else type(value).__name__
    )


def send(place, operation, body):
    method, path, _ = BODIES[operation]
    headers = {"content-type": "application/json"}
    return place.api.request(
        method, path.format(**vars(place)), content=orjson.dumps(body), headers=headers
    )


@pytest.mark.parametrize("operation", BODIES)
def test_a_value_of_another_type_is_refused_and_changes_nothing(place, operation):
    body = BODIES[operation][2](place)
    before = place.recorded()
    for path, value in nodes(body):
        for other in VALUES:
            if kind_of(other) == kind_of(value) and other != 1.5:
                continue
            named = ".".join(str(key) for key in path)
            if other is None and named in NULLABLE.get(operation, ()):
                continue
            answer = send(place, operation, replaced(body, path, other))
            assert answer.status_code == 400, (operation, named, other, answer.text)
            assert problem(answer, 400)
    assert place.recorded() == before


@pytest.mark.parametrize("operation", BODIES)
def test_no_value_is_an_error_of_the_server(place, operation):
    """Values of the right type that are empty, long, negative or unknown."""
    if operation in ("wipe", "undo"):
        return
    body = BODIES[operation][2](place)
    strings = ["", " ", "x" * 3000, "\u0000", "\u202e", "../..", "%00", "\ud7ff\U0001f600"]
    for path, value in nodes(body):
        for other in [
            *strings,
            -1,
            0,
            2**31,
            2**63,
            2**64 - 1,
            1e30,
            1e308,
            {"": ""},
            ["x"] * 600,
            {"x": None},
        ]:
            if kind_of(other) != kind_of(value) and isinstance(value, str | int | float | bool):
                continue
            answer = send(place, operation, replaced(body, path, other))
            assert answer.status_code < 500, (operation, path, str(other)[:50], answer.text)
    answer = send(place, operation, {**body, "nobody": 1})
    assert answer.status_code in (400, 201, 200), answer.text


@pytest.mark.parametrize(
    "operation",
    [name for name in BODIES if name not in {"createRoleMapping", *SCHEMAS}],
)
def test_a_name_that_is_not_known_is_refused(place, operation):
    body = BODIES[operation][2](place)
    detail = problem(send(place, operation, {**body, "nobody": 1}), 400)
    assert "nobody" in detail


def test_every_route_with_a_body_is_here(place):
    paths = place.api.get(f"{place.tenant.server.url}/openapi.json").json()["paths"]
    with_body = {
        operation["operationId"]
        for path, item in paths.items()
        for method, operation in item.items()
        if path.startswith("/api/v1")
        and not path.startswith("/api/v1/platform")
        and method in ("post", "put", "patch")
    }
    assert with_body - NO_BODY == {operation.partition(" ")[0] for operation in BODIES}
    for operation in NO_BODY:
        assert operation in with_body  # they read no body
