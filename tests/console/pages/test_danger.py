"""Deleting every resource of a workspace."""

from tests.support.people import group
from tests.support.tenant import Tenant


def test_wiping_a_workspace(root, fresh, server):
    users = [fresh.user() for _ in range(3)]
    crew = fresh.scim.post("/Groups", json=group("Crew", *users)).json()
    fresh.scim.post("/Groups", json=group("Outer", crew))
    with Tenant(server) as other:
        other.user()
        root.get(f"/w/{fresh.name}/wipe")
        assert "Type the workspace name" in root.post(f"/w/{fresh.name}/wipe", name=other.name).text
        assert (
            "workspace: expected the name"
            in fresh.api.post("/wipe", json={"workspace": other.name}).json()["detail"]
        )
        assert fresh.scim.get("/Users?count=0").json()["totalResults"] == 3
        assert "5 resources deleted" in root.submit(f"/w/{fresh.name}/wipe", name=fresh.name).text
        assert other.scim.get("/Users?count=0").json()["totalResults"] == 1
    for endpoint in ("/Users", "/Groups"):
        assert fresh.scim.get(f"{endpoint}?count=0").json()["totalResults"] == 0
    told = [
        event["type"] for event in fresh.api.get("/changes", params={"limit": 500}).json()["events"]
    ]
    assert told.count("user.deleted") == 3
    assert told.count("group.deleted") == 2
    fresh.user()
    assert fresh.api.post("/wipe", json={"workspace": fresh.name}).json() == {"deleted": 1}
    assert "wipe" in [
        row["action"] for row in fresh.api.get("/audit", params={"limit": 500}).json()["rows"]
    ]
