"""Protected users: provisioning cannot take their access, and an administrator can."""

import pytest

from tests.support.people import error_of, name, patch, person, replace
from tests.support.tenant import problem
from tests.support.waiting import this_moment


@pytest.fixture
def protected(fresh):
    user = fresh.user()
    answer = fresh.api.put(f"/protected-users/{user['id']}", json={"reason": "Emergency access"})
    assert answer.status_code == 200, answer.text
    return user


def held(fresh):
    return {
        (row["user"], row["attempted"], row["reason"])
        for row in fresh.api.get("/guard").json()["held"]
    }


@pytest.mark.parametrize("mode", ["off", "watch", "hold"])
def test_provisioning_cannot_take_the_access_of_a_protected_user(fresh, protected, mode):
    fresh.api.patch("/settings", json={"guardMode": mode})
    path = f"/Users/{protected['id']}"
    body = person(protected["userName"], active=False)
    for answer, attempted in (
        (fresh.scim.patch(path, json=replace("active", False)), "deactivate"),
        (fresh.scim.put(path, json=body), "deactivate"),
        (fresh.scim.delete(path), "delete"),
    ):
        detail = error_of(answer, 403)
        assert detail == (
            f"{protected['userName']} is a protected user, whom provisioning may not {attempted}"
        )
    bulk = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [{"method": "DELETE", "path": path}],
    }
    assert fresh.scim.post("/Bulk", json=bulk).json()["Operations"][0]["status"] == "403"
    assert fresh.scim.get(path).json()["active"] is True
    assert held(fresh) == {(protected["id"], "delete", "protected")}


def test_other_changes_and_other_users_are_not_concerned(fresh, protected):
    path, other = f"/Users/{protected['id']}", fresh.user()
    change = patch({"op": "replace", "path": "title", "value": "Chief"})
    assert fresh.scim.patch(path, json=change).status_code == 200
    assert fresh.scim.delete(f"/Users/{other['id']}").status_code == 204


def test_an_inactive_protected_user_cannot_be_deleted(fresh):
    user = fresh.user(active=False)
    fresh.api.put(f"/protected-users/{user['id']}", json={})
    error_of(fresh.scim.delete(f"/Users/{user['id']}"), 403)


def test_an_administrator_approves_the_held_change(fresh, protected):
    fresh.scim.delete(f"/Users/{protected['id']}")
    assert fresh.api.post(f"/guard/{protected['id']}/let").status_code == 204
    error_of(fresh.scim.get(f"/Users/{protected['id']}"), 404)
    rows = fresh.api.get("/audit", params={"limit": 1000}).json()["items"]
    actions = [row["action"] for row in rows if row["resource"] == protected["id"]]
    assert {"protect", "hold", "let", "delete"} <= set(actions)


def test_a_rollback_keeps_them_unless_it_is_overridden(fresh):
    key = fresh.api.post("/keys", json={"name": name("provider")}).json()
    provider = fresh.client(key["token"], "/scim/v2")
    since = this_moment()
    user = provider.post("/Users", json=person()).json()
    fresh.api.put(f"/protected-users/{user['id']}", json={})
    asked = {"key": key["id"], "since": since, "until": "2999-01-01T00:00:00Z"}
    plan = fresh.api.get("/undo", params=asked).json()
    body = {**asked, "at": plan["at"], "deletions": [user["id"]]}
    assert "protected user" in problem(fresh.api.post("/undo", json=body), 403)
    assert fresh.api.post("/undo", json={**body, "override": True}).status_code == 200
    error_of(fresh.scim.get(f"/Users/{user['id']}"), 404)


def test_the_list_and_its_end(fresh, protected):
    (row,) = fresh.api.get("/protected-users").json()["items"]
    assert (row["user"], row["reason"]) == (protected["id"], "Emergency access")
    assert row["actor"].startswith("key:")
    assert fresh.api.delete(f"/protected-users/{protected['id']}").status_code == 204
    assert fresh.api.get("/protected-users").json()["items"] == []
    problem(fresh.api.delete(f"/protected-users/{protected['id']}"), 404)
    assert fresh.scim.delete(f"/Users/{protected['id']}").status_code == 204


def test_what_cannot_be_protected_is_refused(fresh, protected):
    problem(fresh.api.put("/protected-users/x", json={}), 404)
    path = f"/protected-users/{protected['id']}"
    problem(fresh.api.put(path, json={"reason": "x" * 501}), 400)
    problem(fresh.api.put(path, json={"why": "x"}), 400)
