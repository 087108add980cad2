"""Every way to write, against the guard, the switches and the permissions.

A user loses access by being deactivated or deleted, and gains it by being created or activated. Whatever way a request takes,
the guard and the switches hold; an administrator's explicit act passes them, and the audit log has it.
"""

import re
from datetime import UTC, datetime, timedelta

import pytest

from muster.access.permissions import ADMIN, RESTORE, SCIM, SETTINGS
from muster.scim.bulk import BULK_REQUEST
from tests.support.people import name, patch, person, replace
from tests.support.tenant import Tenant
from tests.support.waiting import this_moment

HELD, FREE = {"guardMode": "hold", "guardShare": 0, "guardLeast": 0}, {"guardMode": "off"}
OFF = {"automaticProvisioning": False, "automaticDeprovisioning": False}
ON = {"automaticProvisioning": True, "automaticDeprovisioning": True}


class Place:
    """A workspace with a provisioning key bound to a user, and an administrator."""

    def __init__(self, tenant):
        self.tenant, self.api, self.scim = tenant, tenant.api, tenant.scim
        self.settings(**FREE, **ON)

    def settings(self, **given):
        assert self.api.patch("/settings", json=given).status_code == 200

    def user(self, active=True):
        made = self.scim.post("/Users", json=person(active=active))
        assert made.status_code == 201, made.text
        return made.json()

    def provider(self, user=None):
        """Create a key with the SCIM permission; return its id and clients of both APIs."""
        body = {
            "name": name("provider"),
            "permissions": [SCIM],
            **({"user": user["id"]} if user else {}),
        }
        made = self.api.post("/keys", json=body).json()
        return (
            made["id"],
            self.tenant.client(made["token"], "/scim/v2"),
            self.tenant.client(made["token"], "/api/v1"),
        )

    def has_access(self, user):
        found = self.scim.get(f"/Users/{user['id']}")
        return found.status_code == 200 and found.json().get("active") is not False

    def change(self, user, number):
        rows = [
            row for row in self.api.get(f"/history/{user['id']}").json()["items"] if row["version"]
        ]
        return rows[-1 - number]["change"]

    def undo(self, key, user, **more):
        period = {
            "since": datetime.now(UTC) - timedelta(hours=1),
            "until": datetime.now(UTC) + timedelta(hours=1),
        }
        asked = {"key": key, **{when: moment.isoformat() for when, moment in period.items()}}
        plan = self.api.get("/undo", params=asked).json()
        step = next(step for step in plan["resources"] if step["id"] == user["id"])
        selected = "deletions" if step["action"] == "delete" else "resources"
        body = {**asked, "at": plan["at"], selected: [user["id"]], **more}
        return self.api.post("/undo", json=body)

    def actions(self):
        return [
            row["action"] for row in self.api.get("/audit", params={"limit": 1000}).json()["rows"]
        ]


@pytest.fixture(scope="module")
def place(server):
    with Tenant(server) as tenant:
        yield Place(tenant)


def bulk(client, method, path, data=None):
    operation = {
        "method": method,
        "path": path,
        **({"bulkId": "x"} if method == "POST" else {}),
        **({"data": data} if data else {}),
    }
    answer = client.post("/Bulk", json={"schemas": [BULK_REQUEST], "Operations": [operation]})
    return int(answer.json()["Operations"][0]["status"])


def inactive(user):
    return {**person(user["userName"]), "active": False}


# Each prepares without guard and switches, and answers the user and the act.


def by_scim(act):
    def prepare(place):
        user = place.user()
        _, scim, _ = place.provider(user)
        return user, lambda: act(scim, user, f"/Users/{user['id']}")

    return prepare


def undone(deleting, **more):
    """Undoing that a key created a user, or activated one."""

    def prepare(place):
        key, scim, _ = place.provider()
        if deleting:
            user = scim.post("/Users", json=person()).json()
        else:
            user = place.user(active=False)
            scim.patch(f"/Users/{user['id']}", json=replace("active", True))
        return user, lambda: place.undo(key, user, **more).status_code

    return prepare


def restored(by_time, **more):
    def prepare(place):
        user = place.user(active=False)
        then = f"{this_moment()}Z"
        chosen = {"time": then} if by_time else {"change": place.change(user, 0)}
        place.scim.patch(f"/Users/{user['id']}", json=replace("active", True))
        return (
            user,
            lambda: (
                place.api.post(
                    f"/history/{user['id']}/restore", json={**chosen, **more}
                ).status_code
            ),
        )

    return prepare


def let_through(place):
    user = place.user()
    place.settings(**HELD)
    assert place.scim.delete(f"/Users/{user['id']}").status_code == 403
    place.settings(**FREE)
    return user, lambda: place.api.post(f"/guard/{user['id']}/let").status_code


def wiped(place):
    user = place.user()
    return user, lambda: place.api.post("/wipe", json={"workspace": place.tenant.name}).status_code


LOSING = {
    "DELETE": by_scim(lambda scim, user, path: scim.delete(path).status_code),
    "PATCH": by_scim(
        lambda scim, user, path: scim.patch(path, json=replace("active", False)).status_code
    ),
    "PATCH without a path": by_scim(
        lambda scim, user, path: (
            scim.patch(path, json=patch({"op": "Add", "value": {"active": "False"}})).status_code
        )
    ),
    "PUT": by_scim(lambda scim, user, path: scim.put(path, json=inactive(user)).status_code),
    "DELETE /Me": by_scim(lambda scim, user, path: scim.delete("/Me").status_code),
    "PATCH /Me": by_scim(
        lambda scim, user, path: scim.patch("/Me", json=replace("active", False)).status_code
    ),
    "PUT /Me": by_scim(lambda scim, user, path: scim.put("/Me", json=inactive(user)).status_code),
    "bulk DELETE": by_scim(lambda scim, user, path: bulk(scim, "DELETE", path)),
    "bulk PATCH": by_scim(
        lambda scim, user, path: bulk(scim, "PATCH", path, replace("active", False))
    ),
    "bulk PUT": by_scim(lambda scim, user, path: bulk(scim, "PUT", path, inactive(user))),
    "undo of a creation": undone(True),
    "undo of an activation": undone(False),
    "restore": restored(False),
    "restore to a time": restored(True),
}
"""The ways to take a user's access."""
EXPLICIT = {
    "undo of a creation": (undone(True, override=True), "override", True),
    "undo of an activation": (undone(False, override=True), "override", True),
    "restore": (restored(False, override=True), "override", True),
    "restore to a time": (restored(True, override=True), "override", True),
    "guard": (let_through, "let", False),
    "wipe": (wiped, "wipe", True),
}
"""An administrator's explicit acts: how the audit log has them, and whether they pass the switches too."""


@pytest.mark.parametrize("rules", [HELD, OFF, {**HELD, **OFF}], ids=["guard", "switches", "both"])
@pytest.mark.parametrize("way", LOSING)
def test_every_write_path_honours_guard_and_switches(place, way, rules):
    place.settings(**FREE, **ON)
    user, act = LOSING[way](place)
    place.settings(**rules)
    assert act() == 403
    assert place.has_access(user)
    place.settings(**FREE, **ON)
    assert act() in (200, 204)
    assert not place.has_access(user)


@pytest.mark.parametrize("way", EXPLICIT)
def test_explicit_acts_of_administrators_pass_and_are_audited(place, way):
    prepare, action, passes_switches = EXPLICIT[way]
    place.settings(**FREE, **ON)
    user, act = prepare(place)
    before = place.actions().count(action)
    place.settings(**HELD, **(OFF if passes_switches else {}))
    assert act() in (200, 204)
    assert not place.has_access(user)
    assert place.actions().count(action) == before + 1
    place.settings(**FREE, **ON)


def test_approving_held_changes_honours_the_switches(place):
    place.settings(**FREE, **ON)
    user, act = let_through(place)
    place.settings(**OFF)
    assert act() == 403
    assert place.has_access(user)
    place.settings(**ON)


def created(place):
    _, scim, _ = place.provider()
    return lambda: scim.post("/Users", json=person()).status_code


def created_in_bulk(place):
    _, scim, _ = place.provider()
    return lambda: bulk(scim, "POST", "/Users", person())


def created_by_undo(place):
    key, scim, _ = place.provider()
    user = place.user()
    scim.delete(f"/Users/{user['id']}")
    return lambda: place.undo(key, user).status_code


def created_by_restore(place):
    user = place.user()
    change = place.change(user, 0)
    place.scim.delete(f"/Users/{user['id']}")
    return lambda: (
        place.api.post(f"/history/{user['id']}/restore", json={"change": change}).status_code
    )


@pytest.mark.parametrize("prepare", [created, created_in_bulk, created_by_undo, created_by_restore])
def test_every_creating_path_honours_the_switch(place, prepare):
    place.settings(**FREE, **ON)
    act = prepare(place)
    place.settings(**OFF)
    count = place.scim.get("/Users?count=0").json()["totalResults"]
    assert act() == 403
    assert place.scim.get("/Users?count=0").json()["totalResults"] == count
    place.settings(**ON)
    assert act() in (200, 201)
    assert place.scim.get("/Users?count=0").json()["totalResults"] == count + 1


NEEDS = {
    ("POST", "/undo"): RESTORE,
    ("POST", "/history/{id}/restore"): RESTORE,
    ("POST", "/guard/{id}/let"): SETTINGS,
    ("POST", "/guard/selection"): SETTINGS,
    ("POST", "/wipe"): ADMIN,
}
"""The operations of the management API that write resources, and what they need. SCIM needs the SCIM permission."""
CONFIGURE = {
    "/settings", "/keys", "/keys/{id}", "/keys/{id}/rotate", "/scim/role-mappings", "/scim/role-mappings/{id}", "/roles",
    "/roles/{name}", "/open-id-connector", "/schemas", "/schemas/{urn}", "/resource-types", "/resource-types/{name}", "/webhooks",
    "/webhooks/{id}", "/webhooks/{id}/rotate", "/webhooks/{id}/redeliver", "/webhooks/{id}/test",
    "/guard/{id}/keep", "/protected-users/{id}", "/passwords/verify", "/schemas/preview", "/scim/role-mappings/preview",
    "/doctor/{id}/resolve", "/doctor/{id}/reopen", "/ip-allowlist/validate", "/setup-links", "/setup-links/{id}", "/connections", "/connections/{id}", "/connections/{id}/pause",
    "/connections/{id}/resume", "/connections/{id}/oauth-clients", "/connections/{id}/oauth-clients/{client}",
    "/connections/{id}/oauth-clients/{client}/rotate", "/connections/{id}/trusts", "/connections/{id}/trusts/{trust}",
}  # fmt: skip
"""Those that write no resource."""


def test_every_writing_operation_is_classified(place):
    document = place.api.get(f"{place.tenant.server.url}/openapi.json").json()
    writes = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, item in document["paths"].items()
        for method in item
        if path.startswith("/api/v1/")
        and not path.startswith("/api/v1/platform/")
        and method in ("post", "put", "patch", "delete")
    }
    assert {route for route in writes if route[1] not in CONFIGURE} == NEEDS.keys()
    scim = {
        (method.upper(), re.sub("Groups|Users", "{type}", path.removeprefix("/scim/v2")))
        for path, item in document["paths"].items()
        for method in item
        if path.startswith("/scim/v2")
        and method in ("post", "put", "patch", "delete")
        and "search" not in path
    }
    assert scim == {
        ("POST", "/{type}"), ("PUT", "/{type}/{id}"), ("PATCH", "/{type}/{id}"), ("DELETE", "/{type}/{id}"), ("POST", "/Bulk"),
    }  # fmt: skip


@pytest.mark.parametrize("route", NEEDS)
def test_a_provisioning_key_writes_only_through_scim(place, route):
    place.settings(**FREE, **ON)
    user = place.user()
    _, _, api = place.provider()
    method, path = route
    answer = api.request(
        method, path.replace("{id}", user["id"]), json={"workspace": place.tenant.name}
    )
    assert answer.status_code == 403
    assert place.has_access(user)


@pytest.mark.parametrize("act", ["undo", "restore"])
def test_only_administrators_can_override(place, act):
    """A key with Undo & Restore, but not Configure Settings, cannot override."""
    place.settings(**FREE, **ON)
    user, _ = (undone(True) if act == "undo" else restored(False))(place)
    place.settings(**HELD)
    made = place.api.post("/keys", json={"name": name("k"), "permissions": [RESTORE, SCIM]}).json()
    api = place.tenant.client(made["token"], "/api/v1")
    if act == "restore":
        body = {"change": place.change(user, 0), "override": True}
        answer = api.post(f"/history/{user['id']}/restore", json=body)
    else:
        now = datetime.now(UTC)
        period = {
            "since": (now - timedelta(hours=1)).isoformat(),
            "until": (now + timedelta(hours=1)).isoformat(),
        }
        body = {
            "key": made["id"],
            **period,
            "at": place.change(user, 0),
            "resources": [user["id"]],
            "override": True,
        }
        answer = api.post("/undo", json=body)
    assert (answer.status_code, SETTINGS in answer.text) == (403, True)
    assert place.has_access(user)
