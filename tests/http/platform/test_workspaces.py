"""Workspaces over the platform API: create, list, change, suspend, delete and restore."""

import httpx
import pytest

from tests.support.people import person
from tests.support.platform import Platform, label
from tests.support.tenant import Tenant, problem
from tests.support.waiting import until


@pytest.fixture
def tenant(server):
    with Tenant(server) as made:
        yield made


def get(platform, called):
    answer = platform.api.get(f"/workspaces/{called}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def act(platform, called, action, **body):
    answer = platform.api.post(f"/workspaces/{called}/{action}", json=body or None)
    assert answer.status_code == 200, answer.text
    return answer.json()


def delete(platform, called):
    answer = platform.api.delete(f"/workspaces/{called}", params={"confirm": called})
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_a_workspace_is_created_with_its_names_and_settings(platform):
    called = label("acme")
    body = {"name": called, "displayName": " Acme, Inc. ", "contract": "cortex", "strict": True}
    made = platform.api.post("/workspaces", json=body)
    assert made.status_code == 201
    assert made.headers["location"] == f"/api/v1/platform/workspaces/{called}"
    found = get(platform, called)
    assert found == made.json()
    assert (found["displayName"], found["state"]) == ("Acme, Inc.", "active")
    assert (found["settings"]["contract"], found["settings"]["strict"]) == ("cortex", True)
    assert found["consoleUrl"].endswith(f"/w/{called}")
    taken = platform.api.post("/workspaces", json=body)
    assert "exists already" in problem(taken, 409)
    assert taken.json()["errors"][0]["pointer"] == "/name"


@pytest.mark.parametrize("called", ["", "A", "-a", "a b", "a/b", "ä", "a" * 63 + "b"])
def test_a_name_that_no_workspace_can_have_is_refused(platform, called):
    refused = platform.api.post("/workspaces", json={"name": called})
    problem(refused, 400)
    assert refused.json()["errors"][0]["pointer"] == "/name"


def test_workspaces_are_listed_by_name_prefix_and_state(platform):
    prefix = label("list")
    made = [platform.workspace(name=f"{prefix}{end}") for end in ("", "-b", "-a", "_", "0")]
    platform.workspace(name=f"x{prefix}")
    act(platform, made[1], "suspend")
    delete(platform, made[2])

    def listed(**given):
        names, cursor = [], ""
        while cursor is not None:
            page = platform.api.get(
                "/workspaces", params={"name": prefix, "limit": 2, "cursor": cursor, **given}
            ).json()
            names += [item["name"] for item in page["items"]]
            assert len(page["items"]) <= 2
            cursor = page["nextCursor"]
        return names

    assert listed() == sorted(made)
    assert listed(state="suspended") == [made[1]]
    assert listed(state="deleted") == [made[2]]
    assert listed(state="active") == sorted({*made} - {made[1], made[2]})
    assert listed(state="erasing") == []
    problem(platform.api.get("/workspaces", params={"cursor": "x"}), 400)
    problem(platform.api.get("/workspaces", params={"state": "x"}), 400)
    problem(platform.api.get("/workspaces", params={"nobody": "x"}), 400)


def test_names_and_settings_change(platform):
    called, new = platform.workspace(), label("new")
    changed = platform.api.patch(
        f"/workspaces/{called}", json={"displayName": "New", "guardMode": "hold", "name": new}
    ).json()
    assert (changed["name"], changed["displayName"]) == (new, "New")
    assert changed["settings"]["guardMode"] == "hold"
    assert get(platform, called) == changed  # by its former name
    other = platform.workspace()
    refused = platform.api.patch(f"/workspaces/{other}", json={"name": new, "guardShare": 1})
    problem(refused, 409)
    assert get(platform, other)["settings"]["guardShare"] == 10
    assert refused.json()["errors"][0]["pointer"] == "/name"
    kept = platform.api.patch("/workspaces/default", json={"name": label("d")})
    problem(kept, 403)
    assert kept.json()["errors"][0]["pointer"] == "/name"


def test_a_change_that_is_refused_in_part_changes_nothing(platform):
    """SCIM with OAuth alone needs a credential for it, which this workspace does not have."""
    called, new = platform.workspace(), label("new")
    before = get(platform, called)
    body = {"name": new, "displayName": "New", "guardShare": 1, "scimCredentials": "oauth"}
    refused = platform.api.patch(f"/workspaces/{called}", json=body)
    assert "no OAuth client" in problem(refused, 409)
    assert get(platform, called) == before
    assert platform.api.get(f"/workspaces/{new}").status_code == 404


def test_a_change_is_recorded_with_the_platform_key_in_both_logs(platform):
    called, new = platform.workspace(), label("new")
    body = {"name": new, "displayName": "New", "guardShare": 1}
    platform.api.patch(f"/workspaces/{called}", json=body).raise_for_status()
    platform.api.patch(f"/workspaces/{called}", json=body).raise_for_status()  # nothing changes
    wanted = {"type": "Workspace", "actor": platform.key.actor, "limit": 1000}
    rows = platform.api.get("/audit", params=wanted).json()["items"]
    [made] = [
        row for row in rows if row["document"].get("name") == called and row["action"] == "create"
    ]
    told = [row for row in rows if row["resource"] == made["resource"]]
    assert [row["action"] for row in told] == ["create", "rename", "update"]
    assert {row["actor"] for row in told} == {platform.key.actor}
    key = platform.api.post(f"/workspaces/{new}/keys", json={"name": "k", "permissions": ["Admin"]})
    with platform.client(key.json()["token"], "/api/v1") as api:
        own = api.get("/audit", params={"limit": 1000}).json()["items"]
    own = [(row["type"], row["action"]) for row in own if row["type"] != "ApiKey"]
    assert own == [("Settings", "update"), ("Workspace", "rename"), ("Workspace", "update")]


@pytest.mark.parametrize("reason", ["a\nb", "\x1b[0m", "\x7f", "a\n"])
def test_the_reason_for_a_suspension_is_a_line(platform, tenant, reason):
    answer = platform.api.post(f"/workspaces/{tenant.name}/suspend", json={"reason": reason})
    assert "reason: expected text in a line, without control characters" in problem(answer, 400)
    assert get(platform, tenant.name)["state"] == "active"


def test_a_suspended_workspace_answers_no_program_and_keeps_its_keys(platform, tenant):
    user = tenant.user()
    found = act(platform, tenant.name, "suspend", reason="The invoice is overdue.")
    assert (found["state"], found["suspended"]["reason"]) == (
        "suspended",
        "The invoice is overdue.",
    )
    for client, path, body in (
        (tenant.scim, "/Users", None),
        (tenant.scim, "/Users", person()),
        (tenant.scim, f"/Users/{user['id']}", None),
        (tenant.api, "/settings", None),
    ):
        refused = client.post(path, json=body) if body else client.get(path)
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "3600"
        assert "The invoice is overdue" in refused.json()["detail"]
    again = act(platform, tenant.name, "suspend", reason="Other")
    assert again["suspended"] == {"since": found["suspended"]["since"], "reason": "Other"}
    assert act(platform, tenant.name, "resume")["suspended"] is None
    assert tenant.scim.get(f"/Users/{user['id']}").status_code == 200
    assert tenant.scim.get("/Users").json()["totalResults"] == 1
    assert act(platform, tenant.name, "resume")["state"] == "active"


def test_a_deleted_workspace_is_restored_with_all_of_its_data(platform, tenant):
    user = tenant.user()
    act(platform, tenant.name, "suspend")
    for given in ({}, {"confirm": "x"}):
        refused = platform.api.delete(f"/workspaces/{tenant.name}", params=given)
        assert tenant.name in problem(refused, 400)
        assert refused.json()["errors"][0]["pointer"] == "/confirm"
    found = delete(platform, tenant.name)
    assert found["state"] == "deleted"
    assert found["deleted"]["until"] > found["deleted"]["since"]
    assert delete(platform, tenant.name) == found
    refused = tenant.scim.get("/Users")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "3600")
    for action in ("suspend", "resume"):
        problem(platform.api.post(f"/workspaces/{tenant.name}/{action}"), 409)
    problem(platform.api.patch(f"/workspaces/{tenant.name}", json={"displayName": "x"}), 409)
    problem(platform.api.post("/workspaces", json={"name": tenant.name}), 409)
    assert act(platform, tenant.name, "restore")["state"] == "suspended"
    act(platform, tenant.name, "resume")
    assert tenant.scim.get(f"/Users/{user['id']}").status_code == 200


def test_the_default_workspace_is_not_deleted(platform):
    refused = platform.api.delete("/workspaces/default", params={"confirm": "default"})
    assert "every start" in problem(refused, 409)


def test_every_act_is_in_the_audit_log_of_the_workspace(platform, tenant):
    act(platform, tenant.name, "suspend", reason="why")
    act(platform, tenant.name, "resume")
    delete(platform, tenant.name)
    act(platform, tenant.name, "restore")
    rows = tenant.api.get("/audit", params={"limit": 100}).json()["items"]
    mine = [row for row in rows if row["actor"] == platform.key.actor]
    assert [row["action"] for row in mine] == ["suspend", "resume", "delete", "restore"]
    assert mine[0]["document"]["reason"] == "why"
    assert all(row["requestId"] and row["address"] for row in mine)


def test_a_revoked_platform_key_opens_nothing(server):
    made = Platform(server)
    assert made.api.get("/workspaces").status_code == 200
    made.close()
    with httpx.Client(headers={"Authorization": f"Bearer {made.token}"}) as client:
        path = f"{server.url}/api/v1/platform/workspaces"
        until(lambda: client.get(path).status_code == 401)  # PostgreSQL: within a second
        problem(client.get(path), 401)
