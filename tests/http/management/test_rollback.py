"""/api/v1/undo."""

from datetime import UTC, datetime, timedelta

import pytest

from muster.access.permissions import SCIM
from tests.support.people import person, replace
from tests.support.tenant import Tenant, problem

PERIOD = {
    "since": (datetime.now(UTC) - timedelta(hours=1)).isoformat(),
    "until": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
}


@pytest.fixture
def culprit(fresh):
    """A key, and a client with it."""
    key = fresh.api.post("/keys", json={"name": "culprit", "permissions": [SCIM]}).json()
    with fresh.client(key["token"], "/scim/v2") as client:
        client.key = key["id"]
        yield client


def plan(tenant, culprit, **changes):
    return tenant.api.get("/undo", params={"key": culprit, **PERIOD, **changes})


def undo(tenant, culprit, at, *resources, **changes):
    body = {"key": culprit, **PERIOD, "at": at, "resources": list(resources), **changes}
    return tenant.api.post("/undo", json=body)


def test_a_plan_is_shown_and_its_selection_is_undone(fresh, culprit):
    kept, gone = fresh.user(title="a"), fresh.user()
    made = culprit.post("/Users", json=person()).json()
    culprit.patch(f"/Users/{kept['id']}", json=replace("title", "b")).raise_for_status()
    culprit.delete(f"/Users/{gone['id']}").raise_for_status()
    fresh.scim.patch(f"/Users/{kept['id']}", json=replace("nickName", "n")).raise_for_status()
    planned = plan(fresh, culprit.key).json()
    steps = {step["id"]: step for step in planned["resources"]}
    assert {name: (step["action"], step["changedByOthers"]) for name, step in steps.items()} == {
        kept["id"]: ("restore", True),
        gone["id"]: ("create", False),
        made["id"]: ("delete", False),
    }
    assert {step["changes"] for step in steps.values()} == {1}
    assert steps[gone["id"]]["name"] == gone["userName"]
    done = undo(fresh, culprit.key, planned["at"], kept["id"], gone["id"]).json()
    assert done == {"undone": 2, "leftOut": []}
    back = fresh.scim.get(f"/Users/{kept['id']}").json()
    assert (back["title"], "nickName" in back) == ("a", False)
    assert fresh.scim.get(f"/Users/{gone['id']}").status_code == 200
    assert fresh.scim.get(f"/Users/{made['id']}").status_code == 200


def test_a_plan_that_is_out_of_date_undoes_nothing(fresh, culprit):
    user = fresh.user(title="a")
    culprit.patch(f"/Users/{user['id']}", json=replace("title", "b")).raise_for_status()
    planned = plan(fresh, culprit.key).json()
    fresh.scim.patch(f"/Users/{user['id']}", json=replace("title", "c")).raise_for_status()
    problem(undo(fresh, culprit.key, planned["at"], user["id"]), 409)
    assert fresh.scim.get(f"/Users/{user['id']}").json()["title"] == "c"


@pytest.mark.parametrize(
    ("changes", "status", "pointer"),
    [
        ({"key": "nobody"}, 404, "/key"),
        ({"since": "noon"}, 400, "/since"),
        ({"until": "noon"}, 400, "/until"),
    ],
)
def test_a_value_in_error_is_named(fresh, culprit, changes, status, pointer):
    at = plan(fresh, culprit.key).json()["at"]
    for answer in (
        plan(fresh, culprit.key, **changes),
        undo(fresh, culprit.key, at, "x", **changes),
    ):
        problem(answer, status)
        assert answer.json()["errors"][0]["pointer"] == pointer


def test_a_key_of_another_workspace_is_unknown(fresh, culprit):
    with Tenant(fresh.server) as other:
        problem(plan(other, culprit.key), 404)
        at = plan(fresh, culprit.key).json()["at"]
        key = other.api.get("/keys").json()["items"][0]["id"]
        problem(undo(other, key, at, "x"), 400)
