"""The keys, connections and set-up links of one workspace over the platform API."""

import httpx
import pytest

from muster.access.permissions import SCIM
from tests.support.people import name, person
from tests.support.tenant import Tenant, problem


@pytest.fixture(scope="module")
def tenants(server):
    with Tenant(server) as one, Tenant(server) as other:
        yield one, other


def test_a_workspace_gets_a_connection_and_a_key_that_works(platform):
    called = platform.workspace()
    made = platform.api.post(
        f"/workspaces/{called}/connections", json={"name": "Okta", "provider": "okta"}
    )
    connection = made.json()["id"]
    assert (
        made.headers["location"] == f"/api/v1/platform/workspaces/{called}/connections/{connection}"
    )
    assert (
        platform.api.get(made.headers["location"].removeprefix("/api/v1/platform")).json()
        == made.json()
    )
    key = platform.api.post(
        f"/workspaces/{called}/keys", json={"name": "Okta", "connection": connection}
    )
    assert key.status_code == 201
    found = key.json()
    assert (found["permissions"], found["connection"]) == ([SCIM], connection)
    assert key.headers["location"].endswith(f"/workspaces/{called}/keys/{found['id']}")
    with platform.client(found["token"], "/scim/v2") as scim:
        assert scim.post("/Users", json=person()).status_code == 201
    path = f"/workspaces/{called}/keys/{found['id']}"
    assert platform.api.patch(path, json={"rateLimit": 5}).json()["rateLimit"] == 5
    assert platform.api.post(f"{path}/rotate").status_code == 201
    assert len(platform.api.get(f"/workspaces/{called}/keys").json()["items"]) == 2
    paused = platform.api.post(f"/workspaces/{called}/connections/{connection}/pause").json()
    assert paused["state"] == "paused"
    client = platform.api.post(
        f"/workspaces/{called}/connections/{connection}/oauth-clients",
        json={"name": "Entra", "auth": "client_secret"},
    )
    assert client.json()["clientSecret"]


def test_one_workspace_is_no_way_into_another(platform, tenants):
    one, other = tenants
    key = one.api.post("/keys", json={"name": name("k")}).json()["id"]
    connection = one.api.post("/connections", json={"name": name("c")}).json()["id"]
    link = one.api.post("/setup-links", json={}).json()["id"]
    for method, path in (
        ("GET", f"keys/{key}"), ("PATCH", f"keys/{key}"), ("DELETE", f"keys/{key}"),
        ("POST", f"keys/{key}/rotate"), ("GET", f"connections/{connection}"),
        ("POST", f"connections/{connection}/pause"), ("GET", f"connections/{connection}/trusts"),
        ("GET", f"setup-links/{link}"), ("DELETE", f"setup-links/{link}"),
    ):  # fmt: skip
        body = {"json": {}} if method in ("POST", "PATCH") else {}
        refused = platform.api.request(method, f"/workspaces/{other.name}/{path}", **body)
        problem(refused, 404)
    refused = platform.api.post(
        f"/workspaces/{other.name}/keys", json={"name": "k", "connection": connection}
    )
    problem(refused, 400)
    refused = platform.api.post(
        f"/workspaces/{other.name}/setup-links", json={"connection": connection}
    )
    problem(refused, 400)
    assert one.api.get(f"/keys/{key}").json()["status"] == "active"
    assert one.api.get(f"/setup-links/{link}").json()["state"] == "new"


def test_the_audit_log_of_the_workspace_names_the_platform_key(platform, tenants):
    one, _ = tenants
    made = platform.api.post(f"/workspaces/{one.name}/keys", json={"name": name("audited")})
    rows = one.api.get("/audit", params={"type": "ApiKey", "limit": 1000}).json()["items"]
    (row,) = [row for row in rows if row["resource"] == made.json()["id"]]
    assert (row["actor"], row["action"]) == (platform.key.actor, "create")
    assert row["requestId"] == made.headers["x-request-id"]


def test_a_repeated_request_for_a_key_gets_the_same_token(platform):
    called, headers = platform.workspace(), {"idempotency-key": name("key")}
    answers = [
        platform.api.post(f"/workspaces/{called}/keys", json={"name": "k"}, headers=headers)
        for _ in range(2)
    ]
    assert answers[0].json()["token"] == answers[1].json()["token"]
    assert len(platform.api.get(f"/workspaces/{called}/keys").json()["items"]) == 1


def test_a_deleted_workspace_gets_nothing_new(platform):
    called = platform.workspace()
    platform.api.delete(f"/workspaces/{called}", params={"confirm": called})
    for path in ("keys", "connections"):
        problem(platform.api.post(f"/workspaces/{called}/{path}", json={"name": "k"}), 409)
    problem(platform.api.post(f"/workspaces/{called}/setup-links", json={}), 409)
    problem(platform.api.post(f"/workspaces/{called}/invitations"), 409)


def test_a_customer_gets_a_link_to_set_up_the_connection(platform):
    called, other = platform.workspace(), platform.workspace()
    made = platform.api.post(f"/workspaces/{called}/setup-links", json={"expiresInDays": 7})
    assert made.status_code == 201, made.text
    (found,) = platform.api.get(f"/workspaces/{called}/setup-links").json()["items"]
    assert found["id"] == made.json()["id"]
    assert platform.api.get(f"/workspaces/{other}/setup-links").json()["items"] == []
    assert platform.api.delete(f"/workspaces/{other}/setup-links/{found['id']}").status_code == 404
    assert platform.api.delete(f"/workspaces/{called}/setup-links/{found['id']}").status_code == 204


def test_a_set_up_link_for_a_connection_of_a_new_workspace(platform):
    called = platform.workspace()
    root = f"/workspaces/{called}/setup-links"
    connection = platform.api.post(
        f"/workspaces/{called}/connections", json={"name": "Okta", "provider": "okta"}
    ).json()["id"]
    terms = {"connection": connection, "expiresInDays": 3, "returnUrl": "https://app.example/"}
    headers = {"idempotency-key": name("link")}
    answers = [platform.api.post(root, json=terms, headers=headers) for _ in range(2)]
    made = answers[0].json()
    assert answers[0].status_code == 201
    assert answers[1].json() == made  # one link, with the same URL
    location = answers[0].headers["location"]
    assert location == f"/api/v1/platform{root}/{made['id']}"
    assert (made["provider"], made["connection"]) == ("okta", connection)
    assert made["createdBy"] == platform.key.actor
    opened = httpx.get(made["url"], timeout=30)
    assert (opened.status_code, opened.headers["location"]) == (303, "/setup")
    assert platform.api.get(f"{root}/{made['id']}").json()["state"] == "opened"
    assert [each["id"] for each in platform.api.get(root).json()["items"]] == [made["id"]]
    assert platform.api.delete(f"{root}/{made['id']}").status_code == 204
    assert httpx.get(made["url"], timeout=30).status_code == 410
    problem(platform.api.delete(f"{root}/unknown"), 404)
