"""/api/v1/connections: identity providers with settings, pauses and resources of their own."""

import itertools

import pytest

from muster.access.permissions import SCIM
from tests.support.people import error_of, group, name, patch, person
from tests.support.tenant import PROBLEM


def connect(fresh, **given):
    made = fresh.api.post("/connections", json={"name": name("connection"), **given})
    assert made.status_code == 201, made.text
    return made.json()


def scim_of(fresh, connection, permissions=(SCIM,)):
    body = {"name": name("key"), "permissions": list(permissions), "connection": connection["id"]}
    made = fresh.api.post("/keys", json=body)
    assert made.status_code == 201, made.text
    assert made.json()["connection"] == connection["id"]
    return fresh.client(made.json()["token"], "/scim/v2")


def refused(response, status, pointer=None):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    problem = response.json()
    if pointer is not None:
        assert [error["pointer"] for error in problem["errors"]] == [pointer]
    return problem["detail"]


def test_every_workspace_has_the_connection_default(fresh):
    [default] = fresh.api.get("/connections").json()["items"]
    assert (default["id"], default["name"], default["state"]) == ("default", "default", "active")
    [key] = fresh.api.get("/keys").json()["items"]
    assert key["connection"] == "default"
    assert fresh.api.get("/connections/default").json() == default
    renamed = fresh.api.patch("/connections/default", json={"name": "Okta", "provider": "okta"})
    assert (renamed.json()["id"], renamed.json()["name"]) == ("default", "Okta")
    assert fresh.api.get("/connections").json()["items"] == [renamed.json()]


def test_a_connection_is_created_changed_and_deleted(fresh):
    made = connect(fresh, name="Entra", provider="entra", rateLimit=60, guardMode="hold")
    path = f"/connections/{made['id']}"
    assert (made["rateLimit"], made["guardMode"], made["strict"]) == (60, "hold", None)
    changed = fresh.api.patch(path, json={"rateLimit": None, "strict": True}).json()
    assert (changed["rateLimit"], changed["guardMode"], changed["strict"]) == (None, "hold", True)
    assert fresh.api.get(path).json() == changed
    assert fresh.api.delete(path).status_code == 204
    refused(fresh.api.get(path), 404)
    actions = [
        row["action"]
        for row in fresh.api.get("/audit", params={"type": "Connection"}).json()["items"]
    ]
    assert actions == ["create", "update", "delete"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": " "}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"name": "x" * 101}, "/name"),
        ({"name": "x", "provider": "octa"}, "/provider"),
        ({"name": "x", "ownership": "mine"}, "/ownership"),
        ({"name": "x", "contract": "rfc"}, "/contract"),
        ({"name": "x", "strict": "yes"}, "/strict"),
        ({"name": "x", "rateLimit": -1}, "/rateLimit"),
        ({"name": "x", "ipAllowlist": ["10.0.0.0/33"]}, "/ipAllowlist/0"),
        ({"name": "x", "guardShare": 101}, "/guardShare"),
        ({"name": "x", "recordReads": "soon"}, "/recordReads"),
        ({"name": "x", "state": "paused"}, "/state"),
    ],
)
def test_wrong_members_are_named(fresh, body, pointer):
    before = fresh.api.get("/connections").json()
    refused(fresh.api.post("/connections", json=body), 400, pointer)
    assert fresh.api.get("/connections").json() == before


def test_names_are_unique_whatever_their_case(fresh):
    made, other = connect(fresh, name="Okta"), connect(fresh, name="Entra")
    assert "Choose another" in refused(fresh.api.post("/connections", json={"name": "okta"}), 409)
    refused(fresh.api.post("/connections", json={"name": "Default"}), 409)
    refused(fresh.api.patch(f"/connections/{other['id']}", json={"name": "OKTA"}), 409)
    same = fresh.api.patch(f"/connections/{made['id']}", json={"name": "OKTA"})
    assert (same.status_code, same.json()["name"]) == (200, "OKTA")


def test_a_setting_of_the_connection_counts_before_that_of_the_workspace(fresh):
    strict = scim_of(fresh, connect(fresh, strict=True, contract="cortex"))
    assert strict.post("/Users", json=person()).status_code == 200  # as the cortex contract has it
    lenient = person(active="False")
    error_of(strict.post("/Users", json=lenient), 400, "invalidValue")
    assert fresh.scim.post("/Users", json=lenient).status_code == 201
    closed = scim_of(fresh, connect(fresh, automaticProvisioning=False))
    assert closed.post("/Users", json=person()).status_code == 403
    elsewhere = scim_of(fresh, connect(fresh, ipAllowlist=["192.0.2.0/24"]))
    assert elsewhere.get("/Users").status_code == 403
    assert fresh.scim.get("/Users").status_code == 200


def test_a_setting_of_the_workspace_counts_where_the_connection_has_none(fresh):
    scim = scim_of(fresh, connect(fresh))
    assert fresh.api.patch("/settings", json={"strict": True}).status_code == 200
    error_of(scim.post("/Users", json=person(active="False")), 400, "invalidValue")


def test_a_paused_connection_answers_503_and_changes_nothing(fresh):
    made = connect(fresh, name="Okta")
    scim = scim_of(fresh, made)
    path = f"/connections/{made['id']}"
    paused = fresh.api.post(f"{path}/pause", json={"reason": "Migration to Entra ID"}).json()
    assert (paused["state"], paused["pausedBy"]) == ("paused", "administrator")
    user = fresh.user()
    for response in (
        scim.get("/Users"),
        scim.post("/Users", json=person()),
        scim.delete(f"/Users/{user['id']}"),
        scim.get("/Users/unknown"),
        scim.get("/ServiceProviderConfig"),
    ):
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
        assert "Migration to Entra ID" in response.json()["detail"]
    assert fresh.scim.get("/Users").json()["totalResults"] == 1
    assert fresh.api.post(f"{path}/resume").json()["state"] == "active"
    assert scim.post("/Users", json=person()).status_code == 201


def test_only_the_owner_changes_resources_of_an_exclusive_connection(fresh):
    okta = connect(fresh, name="Okta", ownership="exclusive")
    mine, other = scim_of(fresh, okta), scim_of(fresh, connect(fresh, name="Entra"))
    user = mine.post("/Users", json=person()).json()
    crew = mine.post("/Groups", json=group(name("crew"), user)).json()
    theirs = other.post("/Users", json=person()).json()
    title = patch({"op": "replace", "path": "title", "value": "x"})
    for client, made in itertools.product((other, fresh.scim), (user, crew)):
        path = "/Users/" if "userName" in made else "/Groups/"
        change = title if "userName" in made else patch({"op": "remove", "path": "members"})
        for response in (
            client.patch(path + made["id"], json=change),
            client.put(path + made["id"], json={**made, "externalId": "y"}),
            client.delete(path + made["id"]),
        ):
            assert response.status_code == 403
            assert "'Okta' owns this resource exclusively" in response.json()["detail"]
        assert mine.get(path + made["id"]).json()["meta"]["version"].startswith('W/"1')
    assert mine.patch(f"/Users/{user['id']}", json=title).status_code == 200
    assert mine.patch(f"/Users/{theirs['id']}", json=title).status_code == 200
    owner = fresh.api.get(f"/resources/{user['id']}/connection").json()["connection"]
    assert owner["id"] == okta["id"]
    assert "connection" not in str(mine.get(f"/Users/{user['id']}").json())
    fresh.api.patch(f"/connections/{okta['id']}", json={"ownership": "shared"})
    assert other.patch(f"/Users/{user['id']}", json=title).status_code == 200


def test_operations_of_a_bulk_request_meet_the_owner_too(fresh):
    okta = connect(fresh, ownership="exclusive")
    user = scim_of(fresh, okta).post("/Users", json=person()).json()
    other = scim_of(fresh, connect(fresh))
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": person()},
        {"method": "DELETE", "path": f"/Users/{user['id']}"},
    ]
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": operations,
    }
    answer = other.post("/Bulk", json=body).json()["Operations"]
    assert [operation["status"] for operation in answer] == ["201", "403"]


def test_the_deletion_of_an_owner_is_confirmed_and_revokes_its_keys(fresh):
    okta = connect(fresh, name="Okta", ownership="exclusive")
    scim = scim_of(fresh, okta)
    user = scim.post("/Users", json=person()).json()
    path = f"/connections/{okta['id']}"
    assert "owns 1 resources" in refused(fresh.api.delete(path), 409)
    refused(fresh.api.delete(path, params={"confirm": "okta"}), 409)
    assert scim.get("/Users").status_code == 200
    assert fresh.api.delete(path, params={"confirm": "Okta"}).status_code == 204
    assert scim.get("/Users").status_code == 401
    title = patch({"op": "replace", "path": "title", "value": "x"})
    assert fresh.scim.patch(f"/Users/{user['id']}", json=title).status_code == 200
    assert fresh.api.get(f"/resources/{user['id']}/connection").json() == {"connection": None}
    refused(fresh.api.delete("/connections/default"), 409)


def test_a_key_names_a_connection_that_exists(fresh):
    detail = refused(
        fresh.api.post("/keys", json={"name": "x", "connection": "nobody"}), 400, "/connection"
    )
    assert "'default'" in detail


def test_connections_of_one_workspace_are_unknown_to_another(fresh, server):
    from tests.support.tenant import Tenant

    made = connect(fresh)
    with Tenant(server) as other:
        refused(other.api.get(f"/connections/{made['id']}"), 404)
        refused(other.api.patch(f"/connections/{made['id']}", json={"strict": True}), 404)
        refused(other.api.delete(f"/connections/{made['id']}"), 404)
        body = {"name": "x", "connection": made["id"]}
        refused(other.api.post("/keys", json=body), 400, "/connection")
