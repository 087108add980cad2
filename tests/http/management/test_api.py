"""The management API: permissions, and each of its operations."""

import re
from concurrent.futures import ThreadPoolExecutor

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
from muster.scim.bulk import BULK_REQUEST
from muster.scim.schema.model import GROUP
from tests.support.people import error_of, group, name, patch, person, replace
from tests.support.server import Server
from tests.support.tenant import Tenant, problem
from tests.support.waiting import until


@pytest.fixture(scope="module")
def tenant(server):
    with Tenant(server) as made:
        yield made


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
    ("GET", "/connections", SETTINGS),
    ("POST", "/connections", SETTINGS),
    ("GET", "/connections/x", SETTINGS),
    ("PATCH", "/connections/x", SETTINGS),
    ("DELETE", "/connections/x", SETTINGS),
    ("POST", "/connections/x/pause", SETTINGS),
    ("POST", "/connections/x/resume", SETTINGS),
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
    ("POST", "/scim/role-mappings/preview"): READ,
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
        if path.startswith("/api/v1") and method != "parameters"
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


def test_settings_are_changed_and_recorded(fresh):
    before = fresh.api.get("/settings").json()
    assert before == {
        "contract": "rfc7644",
        "strict": False,
        "automaticProvisioning": True,
        "automaticDeprovisioning": True,
        "uniqueGroupNames": False,
        "ipAllowlist": [],
        "rateLimit": None,
        "guardMode": "watch",
        "guardShare": 10,
        "guardLeast": 20,
        "requestsDays": None,
        "changesDays": None,
    }
    changed = fresh.api.patch(
        "/settings", json={"contract": "cortex", "strict": True, "rateLimit": 0}
    ).json()
    assert changed == before | {"contract": "cortex", "strict": True, "rateLimit": 0}
    assert fresh.api.get("/settings").json() == changed
    assert fresh.scim.post("/Users", json=person()).status_code == 200
    rows = fresh.api.get("/audit").json()["rows"]
    row = next(row for row in rows if row["type"] == "Settings")
    assert row["document"]["after"] == {"contract": "cortex", "strict": True, "rateLimit": 0}
    assert row["actor"].startswith("key:")
    assert row["address"] == "127.0.0.1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"contract": "other"}, {"strict": "yes"}, {"nothing": 1}, {"ipAllowlist": "10.0.0.0/8"}, {"ipAllowlist": ["10.0.0.0/33"]},
        {"ipAllowlist": [7]}, {"rateLimit": -1}, {"rateLimit": True}, {"automaticProvisioning": None}, [],
        {"guardMode": "maybe"}, {"guardShare": 101}, {"guardLeast": "few"}, {"requestsDays": 0}, {"requestsDays": 1.5},
        {"changesDays": 6}, {"changesDays": False}, {"changesDays": 40_000},
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_and_changes_nothing(tenant, wrong):
    before = tenant.api.get("/settings").json()
    body = wrong if isinstance(wrong, list) else {"automaticProvisioning": False, **wrong}
    detail = problem(tenant.api.patch("/settings", json=body), 400)
    assert isinstance(wrong, list) or next(iter(wrong)) in detail
    assert tenant.api.get("/settings").json() == before


def test_no_user_is_created_if_automatic_provisioning_is_off(fresh):
    there = fresh.user()
    fresh.api.patch("/settings", json={"automaticProvisioning": False})
    assert "automatic provisioning is off" in error_of(
        fresh.scim.post("/Users", json=person()), 403
    )
    operation = {"method": "POST", "path": "/Users", "bulkId": "x", "data": person()}
    bulk = fresh.scim.post(
        "/Bulk", json={"schemas": [BULK_REQUEST], "Operations": [operation]}
    ).json()
    assert bulk["Operations"][0]["status"] == "403"
    assert fresh.scim.get("/Users?count=0").json()["totalResults"] == 1
    assert fresh.scim.patch(f"/Users/{there['id']}", json=replace("title", "x")).status_code == 200
    assert fresh.scim.post("/Groups", json=group()).status_code == 201
    refused = [row for row in fresh.api.get("/audit").json()["rows"] if row["action"] == "refuse"]
    assert [(row["type"], row["document"]["attempted"]) for row in refused] == [
        ("User", "create")
    ] * 2
    fresh.api.patch("/settings", json={"automaticProvisioning": True})
    assert fresh.scim.post("/Users", json=person()).status_code == 201


def test_no_user_is_deactivated_if_automatic_deprovisioning_is_off(fresh):
    user = fresh.user()
    path = f"/Users/{user['id']}"
    idle = fresh.user(active=False)
    fresh.api.patch("/settings", json={"automaticDeprovisioning": False})
    error_of(fresh.scim.delete(path), 403)
    error_of(fresh.scim.patch(path, json=replace("active", False)), 403)
    error_of(
        fresh.scim.patch(
            path, json=patch({"op": "Replace", "value": {"active": "False", "title": "x"}})
        ),
        403,
    )
    error_of(fresh.scim.put(path, json=person(user["userName"], active=False)), 403)
    assert fresh.scim.get(path).json() == user
    assert fresh.scim.patch(path, json=replace("title", "x")).status_code == 200
    assert fresh.scim.patch(f"/Users/{idle['id']}", json=replace("title", "x")).status_code == 200
    error_of(fresh.scim.delete("/Users/nobody"), 404)
    refused = [row for row in fresh.api.get("/audit").json()["rows"] if row["action"] == "refuse"]
    assert [row["document"]["attempted"] for row in refused] == [
        "delete",
        "deactivate",
        "deactivate",
        "deactivate",
    ]
    assert {row["resource"] for row in refused} == {user["id"]}
    fresh.api.patch("/settings", json={"automaticDeprovisioning": True})
    assert fresh.scim.delete(path).status_code == 204


def test_requests_come_from_the_allowlist_alone(fresh):
    assert "127.0.0.1" in problem(
        fresh.api.patch("/settings", json={"ipAllowlist": ["10.0.0.0/8", "2001:db8::/32"]}), 409
    )
    assert fresh.api.get("/settings").json()["ipAllowlist"] == []
    kept = fresh.api.patch("/settings", json={"ipAllowlist": ["127.0.0.0/8", "::1"]}).json()
    assert kept["ipAllowlist"] == ["127.0.0.0/8", "::1/128"]
    assert fresh.scim.get("/Users").status_code == 200
    locked = {"ipAllowlist": ["10.0.0.0/8"], "confirmLockout": True}
    assert fresh.api.patch("/settings", json=locked).status_code == 200
    assert "127.0.0.1" in error_of(fresh.scim.get("/Users"), 403)
    problem(fresh.api.get("/settings"), 403)


def test_group_names_are_unique_if_the_setting_is_on(fresh):
    first, second = (fresh.scim.post("/Groups", json=group("Team")).json() for _ in range(2))
    assert "'team'" in problem(fresh.api.patch("/settings", json={"uniqueGroupNames": True}), 409)
    fresh.scim.patch(f"/Groups/{second['id']}", json=replace("displayName", "Other"))
    assert fresh.api.patch("/settings", json={"uniqueGroupNames": True}).status_code == 200
    error_of(fresh.scim.post("/Groups", json=group("TEAM")), 409, "uniqueness")
    error_of(
        fresh.scim.patch(f"/Groups/{second['id']}", json=replace("displayName", "team")),
        409,
        "uniqueness",
    )
    assert (
        fresh.scim.patch(
            f"/Groups/{first['id']}", json=replace("displayName", "Team A")
        ).status_code
        == 200
    )
    assert (
        fresh.scim.patch(f"/Groups/{second['id']}", json=replace("displayName", "team")).status_code
        == 200
    )
    found = fresh.scim.get("/Groups", params={"filter": 'displayName eq "TEAM"'}).json()
    assert [item["id"] for item in found["Resources"]] == [second["id"]]
    fresh.api.patch("/settings", json={"uniqueGroupNames": False})
    assert fresh.scim.post("/Groups", json=group("team")).status_code == 201


def test_a_keys_life(tenant):
    made = tenant.api.post(
        "/keys",
        json={"name": "okta", "permissions": [SCIM], "rateLimit": 5000, "expiresInSeconds": 3600},
    )
    assert made.status_code == 201
    key = made.json()
    assert (key["status"], key["permissions"], key["rateLimit"]) == ("active", [SCIM], 5000)
    with tenant.client(key["token"], "/scim/v2") as client:
        assert client.get("/Users").status_code == 200
        assert made.headers["location"] == f"/api/v1/keys/{key['id']}"
        shown = tenant.api.get(f"/keys/{key['id']}").json()
        assert "token" not in shown
        assert shown in tenant.api.get("/keys?limit=1000").json()["items"]
        turned = tenant.api.post(f"/keys/{key['id']}/rotate", json={"overlapSeconds": 0}).json()
        assert client.get("/Users").status_code == 401
    with tenant.client(turned["token"], "/scim/v2") as client:
        assert client.get("/Users").status_code == 200
        assert tenant.api.delete(f"/keys/{turned['id']}").status_code == 204
        assert client.get("/Users").status_code == 401
    problem(tenant.api.post(f"/keys/{turned['id']}/rotate"), 409)
    actions = [
        row["action"]
        for row in tenant.api.get("/audit?limit=1000").json()["rows"]
        if row["resource"] == turned["id"]
    ]
    assert actions == ["create", "revoke"]


@pytest.mark.parametrize(
    "wrong",
    [{}, {"name": ""}, {"name": "k", "permissions": []}, {"name": "k", "permissions": ["All"]}, {"name": "k", "rateLimit": -1},
     {"name": "k", "expiresInSeconds": 0}, {"name": "k", "permissions": "Admin"}],
)  # fmt: skip
def test_a_key_that_cannot_be(tenant, wrong):
    problem(tenant.api.post("/keys", json=wrong), 400)


def test_a_key_is_an_administrators_only_if_asked_for(tenant):
    given = [{}, {"permissions": [ADMIN]}, {"role": ADMIN}, {"permissions": [READ]}]
    made = [tenant.api.post("/keys", json={"name": name("k"), **body}).json() for body in given]
    assert [key["permissions"] for key in made] == [[SCIM], [ADMIN], [ADMIN], [READ]]


def test_nobody_grants_permissions_beyond_their_own(tenant):
    stronger = tenant.api.post("/keys", json={"name": "strong", "permissions": [ADMIN]}).json()
    role = tenant.api.post("/roles", json={"name": name("role"), "permissions": [AUDIT]}).json()
    with tenant.client(tenant.key("--permission", SETTINGS, EDIT_ROLES), "/api/v1") as client:
        problem(client.post("/keys", json={"name": name("k")}), 403)
        problem(client.post("/keys", json={"name": name("k"), "permissions": [SCIM]}), 403)
        problem(client.post("/keys", json={"name": name("k"), "role": role["name"]}), 403)
        problem(client.post("/keys", json={"name": name("k"), "role": "Admin"}), 403)
        problem(client.post(f"/keys/{stronger['id']}/rotate"), 403)
        problem(client.delete(f"/keys/{stronger['id']}"), 403)
        problem(client.post("/roles", json={"name": "r", "permissions": [SCIM]}), 403)
        problem(client.put(f"/roles/{role['name']}", json={"permissions": [SETTINGS]}), 403)
        assert (
            client.post("/keys", json={"name": name("k"), "permissions": [SETTINGS]}).status_code
            == 201
        )


def test_roles_for_keys(fresh):
    assert fresh.api.get("/roles").json()["items"] == [
        {"name": "Admin", "permissions": list(PERMISSIONS)}
    ]
    made = fresh.api.post("/roles", json={"name": "Reader & co", "permissions": [AUDIT]})
    assert made.status_code == 201
    path = made.headers["location"].removeprefix("/api/v1")
    assert fresh.api.get(path).json() == {"name": "Reader & co", "permissions": [AUDIT]}
    problem(fresh.api.post("/roles", json={"name": "reader & CO", "permissions": [AUDIT]}), 409)
    problem(fresh.api.post("/roles", json={"name": "admin", "permissions": [AUDIT]}), 409)
    problem(fresh.api.put("/roles/Admin", json={"permissions": [AUDIT]}), 403)
    problem(fresh.api.delete("/roles/nothing"), 404)
    for wrong in (
        {"name": "x"},
        {"name": "x", "permissions": ["y"]},
        {"name": "a/b", "permissions": [AUDIT]},
        {"name": 7},
    ):
        problem(fresh.api.post("/roles", json=wrong), 400)
    key = fresh.api.post("/keys", json={"name": name("k"), "role": "Reader & co"}).json()
    with (
        fresh.client(key["token"], "/scim/v2") as scim,
        fresh.client(key["token"], "/api/v1") as api,
    ):
        error_of(scim.get("/Users"), 403)
        assert api.get("/audit").status_code == 200
        fresh.api.put(path, json={"permissions": [SCIM]})
        assert scim.get("/Users").status_code == 200
        problem(api.get("/audit"), 403)
    problem(fresh.api.delete(path), 409)
    fresh.api.delete(f"/keys/{key['id']}")
    assert fresh.api.delete(path).status_code == 204
    problem(fresh.api.get(path), 404)


def test_role_mappings_say_which_roles_a_user_has(fresh):
    mapping = {"idpValue": "admins", "role": {"role": "Instance Administrator", "tag": "eu"}}
    made = fresh.api.post("/scim/role-mappings", json=mapping)
    assert made.status_code == 201
    assert {key: value for key, value in made.json().items() if key != "id"} == mapping
    again = fresh.api.post("/scim/role-mappings", json=mapping)
    assert (again.status_code, again.json()) == (200, made.json())
    other = fresh.api.post(
        "/scim/role-mappings",
        json={"idpValue": "ops", "role": {"role": "Instance Administrator", "tag": "eu"}},
    )
    assert len(fresh.api.get("/scim/role-mappings").json()["items"]) == 2
    user = fresh.user(roles=["admins", "ops", "unmapped"])
    roles = fresh.api.get(f"/users/{user['id']}/roles").json()
    assert [(role["role"], role["tag"]) for role in roles["roles"]] == [
        ("Instance Administrator", "eu")
    ]
    assert [why["idpValue"] for why in roles["roles"][0]["because"]] == ["admins", "ops"]
    fresh.scim.patch(
        f"/Users/{user['id']}", json=patch({"op": "remove", "path": 'roles[value eq "admins"]'})
    )
    assert [
        why["mapping"]
        for why in fresh.api.get(f"/users/{user['id']}/roles").json()["roles"][0]["because"]
    ] == [other.json()["id"]]
    assert fresh.api.delete(f"/scim/role-mappings/{other.json()['id']}").status_code == 204
    assert fresh.api.get(f"/users/{user['id']}/roles").json()["roles"] == []
    problem(fresh.api.delete(f"/scim/role-mappings/{other.json()['id']}"), 404)
    problem(fresh.api.put(f"/scim/role-mappings/{made.json()['id']}", json=mapping), 405)
    problem(fresh.api.get("/users/nobody/roles"), 404)
    for wrong in (
        {},
        {"idpValue": "x"},
        {"idpValue": "x", "role": "y"},
        {"idpValue": 7, "role": {"role": "y"}},
        [],
    ):
        problem(fresh.api.post("/scim/role-mappings", json=wrong), 400)


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


def test_me_is_the_user_whom_the_key_speaks_for(fresh):
    user = fresh.user()
    problem(fresh.api.post("/keys", json={"name": "me", "user": "nobody"}), 404)
    token = fresh.api.post(
        "/keys", json={"name": "me", "permissions": [SCIM], "user": user["id"]}
    ).json()["token"]
    with fresh.client(token, "/scim/v2") as me:
        shown = me.get("/Me")
        assert shown.json() == user
        assert shown.headers["etag"] == user["meta"]["version"]
        assert me.patch("/Me", json=replace("nickName", "Babs")).json()["nickName"] == "Babs"
        assert me.put("/Me", json=person(user["userName"])).status_code == 200
        assert list(me.get("/Me?attributes=userName").json()) == ["schemas", "id", "userName"]
        error_of(me.post("/Me", json=person()), 405)
        assert me.delete("/Me").status_code == 204
        error_of(me.get("/Me"), 404)
    error_of(fresh.scim.get("/Me"), 501)


def test_passwords_are_replaced_and_verified(tenant):
    user = tenant.user(password="first secret")

    def valid(password, user_name=user["userName"]):
        answer = tenant.api.post(
            "/passwords/verify", json={"userName": user_name, "password": password}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    tenant.scim.post("/Groups", json=group(None, user))
    assert valid("first secret") == {"valid": True, "user": user["id"]}
    assert valid("first secret", user["userName"].upper())["valid"]
    assert valid("other") == valid("first secret", 'no "one"\\') == {"valid": False, "user": None}
    path = f"/Users/{user['id']}"
    changed = tenant.scim.patch(path, json=replace("password", "second secret"))
    assert changed.status_code == 200
    assert "password" not in changed.json()
    assert not valid("first secret")["valid"]
    assert valid("second secret")["valid"]
    tenant.scim.put(path, json=person(user["userName"], password="third secret"))
    assert valid("third secret")["valid"]
    tenant.scim.put(path, json=person(user["userName"], active=False))
    assert not valid("third secret")["valid"]
    for wrong in (
        {},
        {"userName": "x"},
        {"userName": "x", "password": 7},
        {"userName": "x", "password": "y" * 1001},
    ):
        problem(tenant.api.post("/passwords/verify", json=wrong), 400)


def test_passwords_are_not_tried_without_end(tenant):
    user = tenant.user(password="the secret")
    tries = [
        tenant.api.post("/passwords/verify", json={"userName": user["userName"], "password": "x"})
        for _ in range(12)
    ]
    assert [answer.status_code for answer in tries] == [200] * 10 + [429] * 2
    assert int(tries[-1].headers["retry-after"]) > 0
    assert b"the secret" not in tenant.server.stored()


def told(tenant, **parameters):
    answer = tenant.api.get("/changes", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_feed_lists_changes_in_order(fresh):
    start = told(fresh, cursor="end")["cursor"]
    user = fresh.user(title="a")
    path = f"/Users/{user['id']}"
    fresh.scim.patch(
        path, json=patch({"op": "replace", "value": {"title": "b", "name": {"givenName": "B"}}})
    )
    fresh.scim.patch(path, json=replace("active", False))
    fresh.scim.patch(path, json=replace("title", "b"))  # changes nothing
    fresh.scim.patch(path, json=replace("active", True))
    made = fresh.scim.post("/Groups", json=group(None, user)).json()
    fresh.scim.patch(f"/Groups/{made['id']}", json=replace("displayName", name("group")))
    fresh.scim.delete(path)
    fresh.scim.delete(f"/Groups/{made['id']}")
    page = told(fresh, cursor=start)
    assert [event["type"] for event in page["events"]] == [
        "user.created", "user.updated", "user.updated", "user.deactivated", "user.updated", "user.reactivated", "group.created",
        "group.member_added", "group.updated", "user.deleted", "group.member_removed", "group.deleted",
    ]  # fmt: skip
    events = page["events"]
    assert events[1]["attributes"] == ["name", "title"]
    assert events[2]["attributes"] == ["active"]
    assert events[7]["members"] == events[10]["members"] == [user["id"]]
    assert events[0]["resource"]["userName"] == user["userName"]
    assert events[9]["resource"]["id"] == user["id"]
    assert len({event["id"] for event in events}) == len(events)
    assert page["more"] is False
    assert told(fresh, cursor=page["cursor"])["events"] == []


def test_the_feed_skips_and_doubles_nothing_from_page_to_page(fresh):
    users = [fresh.user()["id"] for _ in range(7)]
    seen, cursor, more = [], "", True
    while more:
        page = told(fresh, cursor=cursor, limit=2)
        seen += [event["resourceId"] for event in page["events"]]
        cursor, more = page["cursor"], page["more"]
    assert seen == users


def test_the_feed_waits_for_new_changes(fresh):
    from concurrent.futures import ThreadPoolExecutor

    cursor = told(fresh, cursor="end")["cursor"]
    assert told(fresh, cursor=cursor, wait=1)["events"] == []
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(told, fresh, cursor=cursor, wait=30)
        user = fresh.user()
        assert [event["resourceId"] for event in waiting.result(40)["events"]] == [user["id"]]


def test_history_and_undo(fresh):
    user = fresh.user(title="a")
    fresh.scim.patch(f"/Users/{user['id']}", json=replace("title", "b"))
    fresh.scim.delete(f"/Users/{user['id']}")
    path = f"/history/{user['id']}"
    rows = fresh.api.get(path).json()["items"]
    assert [(row["action"], row["resource"]["title"]) for row in rows] == [
        ("delete", "b"),
        ("update", "b"),
        ("create", "a"),
    ]
    assert rows[1]["attributes"] == ["title"]
    back = fresh.api.post(f"{path}/restore", json={"change": rows[2]["change"]}).json()
    assert (back["id"], back["title"]) == (user["id"], "a")
    assert fresh.scim.get(f"/Users/{user['id']}").json()["title"] == "a"
    problem(fresh.api.post(f"{path}/restore", json={"change": "x"}), 400)
    problem(fresh.api.post(f"{path}/restore", json={}), 400)
    problem(fresh.api.post("/history/nobody/restore", json={"change": rows[2]["change"]}), 404)


def test_requests_and_the_doctor(fresh):
    user = fresh.user(password="quite a secret")
    fresh.scim.patch(
        f"/Users/{user['id']}", json=patch({"op": "Replace", "path": "active", "value": "True"})
    )
    found = fresh.recorded(2)
    assert [(item["method"], item["status"]) for item in found] == [("PATCH", 200), ("POST", 201)]
    assert found[0]["quirks"] == ["operation-case", "boolean-as-string"]
    whole = fresh.api.get(f"/requests/{found[1]['number']}").json()
    assert user["userName"] in whole["body"]
    assert "quite a secret" not in whole["body"]
    assert [item["number"] for item in fresh.api.get("/requests?status=201").json()["items"]] == [
        found[1]["number"]
    ]
    assert {item["dialect"] for item in fresh.api.get("/doctor").json()["dialects"]} == set(
        found[0]["quirks"]
    )
    problem(fresh.api.get("/requests/x"), 404)


def test_requests_are_found_by_person_time_and_id(fresh):
    ann, ben = fresh.user(), fresh.user()
    fresh.scim.post("/Users", json=person(ann["userName"]))
    with fresh.client(fresh.key() + "x", "/scim/v2") as stranger:
        assert stranger.get("/Users").status_code == 401
    fresh.recorded(4)

    def found(**parameters):
        items = fresh.api.get("/requests", params=parameters).json()["items"]
        return [(item["method"], item["status"]) for item in items]

    assert found(person=ann["userName"]) == [("POST", 409), ("POST", 201)]
    assert found(person=ben["userName"].upper(), failed="true") == []
    assert found(failed="true") == [("GET", 401), ("POST", 409)]
    times = [item["time"] for item in fresh.recorded(4)][::-1]
    assert found(until=times[0]) == []
    assert len(found(since=times[0])) == 4
    assert found(since="2100-01-01T00:00:00Z") == []
    latest = fresh.recorded(4)[0]
    assert found(request=latest["request_id"]) == [("GET", 401)]
    first = fresh.api.get("/requests", params={"limit": 1, "until": "2100-01-01"}).json()
    second = fresh.api.get(
        "/requests", params={"limit": 1, "until": "2100-01-01", "cursor": first["nextCursor"]}
    ).json()
    assert second["items"][0]["number"] == fresh.recorded(4)[1]["number"]
    for name_ in ("since", "until"):
        refused = fresh.api.get("/requests", params={name_: "noon"})
        assert refused.json()["errors"][0]["pointer"] == f"/{name_}"
        problem(refused, 400)


def test_nothing_is_known_of_an_unknown_id(fresh):
    user = fresh.user()
    change = fresh.api.get(f"/history/{user['id']}").json()["items"][0]["change"]
    for place in ("nobody", "0193591c-1f00-7b5d-a1b2-3c4d5e6f7081"):
        assert place in problem(fresh.api.get(f"/history/{place}"), 404)
        problem(fresh.api.get(f"/history/{place}", params={"before": change}), 404)
    earlier = fresh.api.get(f"/history/{user['id']}", params={"before": change})
    assert (earlier.status_code, earlier.json()["items"]) == (200, [])


@pytest.mark.parametrize(
    "query", ["cursor=x", "cursor=" + "a" * 200, "limit=x", "wait=x", "page=1", "cursor=%C3%A9"]
)
def test_a_wrong_question_of_the_feed(tenant, query):
    problem(tenant.api.get(f"/changes?{query}"), 400)


def test_custom_secrets_stay_out_of_the_audit_log(fresh):
    user = fresh.user(password="very secret words")
    key = fresh.api.post("/keys", json={"name": name("k")}).json()
    text = fresh.api.get("/audit?limit=1000").text
    assert user["id"] in text
    assert "very secret words" not in text
    assert key["token"] not in text
    assert GROUP not in text


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


def test_history_shows_resources_and_not_the_rest_of_the_audit_log(fresh):
    """The audit log has a permission of its own, beside that of the history."""
    user = fresh.user()
    role = fresh.api.post("/roles", json={"name": user["id"], "permissions": [SCIM]}).json()
    fresh.api.patch("/settings", json={"strict": True, "automaticDeprovisioning": False})
    fresh.scim.delete(f"/Users/{user['id']}")
    rows = fresh.api.get("/audit?limit=1000").json()["rows"]
    notes = {row["resource"] for row in rows if row["version"] == 0}
    assert {row["type"] for row in rows if row["version"] == 0} >= {"Role", "Settings", "User"}
    with fresh.client(fresh.key("--permission", SCIM), "/api/v1") as provider:
        key = fresh.api.get("/keys").json()["items"][-1]["id"]
        for place in (fresh.name, key, *notes):
            answer = provider.get(f"/history/{place}")
            shown = answer.json()["items"] if answer.status_code == 200 else []
            assert {row["resourceType"] for row in shown} <= {"User"}, place
        actions = [
            row["action"] for row in provider.get(f"/history/{role['name']}").json()["items"]
        ]
        assert actions == ["refuse", "create"]


@pytest.mark.outside
def test_a_workspace_cannot_lift_its_rate_limit_past_the_installations_ceiling(tmp_path, database):
    options = {"MUSTER_RATE_LIMIT": "300", "MUSTER_RATE_LIMIT_CEILING": "600", **database}
    with Server(tmp_path, **options) as server, Tenant(server) as tenant:
        for limit in (0, 601, 10_000_000):
            assert "1 to 600" in problem(
                tenant.api.patch("/settings", json={"rateLimit": limit}), 400
            )
            assert "1 to 600" in problem(
                tenant.api.post("/keys", json={"name": name("k"), "rateLimit": limit}), 400
            )
        assert tenant.api.get("/settings").json()["rateLimit"] is None
        for limit in (1, 600, None):
            assert (
                tenant.api.post("/keys", json={"name": name("k"), "rateLimit": limit}).status_code
                == 201
            )
            assert (
                tenant.api.patch("/settings", json={"rateLimit": limit or 600}).status_code == 200
            )


def test_names_of_active_keys_are_unique(fresh):
    def make(title, **more):
        return fresh.api.post("/keys", json={"name": title, **more})

    first = make("okta").json()
    answer = make("OKTA")
    assert first["id"] in problem(answer, 409)
    assert answer.json()["errors"][0]["pointer"] == "/name"
    turned = fresh.api.post(f"/keys/{first['id']}/rotate", json={"overlapSeconds": 60})
    assert (turned.status_code, turned.json()["name"]) == (201, "okta")
    for key in (first, turned.json()):
        problem(make("okta"), 409)
        fresh.api.delete(f"/keys/{key['id']}")
    second = make("okta").json()
    other = make("entra").json()
    assert second["id"] in problem(
        fresh.api.patch(f"/keys/{other['id']}", json={"name": "Okta"}), 409
    )
    assert fresh.api.patch(f"/keys/{second['id']}", json={"name": "Okta"}).json()["name"] == "Okta"


def test_of_two_concurrent_keys_with_one_name_one_is_made(fresh):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: fresh.api.post("/keys", json={"name": "same"}), range(8)))
    assert sorted(answer.status_code for answer in made) == [201, *[409] * 7]


def test_a_key_is_changed(fresh):
    key = fresh.api.post("/keys", json={"name": "okta"}).json()
    path, end = f"/keys/{key['id']}", "2031-01-31T09:00:00.000Z"
    changes = {"name": "entra", "rateLimit": 7, "expires": "2031-01-31T10:00:00+01:00"}
    changed = fresh.api.patch(path, json=changes).json()
    assert changed == {
        **{member: value for member, value in key.items() if member != "token"},
        "name": "entra",
        "rateLimit": 7,
        "expires": end,
    }
    rows = [
        row
        for row in fresh.api.get("/audit?limit=1000").json()["items"]
        if row["resource"] == key["id"]
    ]
    assert rows[-1]["action"] == "update"
    told = {"name": "entra", "formerName": "okta", "rateLimit": 7, "expires": end}
    assert rows[-1]["document"] == told
    with fresh.client(key["token"], "/scim/v2") as client:
        until(lambda: client.get("/Users?count=0").status_code == 429)
    assert (
        fresh.api.patch(path, json={"rateLimit": None, "expires": None}).json()["expires"] is None
    )
    assert fresh.api.patch(path, json={}).json()["name"] == "entra"
    assert fresh.api.get(path).json()["rateLimit"] is None


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": ""}, "/name"), ({"name": None}, "/name"), ({"rateLimit": -1}, "/rateLimit"),
        ({"expires": "tomorrow"}, "/expires"), ({"expires": "2020-01-01T00:00:00Z"}, "/expires"),
        ({"expires": "2099-01-01"}, "/expires"), ({"permissions": [ADMIN]}, "/permissions"),
    ],
)  # fmt: skip
def test_a_change_that_a_key_refuses(tenant, change, pointer):
    key = tenant.api.post("/keys", json={"name": name("k")}).json()
    answer = tenant.api.patch(f"/keys/{key['id']}", json=change)
    problem(answer, 400)
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_keys_that_cannot_be_changed(tenant):
    strong = tenant.api.post("/keys", json={"name": name("k"), "permissions": [ADMIN]}).json()
    with tenant.client(tenant.key("--permission", SETTINGS), "/api/v1") as client:
        problem(client.patch(f"/keys/{strong['id']}", json={"name": name("k")}), 403)
    tenant.api.delete(f"/keys/{strong['id']}")
    problem(tenant.api.patch(f"/keys/{strong['id']}", json={"name": name("k")}), 409)


def test_an_expired_key_returns_only_with_a_name_that_is_free(fresh):
    key = fresh.api.post("/keys", json={"name": "okta", "expiresInSeconds": 1}).json()
    path = f"/keys/{key['id']}"
    until(lambda: fresh.api.get(path).json()["status"] == "expired")
    other = fresh.api.post("/keys", json={"name": "okta"}).json()
    problem(fresh.api.patch(path, json={"expires": None}), 409)
    fresh.api.delete(f"/keys/{other['id']}")
    assert fresh.api.patch(path, json={"expires": None}).json()["status"] == "active"
    with fresh.client(key["token"], "/scim/v2") as client:
        assert client.get("/Users").status_code == 200
