"""The feed and webhooks of all workspaces."""

import json

import pytest

from muster.storage.port.items import INSTALLATION, TRIM_KIND, TRIMMED_OF_ALL, Item
from tests.http.management.test_webhooks import _served
from tests.support.people import replace
from tests.support.tenant import Tenant, problem


@pytest.fixture(scope="module")
def tenants(server):
    with Tenant(server) as one, Tenant(server) as other:
        yield one, other


def page(platform, **given):
    answer = platform.api.get("/changes", params=given)
    assert answer.status_code == 200, answer.text
    return answer.json()


def mine(found, *tenants):
    names = {tenant.name for tenant in tenants}
    return [item for item in found["items"] if item["workspace"] in names]


def test_events_of_all_workspaces_come_in_one_order(platform, tenants):
    one, other = tenants
    start = page(platform, cursor="end")
    assert (start["items"], start["more"]) == ([], False)
    users = [one.user(), other.user(), one.user()]
    one.scim.patch(f"/Users/{users[0]['id']}", json=replace("active", False))
    items, cursor = [], start["nextCursor"]
    while len(items) < 5:
        found = page(platform, cursor=cursor, limit=2, wait=10)
        items, cursor = items + mine(found, one, other), found["nextCursor"]
    assert [(item["workspace"], item["type"]) for item in items] == [
        (one.name, "user.created"),
        (other.name, "user.created"),
        (one.name, "user.created"),
        (one.name, "user.updated"),
        (one.name, "user.deactivated"),
    ]
    assert items[1]["resource"]["userName"] == users[1]["userName"]
    assert len({item["id"] for item in items}) == 5
    again = page(platform, cursor=start["nextCursor"], limit=1000)
    assert mine(again, one, other) == items


def test_a_client_waits_for_the_next_event(platform, tenants):
    _, other = tenants
    cursor = page(platform, cursor="end")["nextCursor"]
    assert mine(page(platform, cursor=cursor, wait=0), other) == []
    other.user()
    assert len(mine(page(platform, cursor=cursor, wait=30), other)) == 1


def test_a_cursor_of_a_workspace_is_none_of_the_feed(platform, tenants):
    cursor = tenants[0].api.get("/changes").json()["nextCursor"]
    for wrong in (cursor, "x", "é"):
        refused = platform.api.get("/changes", params={"cursor": wrong})
        problem(refused, 400)
        assert refused.json()["errors"][0]["pointer"] == "/cursor"


def test_a_cursor_before_trimmed_changes_is_gone(platform, tenants, server):
    cursor = page(platform, cursor="end")["nextCursor"]
    tenants[0].user()

    async def trim(storage):
        body = {"sequence": await storage.settled_change()}
        await storage.administer([Item(INSTALLATION, TRIM_KIND, TRIMMED_OF_ALL, body)])

    async def forget(storage):
        await storage.administer([Item(INSTALLATION, TRIM_KIND, TRIMMED_OF_ALL, None)])

    server.administer(trim)
    try:
        problem(platform.api.get("/changes", params={"cursor": cursor}), 410)
        assert mine(page(platform), *tenants) == []
    finally:
        server.administer(forget)


def test_a_webhook_gets_the_events_of_all_workspaces_with_their_names(platform, tenants):
    one, other = tenants
    with _served() as endpoint:
        made = platform.api.post("/webhooks", json={"url": endpoint.url, "events": ["user.*"]})
        assert made.status_code == 201, made.text
        path = made.headers["location"].removeprefix("/api/v1/platform")
        try:
            users = [one.user(), other.user()]

            def got():
                bodies = [json.loads(body) for _, body in endpoint.wait(2)]
                return [b for b in bodies if b["data"]["workspace"] in (one.name, other.name)]

            assert [
                (body["type"], body["data"]["workspace"], body["data"]["resourceId"])
                for body in got()
            ] == [
                ("user.created", one.name, users[0]["id"]),
                ("user.created", other.name, users[1]["id"]),
            ]
            assert platform.api.get(path).json()["enabled"]
            assert len(platform.api.get(f"{path}/deliveries").json()["items"]) >= 2
        finally:
            assert platform.api.delete(path).status_code == 204
    assert one.api.get("/webhooks").json()["items"] == []


def test_the_audit_log_of_the_platform_has_its_acts(platform):
    called = platform.workspace()
    platform.api.post(f"/workspaces/{called}/suspend")
    rows, cursor = [], ""
    while True:
        found = platform.api.get(
            "/audit", params={"cursor": cursor, "actor": platform.key.actor, "limit": 1000}
        ).json()
        rows, cursor = rows + found["items"], found["nextCursor"]
        if not found["more"]:
            break
    acts = [row["action"] for row in rows if row["document"].get("name") == called]
    assert acts == ["create", "suspend"]
