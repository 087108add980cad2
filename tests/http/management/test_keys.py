"""/api/v1/keys."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from muster.access.permissions import ADMIN, AUDIT, EDIT_ROLES, READ, SCIM, SETTINGS
from tests.support.people import name
from tests.support.tenant import problem
from tests.support.waiting import until


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
