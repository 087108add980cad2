"""The live check of the Connect page: per provider, with successes and 401s."""

import html
import re
from pathlib import Path

import httpx
import pytest

import muster
from muster.access.keys import KeyOptions, Keys
from muster.access.permissions import SCIM
from muster.console.providers import PROVIDERS
from tests.support.people import name, patch, person
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
        assert "<tr>" not in check(root, fresh, "other")


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


def test_the_key_is_made_in_place_and_its_check_turns_green_with_a_read(root, fresh):
    """The check follows that key alone, and its reads are recorded, not those of others."""
    base = f"/w/{fresh.name}/connect/entra"
    root.get(base)
    answer = root.post(f"{base}/key", name="Entra production")
    assert answer.status_code == 303
    target = answer.headers["location"]
    shown = root.get(target).text
    token = re.search(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", shown)[0]
    assert token not in root.get(target).text
    key_id = target.partition("key=")[2]
    (made,) = [key for key in fresh.api.get("/keys").json()["items"] if key["id"] == key_id]
    assert (made["name"], made["permissions"]) == ("Entra production", [SCIM])

    def checked():
        return root.http.get(target, headers={"hx-request": "true"}).text

    fresh.scim.post("/Users", json=person()).raise_for_status()
    fresh.recorded(1)
    assert "No requests yet" in checked()
    client = fresh.client(token, "/scim/v2")

    def green():
        assert client.get("/Users", params={"count": 1}).status_code == 200
        assert fresh.scim.get("/Users", params={"count": 1}).status_code == 200
        return "Connected. GET /Users returned 200" in checked()

    assert until(green)
    reads = [item for item in fresh.api.get("/requests").json()["items"] if item["method"] == "GET"]
    assert {item["key_id"] for item in reads} == {key_id}


def test_an_existing_key_is_checked(root, fresh):
    _, key_id = key_named(fresh, "existing")
    base = f"/w/{fresh.name}/connect/okta"
    root.get(base)
    shown = root.submit(f"{base}/check", key=key_id).text
    assert "Live check of “existing”" in shown
    assert "Every request of this key is shown until" in shown
    assert root.post(f"{base}/check", key="0" * 16).status_code == 404


def test_a_key_without_a_name_of_its_own_is_refused(root, fresh):
    base = f"/w/{fresh.name}/connect/okta"
    root.get(base)
    answer = root.post(f"{base}/key", name="")
    assert answer.status_code == 400
    assert 'id="wrong-name"' in answer.text
    key_named(fresh, "Okta")
    answer = root.post(f"{base}/key", name="Okta")
    assert answer.status_code == 409
    assert 'value="Okta"' in answer.text


def test_attempts_without_a_valid_key_are_shown_with_their_reason(root, fresh):
    token, key_id = key_named(fresh, "cut")
    assert fresh.client(token[:-2], "/scim/v2").get("/Users").status_code == 401
    fresh.recorded(1)
    shown = html.unescape(check(root, fresh, "okta"))
    assert 'A token that resembles the key "cut", but is not complete or was changed' in shown
    fresh.api.delete(f"/keys/{key_id}").raise_for_status()
    assert fresh.client(token, "/scim/v2").get("/Users").status_code == 401
    fresh.recorded(2)
    shown = html.unescape(check(root, fresh, "okta"))
    assert 'The revoked key "cut" from 127.0.0.1' in shown
    assert "The API key is invalid, expired or revoked" in shown


def test_a_key_that_names_no_workspace_is_shown_to_administrators_of_the_installation(
    server, root, fresh
):
    """Others might see the addresses of another workspace's clients."""
    from tests.console.browsing import invited

    secret = name("nonsense")
    answer = fresh.client(secret, "/scim/v2").get("/Users", params={"filter": "secret-query"})
    assert answer.status_code == 401
    assert until(lambda: "An unknown key from 127.0.0.1" in check(root, fresh, "okta"))
    shown = check(root, fresh, "okta")
    assert secret not in shown
    assert fresh.api.get("/requests").json()["items"] == []
    one = invited(server, fresh.name, SCIM)
    assert "An unknown key" not in check(one, fresh, "okta")
    one.close()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_guide_names_the_fields_and_the_document_of_its_provider(root, fresh, provider):
    shown = root.get(f"/w/{fresh.name}/connect/{provider}").text
    fields = [html.escape(field) for field, _ in PROVIDERS[provider].fields]
    assert all(f'data-label="Field">{field}</th>' in shown for field in fields)
    assert f"{fresh.server.url}/scim/v2" in shown
    assert PROVIDERS[provider].document in shown


def test_every_documented_provider_has_a_guide():
    folder = Path(muster.__file__).parents[2] / "docs" / "how-to" / "identity-providers"
    documented = {page.stem for page in folder.glob("*.md")} - {"index"}
    assert documented == set(PROVIDERS)


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


def test_the_check_names_the_deviations_of_the_latest_requests(root, fresh):
    """Entra ID writes Replace for replace, and strings for booleans, in every PATCH."""
    token, key_id = key_named(fresh, "entra")
    entra = fresh.client(token, "/scim/v2")
    user = entra.post("/Users", json=person()).json()
    switch = {"op": "Replace", "path": "active", "value": "False"}
    assert entra.patch(f"/Users/{user['id']}", json=patch(switch)).status_code == 200
    fresh.recorded(2)
    page = root.get(f"/w/{fresh.name}/connect/entra?key={key_id}")
    assert page.status_code == 200
    for deviation in ("operation-case", "boolean-as-string"):
        assert f">{deviation}</a>" in page.text


def test_a_local_address_is_said_to_be_out_of_reach(root, fresh):
    page = root.get(f"/w/{fresh.name}/connect/entra").text
    assert "cannot reach this address" in page
    assert "default is mailNickname" in page


def test_a_key_that_exists_is_offered_before_another_one(root, fresh):
    token, key_id = key_named(fresh, "Okta")
    base = f"/w/{fresh.name}/connect/okta"
    page = root.get(base).text
    assert "1. Continue with the existing credential" in page
    assert "Create the API key</h2>" not in page
    row = re.search(r'<tr><td data-label="Name">.*?</tr>', page, re.DOTALL)[0]
    assert f'/keys/{key_id}">Okta</a><br><small>API key</small>' in row
    assert 'data-label="Last used">Never' in row
    assert "Continue with the test" in row
    assert "<summary>Create another key</summary>" in page
    assert 'name="name" value="Okta 2"' in page
    fresh.client(token, "/scim/v2").get("/Users").raise_for_status()
    assert until(lambda: 'data-label="Last used">Never' not in root.get(base).text)
    assert "1. Create the API key" in root.get(f"/w/{fresh.name}/connect/entra").text
    shown = root.submit(f"{base}/check", key=key_id).text
    assert shown.index("Live check of “Okta”") < shown.index("Set up Okta")
    assert 'data-copy="The API key' not in page + shown  # only a value can be copied
    fresh.api.delete(f"/keys/{key_id}").raise_for_status()
    assert "1. Create the API key" in root.get(base).text


def test_an_oauth_client_of_a_connection_of_the_provider_is_offered(root, fresh):
    body = {"name": "Staff", "provider": "entra"}
    connection = fresh.api.post("/connections", json=body).json()["id"]
    path = f"/connections/{connection}/oauth-clients"
    client = fresh.api.post(path, json={"name": "Sync"}).json()["clientId"]
    base = f"/w/{fresh.name}/connect/entra"
    page = root.get(base).text
    assert f'/connections/{connection}">Sync</a>' in page
    assert "<small>OAuth client of the connection Staff" in page
    page = root.submit(f"{base}/check", key=client).text
    assert "Live check of “Sync”" in page
    assert f'data-copy="{client}"' in page
    assert "1. Create the API key" in root.get(f"/w/{fresh.name}/connect/other").text


def test_who_may_not_create_keys_is_shown_those_that_exist(server, root, fresh):
    from tests.console.browsing import invited

    _, key_id = key_named(fresh, "Okta staff")
    one = invited(server, fresh.name, SCIM)
    page = one.get(f"/w/{fresh.name}/connect/okta").text
    assert "Okta staff" in page
    assert "Create another key" not in page
    link = re.search(r'href="([^"]+)">Show the live check', page)[1]
    assert link.endswith(f"?key={key_id}")
    assert "Live check of “Okta staff”" in one.get(link).text
    one.close()
