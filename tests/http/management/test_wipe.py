"""/api/v1/wipe."""

import pytest

from tests.support.people import group
from tests.support.tenant import problem


@pytest.mark.parametrize("body", [{}, {"workspace": "other"}, {"workspace": 7}, {"workspace": ""}])
def test_a_workspace_is_emptied_only_by_its_name(fresh, body):
    user = fresh.user()
    answer = fresh.api.post("/wipe", json=body)
    problem(answer, 400)
    assert answer.json()["errors"][0]["pointer"] == "/workspace"
    assert fresh.scim.get(f"/Users/{user['id']}").status_code == 200


def test_every_resource_is_deleted_and_the_audit_log_says_so(fresh):
    """The guard and the switches do not apply."""
    fresh.api.patch(
        "/settings",
        json={
            "guardMode": "hold",
            "guardShare": 0,
            "guardLeast": 0,
            "automaticDeprovisioning": False,
        },
    ).raise_for_status()
    users = [fresh.user() for _ in range(3)]
    inner = fresh.scim.post("/Groups", json=group(None, *users)).json()
    fresh.scim.post("/Groups", json=group(None, inner)).raise_for_status()
    assert fresh.api.post("/wipe", json={"workspace": fresh.name}).json() == {"deleted": 5}
    assert fresh.scim.get("", params={"count": 0}).json()["totalResults"] == 0
    rows = fresh.api.get("/audit", params={"limit": 500}).json()["items"]
    first = next(index for index, row in enumerate(rows) if row["action"] == "wipe")
    deleted = [row["resource"] for row in rows[first + 1 :] if row["action"] == "delete"]
    assert len(set(deleted)) == len(deleted) == 5
    assert fresh.api.post("/wipe", json={"workspace": fresh.name}).json() == {"deleted": 0}
