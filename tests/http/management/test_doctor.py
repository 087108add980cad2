"""/api/v1/doctor: the three kinds of findings."""

from muster.access.permissions import SCIM
from tests.support.people import patch, person, replace


def test_a_workspace_without_findings_has_three_empty_lists(fresh):
    fresh.user()
    fresh.recorded(1)
    assert fresh.api.get("/doctor").json() == {"dialects": [], "refusals": [], "lostUsers": []}


def test_findings_name_the_key_the_cause_and_the_remedy(fresh):
    """A client that writes booleans as text, and creates a user again whose id it has lost."""
    key = fresh.api.post("/keys", json={"name": "okta", "permissions": [SCIM]}).json()
    with fresh.client(key["token"], "/scim/v2") as okta:
        user = okta.post("/Users", json=person()).json()
        text = {"op": "replace", "path": "active", "value": "False"}
        okta.patch(f"/Users/{user['id']}", json=patch(text)).raise_for_status()
        for _ in range(2):
            assert okta.post("/Users", json=person(user["userName"])).status_code == 409
        assert okta.get("/Users/nobody").status_code == 404
    fresh.recorded(5)
    found = fresh.api.get("/doctor").json()
    (dialect,) = found["dialects"]
    assert (dialect["key"], dialect["dialect"], dialect["count"]) == (
        "okta",
        "boolean-as-string",
        1,
    )
    assert dialect["sends"]
    assert dialect["means"]
    refusals = {(row["operation"], row["status"], row["cause"]): row for row in found["refusals"]}
    assert {kind: row["count"] for kind, row in refusals.items()} == {
        ("createUser", 409, "uniqueness"): 2,
        ("getUser", 404, "notFound"): 1,
    }
    assert all(row["key"] == "okta" and row["fix"] for row in found["refusals"])
    (lost,) = found["lostUsers"]
    assert {name: lost[name] for name in ("key", "userName", "user", "count")} == {
        "key": "okta",
        "userName": user["userName"],
        "user": user["id"],
        "count": 2,
    }


def test_a_user_whose_id_the_client_knows_is_not_lost(fresh):
    user = fresh.user()
    for _ in range(2):
        fresh.scim.post("/Users", json=person(user["userName"]))
    fresh.recorded(3)
    assert fresh.api.get("/doctor").json()["lostUsers"] != []
    fresh.scim.patch(f"/Users/{user['id']}", json=replace("title", "x")).raise_for_status()
    fresh.recorded(4)
    assert fresh.api.get("/doctor").json()["lostUsers"] == []
