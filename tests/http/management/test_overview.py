"""/api/v1/overview."""

from datetime import UTC, datetime, timedelta

from muster.access.permissions import SCIM
from tests.support.people import group, person


def test_the_figures_are_those_of_the_workspace(fresh):
    before = fresh.api.get("/overview").json()
    assert {name: before[name] for name in ("users", "active", "groups", "requests", "failed")} == (
        dict.fromkeys(("users", "active", "groups", "requests", "failed"), 0)
    )
    assert (before["hours"], before["attention"]) == ({}, [])
    users = [fresh.user(active=active) for active in (True, True, False)]
    fresh.scim.post("/Groups", json=group(None, *users)).raise_for_status()
    assert fresh.scim.post("/Users", json=person(users[0]["userName"])).status_code == 409
    revoked = fresh.api.post("/keys", json={"name": "gone", "permissions": [SCIM]}).json()
    fresh.api.delete(f"/keys/{revoked['id']}").raise_for_status()
    soon = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    key = fresh.api.post("/keys", json={"name": "soon", "permissions": [SCIM]}).json()
    fresh.api.patch(f"/keys/{key['id']}", json={"expires": soon}).raise_for_status()
    fresh.recorded(5)
    found = fresh.api.get("/overview").json()
    assert (found["users"], found["active"], found["groups"]) == (3, 2, 1)
    assert (found["requests"], found["failed"]) == (5, 1)
    hours = found["hours"].values()
    assert sum(hour["requests"] for hour in hours) == 5
    assert sum(hour["failed"] for hour in hours) == 1
    listed = [item for item in fresh.api.get("/keys").json()["items"] if item["revoked"] is None]
    assert {item["id"] for item in found["keys"]} == {item["id"] for item in listed}
    shown = next(item for item in found["keys"] if item["id"] == key["id"])
    kept = next(item for item in listed if item["id"] == key["id"])
    names = ("id", "name", "lastUsed", "expires")
    assert {name: shown[name] for name in names} == {name: kept[name] for name in names}
    assert (shown["requests"], shown["lastRefused"]) == (0, None)
    assert found["attention"] == [
        "1 request failed in the last 24 hours. The doctor has 2 open findings.",
        'API key "soon" expires within 14 days.',
    ]
