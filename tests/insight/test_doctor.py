"""`muster doctor`: deviations of clients, and failed requests."""

import json

import pytest

from muster.access.permissions import AUDIT
from muster.insight.doctor import _CAUSES, _REASONS, _TYPES, FIXES, Refusal
from tests.support.people import group, person, replace
from tests.support.tenant import Tenant

STATUSES = {400, 401, 403, 404, 405, 408, 409, 412, 413, 415, 429, 500, 501, 503, 507}


def test_doctor_prints_deviations_and_failures(server):
    with Tenant(server) as tenant:
        assert "No problems found" in server.muster("doctor", "--workspace", tenant.name).stdout
        user = tenant.user()
        for value in ("True", "False"):
            body = {"Operations": [{"op": "Replace", "path": "active", "value": value}]}
            tenant.scim.patch(f"/Users/{user['id']}", json=body)
        tenant.scim.post("/Users", json=person(user["userName"]))
        role = json.dumps(json.dumps({"value": "Admin", "displayName": "Administrator"}))
        removed = {"Operations": [{"op": "Remove", "path": f"roles[value eq {role}]"}]}
        tenant.scim.patch(f"/Users/{user['id']}", json=removed)
        tenant.recorded(4)
        said = server.muster("doctor", "--workspace", tenant.name).stdout
    assert 'a boolean as a string, "True" or "False"\t2 times\tread as the boolean' in said
    assert '…}"]\t1 times' in said
    assert "createUser 409\t1 times\tAnother resource has this value" in said


BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


def test_each_reason_of_a_403_has_its_own_fix(fresh):
    """Advice names the right page; that on permissions is for their errors alone."""
    users = [fresh.user() for _ in range(3)]
    paths = [f"/Users/{user['id']}" for user in users]
    weak = fresh.client(fresh.key("--permission", AUDIT), "/scim/v2")
    fresh.api.patch("/settings", json={"guardMode": "hold", "guardShare": 0, "guardLeast": 0})
    deletions = [{"method": "DELETE", "path": path} for path in paths[:2]]
    statuses = [fresh.scim.delete(path).status_code for path in paths]
    statuses.append(fresh.scim.patch(paths[0], json=replace("active", False)).status_code)
    assert (
        fresh.scim.post("/Bulk", json={"schemas": [BULK], "Operations": deletions}).status_code
        == 200
    )
    fresh.api.patch(
        "/settings",
        json={"guardMode": "off", "automaticProvisioning": False, "automaticDeprovisioning": False},
    )
    statuses += [
        fresh.scim.post("/Users", json=person()).status_code,
        fresh.scim.delete(paths[1]).status_code,
    ]
    statuses.append(weak.get("/Users").status_code)
    statuses.append(fresh.scim.get("/Schemas", params={"filter": 'id eq "x"'}).status_code)
    assert statuses == [403] * 8
    fresh.recorded(12)
    found = {}
    for item in fresh.api.get("/doctor").json()["refusals"]:
        found.setdefault((item["operation"], item["fix"].split(".")[0]), []).append(item["count"])
    guard = "The deprovisioning guard holds the change, because too many users would lose access"
    discovery = "Discovery documents cannot be filtered (RFC 7644 section 4)"
    assert found == {
        ("deleteUser", guard): [3],
        ("patchUser", guard): [1],
        ("bulk", guard): [2],
        ("createUser", "Automatic provisioning is off"): [1],
        ("deleteUser", "Automatic deprovisioning is off"): [1],
        ("unknown", "The key does not have the permission that the response names"): [1],
        ("discoverSchemas", discovery): [1],
    }


def test_a_fix_names_the_attribute_value_or_limit(fresh):
    user, crew = fresh.user(), fresh.scim.post("/Groups", json=group("Crew")).json()
    fresh.scim.post("/Users", json=person(user["userName"]))
    fresh.scim.post("/Users", json=person(active="perhaps"))
    fresh.scim.get("/Groups", params={"filter": "nosuch eq 1"})
    fresh.scim.get(f"/Users/{crew['id']}")
    fresh.scim.patch(f"/Users/{user['id']}", content=b"x", headers={"content-type": "text/csv"})
    fresh.recorded(7)
    fixes = {
        (item["operation"], item["status"]): item["fix"]
        for item in fresh.api.get("/doctor").json()["refusals"]
    }
    named = {
        ("createUser", 400): "active",
        ("findGroups", 400): "position 1: unknown attribute",
        ("getUser", 404): crew["id"],
        ("patchUser", 415): "Content-Type",
    }
    for finding, word in named.items():
        assert word in fixes[finding], fixes[finding]
    assert len(set(fixes.values())) == len(fixes)


WHERE = (
    *(
        "Schemas",
        "API keys",
        "Settings",
        "Audit log",
        "Users or Groups",
        "Requests",
        "Guard",
        "Connect a provider",
    ),
    *("MUSTER_", "muster ", "/.search", "Content-Type", "the setting that the response names"),
    *("proxy", "disk", "the server's log", "the filter"),
)
"""The pages, commands and settings that fixes name."""


def test_every_fix_is_unique_and_names_a_page_or_command():
    cures = [*FIXES.values(), *_REASONS.values(), *_TYPES.values()]
    assert len(set(cures)) == len(cures)
    assert [cure for cure in cures if not any(place in cure for place in WHERE)] == []


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_every_status_has_a_fix(status):
    assert status in FIXES
    assert Refusal("k", "o", status, 1, 1).fix == FIXES[status]
    assert Refusal("k", "o", status, 1, 1, detail="n: 1").fix.endswith("Latest response: n: 1")


@pytest.mark.parametrize(("status", "detail"), [(404, "Unknown path /scim"), (405, "")])
def test_a_fix_names_the_place_where_its_reader_finds_the_base_url(status, detail):
    refusal = Refusal("k", "o", status, 1, 1, detail=detail)
    assert "Connect a provider" in refusal.cure
    assert refusal.cure_for("Set-up") == refusal.cure.replace("Connect a provider", "Set-up")


def test_causes_are_told_apart(fresh):
    user = fresh.user()
    path = f"/Users/{user['id']}"
    fresh.scim.post("/Users", json=person(user["userName"]))
    fresh.scim.post("/Users", json=person(active="perhaps"))
    fresh.scim.get("/Users", params={"filter": "nosuch eq 1"})
    fresh.scim.patch(path, json=replace("nosuch", 1))
    fresh.scim.get("/Users/nobody")
    fresh.client(fresh.key("--permission", AUDIT), "/scim/v2").get("/Users")
    fresh.api.patch("/settings", json={"guardMode": "hold", "guardShare": 0, "guardLeast": 0})
    fresh.scim.delete(path)
    fresh.api.patch(
        "/settings",
        json={"guardMode": "off", "automaticProvisioning": False, "automaticDeprovisioning": False},
    )
    fresh.scim.post("/Users", json=person())
    fresh.scim.delete(path)
    fresh.recorded(10)
    found = {
        (item["operation"], item["status"], item["cause"])
        for item in fresh.api.get("/doctor").json()["refusals"]
    }
    assert found == {
        ("createUser", 409, "uniqueness"),
        ("createUser", 400, "schema"),
        ("findUsers", 400, "search"),
        ("patchUser", 400, "schema"),
        ("getUser", 404, "notFound"),
        ("unknown", 403, "permission"),
        ("deleteUser", 403, "guard"),
        ("createUser", 403, "provisioning"),
        ("deleteUser", 403, "deprovisioning"),
    }


def test_rate_limit_and_allowlist_are_causes():
    assert Refusal("k", "o", 429, 1, 1).cause.name == "rateLimit"
    detail = "takes no requests from"
    assert Refusal("k", "o", 403, 1, 1, detail).cause.name == "allowlist"
    assert set(_REASONS) | set(_TYPES) <= set(_CAUSES)


def test_a_wrong_base_url_is_told_from_a_missing_resource(fresh):
    assert fresh.scim.get("/v2/Users").status_code == 404
    assert fresh.scim.get("/Users/nobody").status_code == 404
    fresh.recorded(2)
    found = {item["cause"]: item["fix"] for item in fresh.api.get("/doctor").json()["refusals"]}
    assert set(found) == {"baseUrl", "notFound"}
    assert found["baseUrl"].startswith("The service has no such path. Compare the base URL")
