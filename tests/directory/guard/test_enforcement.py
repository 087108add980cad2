"""Rollback and restore under the guard, the provisioning switches and permissions."""

from datetime import UTC, datetime, timedelta

import pytest

from muster.access.permissions import ADMIN, AUDIT, PERMISSIONS, RESTORE, SCIM, SETTINGS
from tests.support.people import group, person, replace
from tests.support.tenant import key_id, problem, whole


class Tenancy:
    """A workspace with a provisioning key and a key that rolls back and restores."""

    def __init__(self, tenant, *permissions):
        self.tenant = tenant
        token = tenant.key("--permission", SCIM)
        self.provider_id = key_id(token)
        self.scim = tenant.client(token, "/scim/v2")
        self.provider = tenant.client(token, "/api/v1")
        self.api = (
            tenant.client(tenant.key("--permission", *permissions), "/api/v1")
            if permissions
            else tenant.api
        )
        now = datetime.now(UTC)
        self.period = {
            "key": self.provider_id,
            "since": (now - timedelta(minutes=1)).isoformat(),
            "until": (now + timedelta(minutes=5)).isoformat(),
        }

    def user(self, **attributes):
        return self.scim.post("/Users", json=person(**attributes)).json()

    def undo(self, api=None, **more):
        api = api or self.api
        plan = self.tenant.api.get("/undo", params=self.period).json()
        body = {**self.period, "at": plan["at"], **whole(plan), **more}
        return api.post("/undo", json=body)

    def restore(self, user, number, **more):
        """Restore a user to the state after one of its changes, counted from 0."""
        history = [
            row
            for row in self.tenant.api.get(f"/history/{user['id']}").json()["items"]
            if row["version"]
        ]
        change = history[-1 - number]["change"]
        return self.api.post(f"/history/{user['id']}/restore", json={"change": change, **more})

    def active(self):
        """Return the ids of the users that have access."""
        found = self.tenant.scim.get("/Users", params={"count": 100}).json()["Resources"]
        return {user["id"] for user in found if user.get("active") is not False}

    def audited(self, action):
        rows = self.tenant.api.get("/audit", params={"limit": 500}).json()["rows"]
        return [row for row in rows if row["action"] == action]


@pytest.fixture
def tenancy(fresh):
    return Tenancy(fresh)


def settings(tenancy, **given):
    assert tenancy.tenant.api.patch("/settings", json=given).status_code == 200


@pytest.mark.parametrize(
    "permission", [permission for permission in PERMISSIONS if permission != RESTORE]
)
def test_no_other_permission_includes_rollback_and_restore(fresh, permission):
    tenancy = Tenancy(fresh, permission)
    user = tenancy.user()
    assert RESTORE in problem(tenancy.undo(), 403)
    assert RESTORE in problem(tenancy.restore(user, 0), 403)
    assert tenancy.active() == {user["id"]}


def test_the_guard_refuses_a_rollback_as_a_whole_and_records_it(tenancy):
    users = {tenancy.user()["id"] for _ in range(4)}
    settings(tenancy, guardMode="hold", guardShare=0, guardLeast=0)
    assert "deprovisioning guard" in problem(tenancy.undo(), 403)
    settings(tenancy, guardLeast=3)
    assert "the limit is 3" in problem(tenancy.undo(), 403)
    assert tenancy.active() == users
    refusals = tenancy.audited("refuse")
    assert [row["document"]["attempted"] for row in refusals] == ["undo", "undo"]
    assert set(refusals[0]["document"]["resources"]) == users
    settings(tenancy, guardLeast=4)
    assert tenancy.undo().json()["undone"] == 4
    assert tenancy.active() == set()


def test_a_rollback_counts_towards_the_guard_of_later_writes(tenancy):
    other = tenancy.tenant.user()
    for _ in range(2):
        tenancy.user()
    settings(tenancy, guardMode="hold", guardShare=0, guardLeast=2)
    assert tenancy.undo().status_code == 200
    assert tenancy.scim.delete(f"/Users/{other['id']}").status_code == 403
    assert tenancy.tenant.api.get("/guard").json()["done"] == 2


def test_the_guard_refuses_a_restore_that_deactivates(tenancy):
    user = tenancy.user(active=False)
    tenancy.scim.patch(f"/Users/{user['id']}", json=replace("active", True))
    settings(tenancy, guardMode="hold", guardShare=0, guardLeast=0)
    assert "deprovisioning guard" in problem(tenancy.restore(user, 0), 403)
    assert tenancy.active() == {user["id"]}
    then = (datetime.now(UTC) - timedelta(seconds=0)).isoformat()
    tenancy.scim.patch(f"/Users/{user['id']}", json=replace("title", "x"))
    by_time = tenancy.api.post(f"/history/{user['id']}/restore", json={"time": then})
    assert by_time.status_code == 200
    assert tenancy.active() == {user["id"]}


@pytest.mark.parametrize("way", ["undo", "restore"])
def test_switches_apply_to_rollback_and_restore(tenancy, way):
    made = tenancy.user()
    gone = tenancy.tenant.user()
    idle = tenancy.tenant.user(active=False)
    tenancy.scim.delete(f"/Users/{gone['id']}")
    tenancy.scim.patch(f"/Users/{idle['id']}", json=replace("active", True))
    before = tenancy.active()
    settings(tenancy, automaticProvisioning=False, automaticDeprovisioning=False)
    if way == "undo":
        problem(tenancy.undo(), 403)
        plan = tenancy.api.get("/undo", params=tenancy.period).json()
        for kind, user in (("deletions", made), ("resources", gone), ("resources", idle)):
            body = {**tenancy.period, "at": plan["at"], kind: [user["id"]]}
            assert "automatic" in problem(tenancy.api.post("/undo", json=body), 403)
    else:
        assert "automatic provisioning is off" in problem(tenancy.restore(gone, 0), 403)
        assert "automatic deprovisioning is off" in problem(tenancy.restore(idle, 0), 403)
    assert tenancy.active() == before == {made["id"], idle["id"]}
    assert all(row["document"]["attempted"] == way for row in tenancy.audited("refuse"))


@pytest.mark.parametrize("way", ["undo", "restore"])
def test_an_explicit_override_is_recorded_in_the_audit_log(tenancy, way):
    user = tenancy.user(active=False)
    tenancy.scim.patch(f"/Users/{user['id']}", json=replace("active", True))
    settings(tenancy, guardMode="hold", guardShare=0, guardLeast=0, automaticDeprovisioning=False)
    done = tenancy.undo if way == "undo" else lambda **more: tenancy.restore(user, 0, **more)
    problem(done(), 403)
    problem(done(override=False), 403)
    assert "override" in problem(done(override="true"), 400)
    assert tenancy.audited("override") == []
    assert done(override=True).status_code == 200
    assert tenancy.active() == set()
    overrides = tenancy.audited("override")
    assert [row["document"] for row in overrides] == [{"attempted": way, "resources": [user["id"]]}]


@pytest.mark.parametrize(
    ("permissions", "status"),
    [((RESTORE,), 403), ((RESTORE, SCIM, AUDIT), 403), ((RESTORE, SETTINGS), 200), ((ADMIN,), 200)],
)
def test_an_override_needs_the_permission_to_change_settings(fresh, permissions, status):
    tenancy = Tenancy(fresh, *permissions)
    tenancy.user()
    settings(tenancy, guardMode="hold", guardShare=0, guardLeast=0)
    assert tenancy.undo(override=True).status_code == status


def test_restoring_a_group_is_not_affected_by_the_guard_and_the_switches(tenancy):
    user = tenancy.user()
    crew = tenancy.scim.post("/Groups", json=group("Crew", user)).json()
    tenancy.scim.delete(f"/Groups/{crew['id']}")
    settings(
        tenancy,
        guardMode="hold",
        guardShare=0,
        guardLeast=0,
        automaticProvisioning=False,
        automaticDeprovisioning=False,
    )
    assert tenancy.restore(crew, 0).status_code == 200
    assert (
        tenancy.tenant.scim.get(f"/Groups/{crew['id']}").json()["members"][0]["value"] == user["id"]
    )


def test_restore_returns_the_groups_of_a_user_whose_deletion_was_held_first(tenancy):
    """Notes after the last write in the audit log are not taken for writes."""
    user = tenancy.user()
    crew = tenancy.scim.post("/Groups", json=group("Crew", user)).json()
    settings(tenancy, guardMode="hold", guardShare=0, guardLeast=0)
    assert tenancy.scim.delete(f"/Users/{user['id']}").status_code == 403
    assert tenancy.tenant.api.post(f"/guard/{user['id']}/let").status_code == 204
    tenancy.tenant.api.post("/roles", json={"name": user["id"], "permissions": [SCIM]})
    assert tenancy.restore(user, 0).status_code == 200
    assert [
        found["value"] for found in tenancy.tenant.scim.get(f"/Users/{user['id']}").json()["groups"]
    ] == [crew["id"]]
