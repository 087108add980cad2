"""/api/v1/history."""

from muster.access.permissions import SCIM
from tests.support.people import replace
from tests.support.tenant import problem


def test_history_and_undo(fresh):
    user = fresh.user(title="a")
    fresh.scim.patch(f"/Users/{user['id']}", json=replace("title", "b"))
    fresh.scim.delete(f"/Users/{user['id']}")
    path = f"/history/{user['id']}"
    rows = fresh.api.get(path).json()["items"]
    assert [(row["action"], row["resource"]["title"]) for row in rows] == [
        ("delete", "b"),
        ("update", "b"),
        ("create", "a"),
    ]
    assert rows[1]["attributes"] == ["title"]
    back = fresh.api.post(f"{path}/restore", json={"change": rows[2]["change"]}).json()
    assert (back["id"], back["title"]) == (user["id"], "a")
    assert fresh.scim.get(f"/Users/{user['id']}").json()["title"] == "a"
    problem(fresh.api.post(f"{path}/restore", json={"change": "x"}), 400)
    problem(fresh.api.post(f"{path}/restore", json={}), 400)
    problem(fresh.api.post("/history/nobody/restore", json={"change": rows[2]["change"]}), 404)


def test_history_shows_resources_and_not_the_rest_of_the_audit_log(fresh):
    """The audit log has a permission of its own, beside that of the history."""
    user = fresh.user()
    role = fresh.api.post("/roles", json={"name": user["id"], "permissions": [SCIM]}).json()
    fresh.api.patch("/settings", json={"strict": True, "automaticDeprovisioning": False})
    fresh.scim.delete(f"/Users/{user['id']}")
    rows = fresh.api.get("/audit?limit=1000").json()["rows"]
    notes = {row["resource"] for row in rows if row["version"] == 0}
    assert {row["type"] for row in rows if row["version"] == 0} >= {"Role", "Settings", "User"}
    with fresh.client(fresh.key("--permission", SCIM), "/api/v1") as provider:
        key = fresh.api.get("/keys").json()["items"][-1]["id"]
        for place in (fresh.name, key, *notes):
            answer = provider.get(f"/history/{place}")
            shown = answer.json()["items"] if answer.status_code == 200 else []
            assert {row["resourceType"] for row in shown} <= {"User"}, place
        actions = [
            row["action"] for row in provider.get(f"/history/{role['name']}").json()["items"]
        ]
        assert actions == ["refuse", "create"]


def test_nothing_is_known_of_an_unknown_id(fresh):
    user = fresh.user()
    change = fresh.api.get(f"/history/{user['id']}").json()["items"][0]["change"]
    for place in ("nobody", "0193591c-1f00-7b5d-a1b2-3c4d5e6f7081"):
        assert place in problem(fresh.api.get(f"/history/{place}"), 404)
        problem(fresh.api.get(f"/history/{place}", params={"before": change}), 404)
    earlier = fresh.api.get(f"/history/{user['id']}", params={"before": change})
    assert (earlier.status_code, earlier.json()["items"]) == (200, [])
