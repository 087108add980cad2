"""/api/v1/connections: identity providers with settings, pauses and resources of their own."""

import itertools

import pytest

from muster.access.permissions import AUDIT, SCIM, SETTINGS
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
    # Entra ID stops its whole sync after 401, so the pause comes before a credential that is of a
    # kind that the workspace accepts no more.
    fresh.api.patch("/settings", json={"scimCredentials": "oauth"})
    assert scim.get("/Users").status_code == 503
    fresh.api.patch("/settings", json={"scimCredentials": "any"})
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


def test_a_connection_is_deleted_only_by_who_may_revoke_its_keys(fresh):
    limited = fresh.client(fresh.key("--permission", SETTINGS, "--permission", SCIM), "/api/v1")
    okta = connect(fresh, name="Okta")
    key = {"name": name("key"), "permissions": [AUDIT], "connection": okta["id"]}
    made = fresh.api.post("/keys", json=key).json()
    path = f"/connections/{okta['id']}"
    assert AUDIT in refused(limited.delete(path), 403)
    assert fresh.api.get(f"/keys/{made['id']}").json()["status"] == "active"
    fresh.api.delete(f"/keys/{made['id']}")
    assert limited.delete(path).status_code == 204
    entra = connect(fresh, name="Entra")
    settings = fresh.client(fresh.key("--permission", SETTINGS), "/api/v1")
    assert SCIM in refused(settings.delete(f"/connections/{entra['id']}"), 403)


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


def test_the_guard_pauses_a_connection_until_an_administrator_resumes_it(fresh):
    okta = connect(fresh, name="Okta", guardMode="pause", guardShare=0, guardLeast=1)
    scim, other = scim_of(fresh, okta), scim_of(fresh, connect(fresh))
    users = [fresh.user() for _ in range(4)]
    path = f"/connections/{okta['id']}"
    assert scim.delete(f"/Users/{users[0]['id']}").status_code == 204
    beyond = scim.delete(f"/Users/{users[1]['id']}")
    detail = error_of(beyond, 429)
    assert int(beyond.headers["retry-after"]) > 0
    assert "the deprovisioning guard paused the connection: 1 users lost access" in detail
    shown = fresh.api.get(path).json()
    assert (shown["state"], shown["pausedBy"]) == ("paused", "guard")
    assert "the limit is 1" in shown["pauseReason"]
    for response in (scim.get("/Users"), scim.post("/Users", json=person())):
        assert "paused by the deprovisioning guard" in error_of(response, 429)
        assert int(response.headers["retry-after"]) > 0
    assert other.get("/Users").status_code == 200
    assert fresh.api.get("/guard").json()["held"] == []
    [pause] = fresh.api.get("/audit", params={"type": "Connection", "action": "pause"}).json()[
        "items"
    ]
    assert pause["actor"].startswith("key:")
    # The administrator has decided: the guard counts anew, and pauses at the next limit.
    assert fresh.api.post(f"{path}/resume").json()["state"] == "active"
    assert scim.delete(f"/Users/{users[1]['id']}").status_code == 204
    assert scim.delete(f"/Users/{users[2]['id']}").status_code == 429
    assert fresh.api.get(path).json()["state"] == "paused"


def test_the_guard_of_the_workspace_pauses_the_connection_of_a_bulk_request(fresh):
    fresh.api.patch("/settings", json={"guardMode": "pause", "guardShare": 0, "guardLeast": 0})
    users = [fresh.user() for _ in range(2)]
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [{"method": "DELETE", "path": f"/Users/{user['id']}"} for user in users],
    }
    operations = fresh.scim.post("/Bulk", json=body).json()["Operations"]
    assert [operation["status"] for operation in operations] == ["429", "429"]
    assert fresh.scim.get("/Users").status_code == 429
    assert fresh.api.get("/connections/default").json()["pausedBy"] == "guard"


def test_each_setting_of_a_connection_applies_to_its_requests(fresh):
    okta = connect(
        fresh, automaticDeprovisioning=False, rateLimit=1_000_000, recordReads="2100-01-01"
    )
    scim = scim_of(fresh, okta)
    user = scim.post("/Users", json=person()).json()
    assert "automatic deprovisioning is off" in error_of(scim.delete(f"/Users/{user['id']}"), 403)
    assert scim.get(f"/Users/{user['id']}").status_code == 200
    assert fresh.scim.get(f"/Users/{user['id']}").status_code == 200
    # POST, DELETE and the recorded read; not that of another connection.
    assert len(fresh.recorded(3)) == 3
    fresh.api.patch(f"/connections/{okta['id']}", json={"automaticDeprovisioning": None})
    assert scim.delete(f"/Users/{user['id']}").status_code == 204


def test_the_rate_limit_of_a_connection_holds_for_its_keys(fresh):
    scim = scim_of(fresh, connect(fresh, rateLimit=1))
    answers = [scim.get("/Users") for _ in range(3)]
    assert 429 in [answer.status_code for answer in answers]
    assert fresh.scim.get("/Users").status_code == 200


def test_a_wipe_by_a_key_stops_at_the_resources_of_another_owner(fresh):
    okta = connect(fresh, name="Okta", ownership="exclusive")
    scim_of(fresh, okta).post("/Users", json=person())
    body = {"workspace": fresh.name}
    detail = refused(fresh.api.post("/wipe", json=body), 403)
    assert "'Okta' owns 1 resources exclusively" in detail
    assert fresh.scim.get("/Users").json()["totalResults"] == 1
    fresh.api.patch(f"/connections/{okta['id']}", json={"ownership": "shared"})
    assert fresh.api.post("/wipe", json=body).json() == {"deleted": 1}


def test_a_held_change_of_an_exclusive_user_is_approved_by_any_key(fresh):
    okta = connect(fresh, ownership="exclusive", guardMode="hold", guardShare=0, guardLeast=0)
    scim = scim_of(fresh, okta)
    user = scim.post("/Users", json=person()).json()
    assert scim.delete(f"/Users/{user['id']}").status_code == 403
    assert fresh.api.post(f"/guard/{user['id']}/let").status_code == 204
    assert scim.get(f"/Users/{user['id']}").status_code == 404


def test_a_held_change_is_not_approved_if_another_connection_owns_the_user_since(fresh):
    okta = connect(fresh, name="Okta")
    entra = scim_of(fresh, connect(fresh, guardMode="hold", guardShare=0, guardLeast=0))
    user = scim_of(fresh, okta).post("/Users", json=person()).json()
    assert entra.delete(f"/Users/{user['id']}").status_code == 403
    fresh.api.patch(f"/connections/{okta['id']}", json={"ownership": "exclusive"})
    answer = fresh.api.post(f"/guard/{user['id']}/let")
    assert "'Okta' owns this resource exclusively" in refused(answer, 403)


def test_a_restored_user_belongs_to_its_former_owner(fresh):
    okta = connect(fresh, name="Okta")
    mine = scim_of(fresh, okta)
    user = mine.post("/Users", json=person()).json()
    path = f"/resources/{user['id']}/connection"
    assert mine.delete(f"/Users/{user['id']}").status_code == 204
    refused(fresh.api.get(path), 404)
    [_, created] = fresh.api.get(f"/history/{user['id']}").json()["items"]
    body = {"change": created["change"]}
    restore = f"/history/{user['id']}/restore"
    fresh.api.patch(f"/connections/{okta['id']}", json={"ownership": "exclusive"})
    detail = refused(fresh.api.post(restore, json=body), 403)
    assert "'Okta' owns this resource exclusively" in detail
    assert fresh.api.post(restore, json={**body, "override": True}).status_code == 200
    assert fresh.api.get(path).json()["connection"]["id"] == okta["id"]
    [told] = fresh.api.get("/audit", params={"action": "override"}).json()["items"]
    assert told["actor"].startswith("key:")


def test_the_owner_of_an_unknown_resource_is_not_found(fresh):
    unknown = "0193591c-1f00-7b5d-a1b2-3c4d5e6f7081"
    for given in (unknown, "x"):
        assert given in refused(fresh.api.get(f"/resources/{given}/connection"), 404)


@pytest.mark.parametrize("reason", ["a\nb", "\x1b[0m", "\x7f", "a\n"])
def test_the_reason_for_a_pause_is_a_line(fresh, reason):
    okta = connect(fresh)
    answer = fresh.api.post(f"/connections/{okta['id']}/pause", json={"reason": reason})
    assert "without control characters" in refused(answer, 400, "/reason")
    assert fresh.api.get(f"/connections/{okta['id']}").json()["state"] == "active"


def test_a_user_of_one_connection_may_be_a_member_of_a_group_of_another(fresh):
    okta = connect(fresh, name="Okta", ownership="exclusive")
    mine, other = scim_of(fresh, okta), scim_of(fresh, connect(fresh, ownership="exclusive"))
    user = mine.post("/Users", json=person()).json()
    made = other.post("/Groups", json=group(name("crew"), user)).json()
    assert [member["value"] for member in made["members"]] == [user["id"]]
    # The membership belongs to the group: the owner of the user does not change it.
    remove = patch({"op": "remove", "path": "members"})
    assert mine.patch(f"/Groups/{made['id']}", json=remove).status_code == 403
    # A user whom the owner deletes leaves all groups.
    assert mine.delete(f"/Users/{user['id']}").status_code == 204
    assert not other.get(f"/Groups/{made['id']}").json().get("members")


def test_requests_changes_and_findings_name_their_connection(fresh):
    okta = connect(fresh, name="Okta")
    scim = scim_of(fresh, okta)
    theirs = scim.post("/Users", json=person(active="True")).json()  # a deviation
    scim.get("/Users/unknown")
    mine = fresh.user()
    fresh.scim.get("/Users/unknown")
    fresh.recorded(4)
    for wanted, resource in (("okta", theirs), (okta["id"], theirs), ("default", mine)):
        asked = {"connection": wanted}
        connection = "default" if wanted == "default" else okta["id"]
        requests = fresh.api.get("/requests", params=asked).json()["items"]
        assert {item["connection"] for item in requests} == {connection}
        assert [item["status"] for item in requests] == [404, 201]
        number = requests[0]["number"]
        assert fresh.api.get(f"/requests/{number}").json()["connection"] == connection
        rows = fresh.api.get("/audit", params={**asked, "type": "User"}).json()["items"]
        assert [(row["resource"], row["connection"]) for row in rows] == [
            (resource["id"], connection)
        ]
        doctor = fresh.api.get("/doctor", params=asked).json()
        findings = [*doctor["refusals"], *doctor["dialects"]]
        assert {finding["connection"] for finding in findings} == {connection}
        assert len(doctor["dialects"]) == (connection == okta["id"])
    events = fresh.api.get("/changes").json()["items"]
    assert [event["connection"] for event in events] == [okta["id"], "default"]
    for path in ("/requests", "/audit", "/doctor"):
        detail = refused(fresh.api.get(path, params={"connection": "x"}), 400, "/connection")
        assert "'Okta'" in detail


def test_what_a_connection_did_is_undone_whichever_credential_did_it(fresh):
    okta = connect(fresh, name="Okta")
    made = [scim_of(fresh, okta).post("/Users", json=person()).json()["id"] for _ in range(2)]
    fresh.user()
    period = {"since": "2020-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}
    refused(fresh.api.get("/undo", params=period), 400)
    refused(fresh.api.get("/undo", params={**period, "key": "x", "connection": "y"}), 400)
    refused(fresh.api.get("/undo", params={**period, "connection": "y"}), 400, "/connection")
    plan = fresh.api.get("/undo", params={**period, "connection": "Okta"}).json()
    assert {step["id"] for step in plan["resources"]} == set(made)
    body = {**period, "connection": "Okta", "at": plan["at"], "deletions": made}
    assert fresh.api.post("/undo", json=body).json()["undone"] == 2
    assert fresh.scim.get("/Users").json()["totalResults"] == 1
    plan = fresh.api.get("/undo", params={**period, "connection": "Okta"}).json()
    assert plan["resources"] == []
