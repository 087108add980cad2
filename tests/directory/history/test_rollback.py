"""Rolling back the changes of one key in a period."""

from datetime import UTC, datetime, timedelta

from tests.support.people import group, name, person, replace
from tests.support.tenant import Tenant, key_id, problem, whole
from tests.upkeep.test_audit_verification import tampered


class Culprit:
    """A key whose changes are rolled back."""

    def __init__(self, tenant):
        token = tenant.key()
        self.id = key_id(token)
        self.scim = tenant.client(token, "/scim/v2")
        self.asked = {
            "key": self.id,
            "since": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(),
        }
        self.asked["until"] = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
        self.api = tenant.api

    def user(self, *, deactivated=False, **attributes):
        """Return a user that the key creates, and deactivates if that is asked for."""
        user = self.scim.post("/Users", json=person(**attributes)).json()
        if deactivated:
            self.scim.patch(f"/Users/{user['id']}", json=replace("active", False))
        return user

    def plan(self):
        answer = self.api.get("/undo", params=self.asked)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def actions(self, user):
        """Return the actions that the plan offers for a user."""
        return [row["action"] for row in self.plan()["resources"] if row["id"] == user["id"]]

    def undo(self, plan=None, ids=None, deletions=()):
        """Undo the resources with some ids, or all of a plan, its deletions included."""
        plan = plan or self.plan()
        chosen = {"resources": ids, "deletions": list(deletions)}
        if ids is None:
            chosen = whole(plan)
        return self.api.post("/undo", json={**self.asked, "at": plan["at"], **chosen})


def state(tenant):
    """Return all resources, without the parts that change with every write."""
    found = {}
    for endpoint in ("/Users", "/Groups"):
        for resource in tenant.scim.get(endpoint).json()["Resources"]:
            del resource["meta"]
            for several in ("groups", "members"):
                if several in resource:
                    resource[several].sort(key=lambda item: item["value"])
            found[resource["id"]] = resource
    return found


def members(found):
    return {member["value"] for member in found.get("members", [])}


def patch(client, path, *operations):
    answer = client.patch(path, json={"Operations": list(operations)})
    assert answer.status_code == 200, answer.text


def test_rollback_restores_every_resource_the_key_changed(fresh):
    ann, ben, cyd, dan = (fresh.user(title=title) for title in ("a", "b", "c", "d"))
    crew = fresh.scim.post("/Groups", json=group("Crew", ann, ben)).json()
    outer = fresh.scim.post("/Groups", json=group("Outer", crew, cyd)).json()
    before = state(fresh)
    culprit = Culprit(fresh)
    patch(culprit.scim, f"/Users/{ann['id']}", {"op": "replace", "path": "title", "value": "x"})
    patch(culprit.scim, f"/Users/{ann['id']}", {"op": "replace", "path": "active", "value": False})
    culprit.scim.delete(f"/Users/{ben['id']}")
    made = culprit.scim.post("/Users", json=person()).json()
    patch(
        culprit.scim,
        f"/Groups/{outer['id']}",
        {"op": "add", "path": "members", "value": [{"value": made["id"]}]},
    )
    culprit.scim.delete(f"/Groups/{crew['id']}")
    own = culprit.scim.post("/Groups", json=group("Own", dan, made)).json()
    gone = culprit.scim.post("/Users", json=person()).json()
    culprit.scim.delete(f"/Users/{gone['id']}")
    plan = culprit.plan()
    assert {row["id"]: row["action"] for row in plan["resources"]} == {
        ann["id"]: "restore", ben["id"]: "create", made["id"]: "delete", outer["id"]: "restore",
        crew["id"]: "create", own["id"]: "delete", gone["id"]: "delete",
    }  # fmt: skip
    assert not any(row["changedByOthers"] for row in plan["resources"])
    assert culprit.undo(plan).json() == {"undone": 7, "leftOut": []}
    assert state(fresh) == before
    assert fresh.scim.get(f"/Users/{ben['id']}").json()["groups"][0]["value"] == crew["id"]
    rows = fresh.api.get("/audit", params={"limit": 500}).json()["rows"]
    undone = [row for row in rows if row["requestId"] == rows[-1]["requestId"]]
    assert {row["resource"] for row in undone} >= {
        ann["id"],
        ben["id"],
        made["id"],
        crew["id"],
        own["id"],
    }
    assert culprit.plan()["resources"] == []
    note = fresh.api.get("/audit", params={"action": "undo", "limit": 500}).json()["rows"][-1]
    assert note["document"]["of"] == f"key:{culprit.id}"
    assert len(note["document"]["resources"]) == 7
    assert state(fresh) == before


def test_rollback_reports_later_changes_by_others_and_applies_only_the_selection(fresh):
    ann, ben = fresh.user(title="a"), fresh.user(title="b")
    crew = fresh.scim.post("/Groups", json=group("Crew", ann)).json()
    culprit = Culprit(fresh)
    for one in (ann, ben):
        patch(culprit.scim, f"/Users/{one['id']}", {"op": "replace", "path": "title", "value": "x"})
    patch(
        culprit.scim,
        f"/Groups/{crew['id']}",
        {"op": "remove", "path": f'members[value eq "{ann["id"]}"]'},
    )
    patch(fresh.scim, f"/Users/{ann['id']}", {"op": "replace", "path": "nickName", "value": "y"})
    patch(
        fresh.scim,
        f"/Groups/{crew['id']}",
        {"op": "add", "path": "members", "value": [{"value": ben["id"]}]},
    )
    plan = culprit.plan()
    assert {row["id"]: row["changedByOthers"] for row in plan["resources"]} == {
        ann["id"]: True, ben["id"]: False, crew["id"]: False,
    }  # fmt: skip
    assert culprit.undo(plan, [ben["id"], crew["id"]]).json() == {"undone": 2, "leftOut": []}
    assert fresh.scim.get(f"/Users/{ann['id']}").json()["title"] == "x"
    assert fresh.scim.get(f"/Users/{ben['id']}").json()["title"] == "b"
    assert members(fresh.scim.get(f"/Groups/{crew['id']}").json()) == {ann["id"], ben["id"]}


def test_a_rollback_that_meets_a_conflict_changes_nothing(fresh):
    ann, ben = fresh.user(title="a"), fresh.user(title="b")
    culprit = Culprit(fresh)
    for one in (ann, ben):
        patch(culprit.scim, f"/Users/{one['id']}", {"op": "replace", "path": "title", "value": "x"})
    culprit.scim.delete(f"/Users/{ben['id']}")
    fresh.user(userName=ben["userName"])
    there = state(fresh)
    assert problem(culprit.undo(), 409).startswith("userName")
    assert state(fresh) == there
    plan = culprit.plan()
    patch(fresh.scim, f"/Users/{ann['id']}", {"op": "replace", "path": "nickName", "value": "y"})
    assert "has changed since the plan was made" in problem(culprit.undo(plan, [ann["id"]]), 409)
    assert fresh.scim.get(f"/Users/{ann['id']}").json()["title"] == "x"


def test_rollback_leaves_out_members_that_no_longer_exist(fresh):
    ann, ben = fresh.user(), fresh.user()
    crew = fresh.scim.post("/Groups", json=group("Crew", ann, ben)).json()
    culprit = Culprit(fresh)
    patch(culprit.scim, f"/Groups/{crew['id']}", {"op": "remove", "path": "members"})
    fresh.scim.delete(f"/Users/{ann['id']}")
    assert culprit.undo().status_code == 200
    assert members(fresh.scim.get(f"/Groups/{crew['id']}").json()) == {ben["id"]}


def test_rollback_of_40_deletions(fresh):
    people = [fresh.user(title="a") for _ in range(40)]
    culprit = Culprit(fresh)
    for one in people:
        assert culprit.scim.delete(f"/Users/{one['id']}").status_code == 204
    assert culprit.undo().json() == {"undone": 40, "leftOut": []}
    assert fresh.scim.get("/Users?count=0").json()["totalResults"] == 40


def test_rollback_rejects_invalid_requests(fresh):
    user = fresh.user(title="a")
    culprit = Culprit(fresh)
    assert culprit.scim.delete(f"/Users/{user['id']}").status_code == 204
    with Tenant(fresh.server) as other:
        assert problem(other.api.get("/undo", params=culprit.asked), 404)
    assert "since" in problem(
        fresh.api.get("/undo", params={**culprit.asked, "since": "noon"}), 400
    )
    assert "until" in problem(
        fresh.api.get("/undo", params={**culprit.asked, "until": culprit.asked["since"]}), 400
    )
    plan = culprit.plan()
    assert "resources" in problem(culprit.undo(plan, []), 400)
    assert "resources" in problem(culprit.undo(plan, [name("x")]), 400)
    assert "at" in problem(
        fresh.api.post("/undo", json={**culprit.asked, "at": "x", "resources": ["x"]}), 400
    )


def test_a_group_is_restored_although_its_first_change_has_been_trimmed(fresh):
    """Past members are computed backwards, so the oldest changes are not needed."""
    ann, ben, cyd = (fresh.user() for _ in range(3))
    crew = fresh.scim.post("/Groups", json=group("Crew", ann, ben)).json()
    path = f"/Groups/{crew['id']}"
    patch(fresh.scim, path, {"op": "replace", "path": "displayName", "value": "Team"})
    patch(fresh.scim, path, {"op": "add", "path": "members", "value": [{"value": cyd["id"]}]})
    patch(fresh.scim, path, {"op": "remove", "path": f'members[value eq "{ann["id"]}"]'})
    renamed = next(
        row
        for row in fresh.api.get(f"/history/{crew['id']}").json()["items"]
        if row["version"] == 2
    )
    first = "(SELECT min(sequence) FROM changes WHERE workspace = $1 AND id = $2)"
    tampered(
        fresh.server,
        f"DELETE FROM changes WHERE workspace = $1 AND sequence = {first}",
        fresh.name,
        crew["id"],
    )
    restored = fresh.api.post(f"/history/{crew['id']}/restore", json={"change": renamed["change"]})
    assert restored.status_code == 200
    assert members(fresh.scim.get(path).json()) == {ann["id"], ben["id"]}
    fresh.scim.delete(path)
    assert (
        fresh.api.post(
            f"/history/{crew['id']}/restore", json={"change": renamed["change"]}
        ).status_code
        == 200
    )
    assert members(fresh.scim.get(path).json()) == {ann["id"], ben["id"]}
    tampered(
        fresh.server, "DELETE FROM changes WHERE workspace = $1", fresh.name
    )  # or its chain is broken for other tests


def test_a_rolled_back_resource_is_planned_again_only_after_another_change(fresh):
    ann, ben = fresh.user(title="a"), fresh.user(title="b")
    crew = fresh.scim.post("/Groups", json=group("Crew", ann, ben)).json()
    culprit = Culprit(fresh)
    for user in (ann, ben):
        patch(
            culprit.scim, f"/Users/{user['id']}", {"op": "replace", "path": "title", "value": "x"}
        )
    patch(culprit.scim, f"/Groups/{crew['id']}", {"op": "remove", "path": "members"})
    fresh.scim.delete(f"/Users/{ben['id']}")

    def offered():
        return {row["id"] for row in culprit.plan()["resources"]}

    assert culprit.undo(ids=[ann["id"]]).json()["undone"] == 1
    assert offered() == {ben["id"], crew["id"]}
    assert culprit.undo(ids=[crew["id"]]).json() == {"undone": 1, "leftOut": [ben["id"]]}
    assert offered() == {ben["id"]}
    patch(culprit.scim, f"/Users/{ann['id']}", {"op": "replace", "path": "title", "value": "y"})
    assert offered() == {ann["id"], ben["id"]}
    patch(fresh.scim, f"/Users/{ann['id']}", {"op": "replace", "path": "title", "value": "a"})
    assert offered() == {ben["id"]}
    patch(culprit.scim, f"/Groups/{crew['id']}", {"op": "remove", "path": "members"})
    assert offered() == {ben["id"], crew["id"]}


def test_a_user_whom_the_key_created_and_deactivated_becomes_active_without_being_deleted(fresh):
    culprit = Culprit(fresh)
    user = culprit.user(deactivated=True, title="a")
    fresh.scim.patch(f"/Users/{user['id']}", json=replace("title", "b"))
    assert culprit.actions(user) == ["reactivate", "delete"]
    plan = culprit.plan()
    assert [row["changedByOthers"] for row in plan["resources"]] == [False, True]
    assert culprit.undo(plan, [user["id"]]).json() == {"undone": 1, "leftOut": []}
    found = fresh.scim.get(f"/Users/{user['id']}").json()
    assert (found["active"], found["title"]) == (True, "b")
    note = fresh.api.get("/audit", params={"action": "undo"}).json()["rows"][-1]["document"]
    assert (note["resources"], note["reactivated"]) == ([user["id"]], [user["id"]])
    assert culprit.actions(user) == ["delete"]
    culprit.scim.patch(f"/Users/{user['id']}", json=replace("active", False))
    assert culprit.actions(user) == ["reactivate", "delete"]
    assert culprit.undo(ids=[], deletions=[user["id"]]).json()["undone"] == 1
    assert fresh.scim.get(f"/Users/{user['id']}").status_code == 404
    assert culprit.actions(user) == []


def test_only_a_deactivation_by_the_key_itself_is_undone_alone(fresh):
    culprit = Culprit(fresh)
    by_others, never, back = culprit.user(), culprit.user(active=False), culprit.user()
    fresh.scim.patch(f"/Users/{by_others['id']}", json=replace("active", False))
    for active in (False, True):
        culprit.scim.patch(f"/Users/{back['id']}", json=replace("active", active))
    for user in (by_others, never, back):
        culprit.scim.patch(f"/Users/{user['id']}", json=replace("title", "a"))
        assert culprit.actions(user) == ["delete"]


def test_nothing_is_deleted_that_is_not_selected_to_be(fresh):
    culprit = Culprit(fresh)
    made, idle = culprit.user(), culprit.user(deactivated=True)
    old = fresh.user(title="a")
    culprit.scim.patch(f"/Users/{old['id']}", json=replace("title", "b"))
    plan = culprit.plan()
    ids = sorted({row["id"] for row in plan["resources"]})
    refused = problem(culprit.undo(plan, ids), 400)
    assert "Select it in deletions" in refused
    assert refused.endswith(f": {made['userName']}")
    assert "in one of them only" in problem(culprit.undo(plan, [idle["id"]], [idle["id"]]), 400)
    assert "did not create" in problem(culprit.undo(plan, [], [old["id"]]), 400)
    assert "did not create" in problem(culprit.undo(plan, [], [name("x")]), 400)
    assert {user["active"] for user in state(fresh).values()} == {True, False}
    assert culprit.undo(plan, [idle["id"], old["id"]], [made["id"]]).json()["undone"] == 3
    assert {id: user["active"] for id, user in state(fresh).items()} == {
        idle["id"]: True,
        old["id"]: True,
    }
