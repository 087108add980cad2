"""The live check of the Connect page: per provider, with successes and 401s."""

import httpx
import pytest

from muster.access.keys import KeyOptions, Keys
from muster.access.permissions import SCIM
from tests.support.people import name, person
from tests.support.server import Server
from tests.support.tenant import Tenant, administer
from tests.support.waiting import until

BAD = {"filter": "nonsense"}


def key_named(tenant, title):
    """The token and the id of a new key."""

    async def work(storage):
        workspace = await storage.find_workspace(tenant.name)
        token, record = await Keys(storage).create(workspace, title, KeyOptions((SCIM,)))
        return token, record.id

    return administer(tenant.server, work)


def check(root, tenant, provider):
    return root.http.get(
        f"/w/{tenant.name}/connect/{provider}", headers={"hx-request": "true"}
    ).text


def test_a_successful_read_after_a_refusal_turns_the_check_green(root, fresh):
    for _ in range(2):
        assert fresh.scim.get("/Users", params=BAD).status_code == 400
        assert until(lambda: "request failed" in check(root, fresh, "okta"))
        assert fresh.scim.get("/Users", params={"count": 1}).status_code == 200
        assert until(lambda: "Connected." in check(root, fresh, "okta"))
    assert [item["status"] for item in fresh.recorded(4)] == [200, 400, 200, 400]


@pytest.mark.parametrize("by", ["key", "agent"])
def test_each_provider_has_its_own_live_check(root, fresh, by):
    agents = {
        "okta": "Okta SCIM Client 1.0.0",
        "entra": "Microsoft-Entra/1.0",
        "onelogin": "OneLogin SCIM Client",
        "google": "Google",
    }
    clients = {}
    for provider, agent in agents.items():
        token, _ = key_named(fresh, provider.upper() if by == "key" else name("key"))
        clients[provider] = fresh.client(token, "/scim/v2")
        if by == "agent":
            clients[provider].headers["user-agent"] = agent
    for provider in ("okta", "onelogin"):
        assert clients[provider].get("/Users", params=BAD).status_code == 400
    for provider in ("entra", "google"):
        assert clients[provider].post("/Users", json=person()).status_code == 201
    fresh.recorded(4)
    for provider in agents:
        shown = check(root, fresh, provider)
        assert ("request failed" in shown) == (provider in ("okta", "onelogin")), provider
        assert ("Connected." in shown) == (provider in ("entra", "google")), provider
        assert shown.count("<tr>") == 2
    if by == "key":
        assert "No requests yet" in check(root, fresh, "other")


def test_an_invalid_key_is_shown_in_the_right_workspace(root, fresh):
    token, key_id = key_named(fresh, "okta")
    wrong = fresh.client(token[:-3] + "abc", "/scim/v2")
    assert wrong.get("/Users").status_code == 401
    assert until(lambda: "returned 401" in check(root, fresh, "okta"))
    fresh.api.delete(f"/keys/{key_id}")
    revoked = fresh.client(token, "/scim/v2")
    assert revoked.post("/Users", json=person()).status_code == 401
    found = fresh.recorded(2)
    assert [(item["status"], item["method"], item["key_id"]) for item in found] == [
        (401, "POST", key_id),
        (401, "GET", key_id),
    ]
    assert "returned 401" not in check(root, fresh, "entra")
    assert token not in str(found)
    (refusal,) = fresh.api.get("/doctor").json()["refusals"]
    assert (refusal["status"], refusal["count"]) == (401, 2)
    assert "API keys" in refusal["fix"]
    for stranger in ("nonsense", "a.b.c"):
        assert fresh.client(stranger, "/scim/v2").get("/Users").status_code == 401
    with Tenant(fresh.server) as other:
        assert other.api.get("/requests").json()["items"] == []


@pytest.mark.outside
def test_any_wrong_key_is_shown_in_a_single_workspace(tmp_path, database):
    with Server(tmp_path, **database) as server:
        token = server.key("k")
        for header in ({}, {"authorization": "Bearer nonsense"}, {"authorization": "Basic x"}):
            assert httpx.get(f"{server.url}/scim/v2/Users", headers=header).status_code == 401
        with httpx.Client(
            base_url=f"{server.url}/api/v1", headers={"authorization": f"Bearer {token}"}
        ) as api:
            assert until(lambda: len(api.get("/requests").json()["items"]) == 3)
            assert {
                (item["status"], item["key_id"]) for item in api.get("/requests").json()["items"]
            } == {(401, "")}
