"""/api/v1/settings: what each setting does."""

import pytest

from muster.scim.bulk import BULK_REQUEST
from tests.support.people import error_of, group, name, patch, person, replace
from tests.support.server import Server
from tests.support.tenant import Tenant, problem


def test_settings_are_changed_and_recorded(fresh):
    before = fresh.api.get("/settings").json()
    assert before == {
        "contract": "rfc7644",
        "strict": False,
        "automaticProvisioning": True,
        "automaticDeprovisioning": True,
        "uniqueGroupNames": False,
        "ipAllowlist": [],
        "ipAllowlistEntries": [],
        "rateLimit": None,
        "guardMode": "watch",
        "guardShare": 10,
        "guardLeast": 20,
        "requestsDays": None,
        "changesDays": None,
        "requireSecondFactor": False,
        "scimCredentials": "any",
        "profile": "none",
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
        {"contract": "other"}, {"scimCredentials": "none"}, {"scimCredentials": None}, {"profile": "other"}, {"strict": "yes"}, {"nothing": 1}, {"ipAllowlist": "10.0.0.0/8"}, {"ipAllowlist": ["10.0.0.0/33"]},
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
