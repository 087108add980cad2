"""Past states of resources, and restoring them."""

import pytest

from muster.directory.caller import Caller
from muster.directory.history.past import Past
from muster.directory.service import Directory
from muster.scim.errors import ScimError
from muster.scim.schema.model import registry
from tests.directory.history.test_rollback import Culprit, members, patch
from tests.support.people import group, person
from tests.support.tenant import Tenant, problem
from tests.support.waiting import this_moment

USERS = registry().types["/Users"]


def at(tenant, resource, moment):
    answer = tenant.api.get(f"/history/{resource['id']}/at", params={"time": moment})
    assert answer.status_code == 200, answer.text
    return answer.json()


def back(tenant, resource, moment):
    return tenant.api.post(f"/history/{resource['id']}/restore", json={"time": moment})


def groups(tenant, user):
    return {
        found["value"] for found in tenant.scim.get(f"/Users/{user['id']}").json().get("groups", [])
    }


def test_restore_to_a_time_undoes_deactivation_and_membership_changes(fresh):
    ann = fresh.user(title="a")
    crew, team, new = (
        fresh.scim.post("/Groups", json=group(None, *there)).json() for there in ([ann], [ann], [])
    )
    then = this_moment()
    patch(
        fresh.scim,
        f"/Groups/{crew['id']}",
        {"op": "remove", "path": f'members[value eq "{ann["id"]}"]'},
    )
    patch(fresh.scim, f"/Users/{ann['id']}", {"op": "replace", "path": "active", "value": False})
    patch(
        fresh.scim,
        f"/Groups/{new['id']}",
        {"op": "add", "path": "members", "value": [{"value": ann["id"]}]},
    )
    was = at(fresh, ann, then)
    assert (was["deleted"], was["resourceType"], was["members"]) == (False, "User", None)
    assert set(was["groups"]) == {crew["id"], team["id"]}
    assert was["resource"].get("active") is not False
    assert back(fresh, ann, then).json()["id"] == ann["id"]
    assert groups(fresh, ann) == {crew["id"], team["id"]}
    assert fresh.scim.get(f"/Users/{ann['id']}").json()["title"] == "a"
    fresh.scim.delete(f"/Users/{ann['id']}")
    fresh.scim.delete(f"/Groups/{team['id']}")
    assert at(fresh, ann, this_moment())["deleted"]
    assert problem(back(fresh, ann, this_moment()), 404)
    assert back(fresh, ann, then).status_code == 200
    assert groups(fresh, ann) == {crew["id"]}
    assert fresh.findings() == []


def test_restoring_a_group_leaves_out_members_that_no_longer_exist(fresh):
    ann, ben, cyd = (fresh.user() for _ in range(3))
    crew = fresh.scim.post("/Groups", json=group("Crew", ann, ben)).json()
    first = fresh.api.get(f"/history/{crew['id']}").json()["items"][0]["change"]
    then = this_moment()
    fresh.scim.put(f"/Groups/{crew['id']}", json=group("Other", cyd))
    was = at(fresh, crew, then)
    assert (set(was["members"]), was["groups"], was["resource"]["displayName"]) == (
        {ann["id"], ben["id"]},
        None,
        "Crew",
    )
    fresh.scim.delete(f"/Users/{ann['id']}")
    for body in ({"time": then}, {"change": first}):
        answer = fresh.api.post(f"/history/{crew['id']}/restore", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["displayName"] == "Crew"
        assert answer.json()["leftOut"] == [ann["id"]]
        assert members(fresh.scim.get(f"/Groups/{crew['id']}").json()) == {ben["id"]}
        fresh.scim.delete(f"/Groups/{crew['id']}")
    assert fresh.findings() == []


def test_restoring_a_user_whose_name_is_taken_changes_nothing(fresh):
    ann = fresh.user(title="a")
    crew = fresh.scim.post("/Groups", json=group(None, ann)).json()
    then = this_moment()
    fresh.scim.delete(f"/Users/{ann['id']}")
    fresh.user(userName=ann["userName"])
    assert problem(back(fresh, ann, then), 409).startswith("userName")
    assert fresh.scim.get(f"/Groups/{crew['id']}").json()["members"] == []


def test_history_rejects_invalid_requests(fresh):
    before = this_moment()
    ann = fresh.user()
    path = f"/history/{ann['id']}"
    assert "time" in problem(fresh.api.get(f"{path}/at"), 400)
    assert "time" in problem(fresh.api.get(f"{path}/at", params={"time": "noon"}), 400)
    assert problem(fresh.api.get(f"{path}/at", params={"time": before}), 404)
    assert problem(back(fresh, ann, before), 404)
    assert problem(back(fresh, ann, 5), 400)
    change = fresh.api.get(path).json()["items"][0]["change"]
    assert problem(
        fresh.api.post(f"{path}/restore", json={"change": change, "time": this_moment()}), 400
    )
    assert problem(fresh.api.get(path, params={"before": "x"}), 400)
    with Tenant(fresh.server) as other:
        assert problem(other.api.get(f"{path}/at", params={"time": this_moment()}), 404)
        assert problem(other.api.post(f"{path}/restore", json={"time": this_moment()}), 404)


def test_a_long_history_is_paged_and_its_first_state_restored(fresh):
    ann, ben = fresh.user(title="0"), fresh.user()
    crew = fresh.scim.post("/Groups", json=group("Crew", ann)).json()
    path = f"/Groups/{crew['id']}"
    culprit = Culprit(fresh)
    for number in range(260):
        patch(
            culprit.scim, path, {"op": "replace", "path": "displayName", "value": f"Crew {number}"}
        )
    patch(
        culprit.scim,
        path,
        {"op": "remove", "path": "members"},
        {"op": "add", "path": "members", "value": [{"value": ben["id"]}]},
    )
    first = fresh.api.get(f"/history/{crew['id']}").json()["items"]
    rest = fresh.api.get(f"/history/{crew['id']}", params={"before": first[-1]["change"]}).json()[
        "items"
    ]
    assert [row["version"] for row in first + rest] == [*range(262, 0, -1)]
    restored = fresh.api.post(
        f"/history/{crew['id']}/restore", json={"change": rest[-1]["change"]}
    ).json()
    assert restored["displayName"] == "Crew"
    assert members(fresh.scim.get(path).json()) == {ann["id"]}


def test_rollback_finds_changes_that_many_refusals_follow(fresh):
    """Refusals are notes of a user, not changes; the plan skips them."""
    fresh.api.patch("/settings", json={"guardMode": "hold", "guardShare": 0, "guardLeast": 0})
    ann = fresh.user(title="a")
    culprit = Culprit(fresh)
    patch(culprit.scim, f"/Users/{ann['id']}", {"op": "replace", "path": "title", "value": "x"})
    for _ in range(55):
        assert culprit.scim.delete(f"/Users/{ann['id']}").status_code == 403
    assert [(row["action"], row["changes"]) for row in culprit.plan()["resources"]] == [
        ("restore", 1)
    ]
    assert culprit.undo().json() == {"undone": 1, "leftOut": []}
    assert fresh.scim.get(f"/Users/{ann['id']}").json()["title"] == "a"


def test_past_groups_are_refused_after_too_many_changes(bench, monkeypatch):
    monkeypatch.setattr("muster.directory.history.past.MAX_CHANGES", 3)
    workspace = bench.new_workspace()
    for _ in range(5):
        bench.run(
            Directory(bench.storage).create(Caller(workspace, "actor", "request"), USERS, person())
        )
    with pytest.raises(ScimError, match="3 changes"):
        bench.run(Past(bench.storage).groups(workspace.id, "x", lambda _: False))
