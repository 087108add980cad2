"""/api/v1/roles, role mappings and the roles of a user."""

from muster.access.permissions import AUDIT, PERMISSIONS, SCIM
from tests.support.people import error_of, name, patch
from tests.support.tenant import problem


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


def test_a_role_is_renamed_and_its_key_goes_on(fresh):
    fresh.api.post("/roles", json={"name": "Reader", "permissions": [AUDIT]})
    fresh.api.post("/roles", json={"name": "Other", "permissions": [AUDIT]})
    fresh.api.post("/scim/role-mappings", json={"idpValue": "v", "role": {"role": "Reader"}})
    key = fresh.api.post("/keys", json={"name": name("k"), "role": "Reader"}).json()
    renamed = fresh.api.patch("/roles/Reader", json={"name": "Read & audit"})
    assert renamed.json() == {"name": "Read & audit", "permissions": [AUDIT]}
    problem(fresh.api.get("/roles/Reader"), 404)
    assert fresh.api.get(f"/keys/{key['id']}").json()["role"] == "Read & audit"
    with fresh.client(key["token"], "/api/v1") as api:
        assert api.get("/audit").status_code == 200
        changed = fresh.api.patch("/roles/Read%20%26%20audit", json={"permissions": [SCIM]})
        assert changed.json() == {"name": "Read & audit", "permissions": [SCIM]}
        problem(api.get("/audit"), 403)
    user = fresh.user(roles=["v"])
    granted = fresh.api.get(f"/users/{user['id']}/roles").json()["roles"]
    assert [role["role"] for role in granted] == ["Read & audit"]
    for wrong, status in (({"name": "other"}, 409), ({"name": "a/b"}, 400), ({"name": ""}, 400)):
        problem(fresh.api.patch("/roles/Read%20%26%20audit", json=wrong), status)
    problem(fresh.api.patch("/roles/Read%20%26%20audit", json={"permissions": []}), 400)
    problem(fresh.api.patch("/roles/Admin", json={"name": "Root"}), 403)


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
