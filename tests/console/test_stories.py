"""Whole tasks of administrators, engineers and operators in Chromium, by the words on the screen.

Each task may take ten clicks. What is on a screen decides the next click, never the path of a page.
"""

import uuid
from contextlib import contextmanager

import httpx
import pytest
from playwright.sync_api import expect

from tests.console.browsing import PASSWORD, Hand, Watched, invitation
from tests.console.test_connect import key_named
from tests.support.people import group, name, person, replace
from tests.support.tenant import administer

pytestmark = pytest.mark.parametrize("server", ["sqlite"], indirect=True)
expect.set_options(timeout=30_000)


def at_home(chromium, server, tenant, **options):
    """A context whose last workspace is the tenant's, as in an installation with no other."""
    context = chromium.new_context(**options)
    place = administer(server, lambda storage: storage.find_workspace(tenant.name))
    context.add_cookies([{"name": "muster_workspace", "value": str(place.id), "url": server.url}])
    return context


@contextmanager
def overview(chromium, server, root, tenant, **options):
    """The hand of an administrator who looks at the overview of a workspace."""
    context = at_home(chromium, server, tenant, **options)
    session = root.http.cookies["muster_session"]
    context.add_cookies([{"name": "muster_session", "value": session, "url": server.url}])
    watched = Watched(context.new_page())
    watched.page.goto(server.url)
    expect(watched.page.locator("h1")).to_have_text("Overview")
    yield Hand(watched.page)
    context.close()
    assert watched.complaints == []


def provider(tenant, title):
    """A client with a key of its own, as an identity provider has one."""
    token, _ = key_named(tenant, title)
    return tenant.client(token, "/scim/v2")


def created(client, **attributes):
    made = client.post("/Users", json=person(**attributes))
    assert made.status_code == 201, made.text
    return made.json()


def set_active(client, user, active):
    assert client.patch(f"/Users/{user['id']}", json=replace("active", active)).status_code == 200


def test_an_administrator_is_invited_and_connects_entra(server, chromium, fresh):
    """The wrong key is seen, with its address; the right key turns the check green."""
    permissions = ["clipboard-read", "clipboard-write"]
    context = at_home(chromium, server, fresh, permissions=permissions)
    page, link = context.new_page(), invitation(server)
    hand = Hand(page)
    page.goto(link)
    hand.type("E-mail", name("entra"))
    hand.type("Password", PASSWORD)
    hand.click("Create account")
    hand.click("Connect", within="#sidebar")
    hand.click("Microsoft Entra ID")
    hand.click("Create API key", within="main")
    hand.click("Copy", within=page.get_by_role("row", name="Tenant URL"))
    base = hand.copied()
    hand.click("Copy", within=page.get_by_role("row", name="Secret Token"))
    probe = {"filter": f'userName eq "{uuid.uuid4()}"'}
    with httpx.Client(timeout=30) as entra:
        wrong = {"Authorization": "Bearer of-another-place"}
        assert entra.get(f"{base}/Users", params=probe, headers=wrong).status_code == 401
        expect(page.get_by_text("An unknown key from 127.0.0.1 at").first).to_be_visible()
        expect(page.get_by_text("Connected.")).to_have_count(0)
        right = {"Authorization": f"Bearer {hand.copied()}"}
        assert entra.get(f"{base}/Users", params=probe, headers=right).status_code == 200
    expect(page.get_by_text("Connected. GET /Users returned 200")).to_be_visible()
    context.close()


def test_an_administrator_explains_why_a_person_cannot_sign_in(server, chromium, fresh, root):
    okta = provider(fresh, "okta")
    lena = created(okta, displayName="Lena Fischer")
    set_active(okta, lena, False)
    with overview(chromium, server, root, fresh) as hand:
        hand.click("Users", within="#sidebar")
        hand.type("Name, e-mail or @domain", "Lena")
        hand.click("Lena Fischer", within="#rows")
        expect(hand.page.get_by_text("Deactivated by key okta.")).to_be_visible()
        hand.click("View the request")
        expect(hand.page.get_by_role("row", name=f"PATCH /Users/{lena['id']}")).to_be_visible()


def test_an_administrator_explains_why_a_person_was_never_created(server, chromium, fresh, root):
    okta = provider(fresh, "okta")
    refused = okta.post("/Users", json=person("marco@example.com", active="maybe"))
    assert refused.status_code == 400
    fresh.recorded(1)
    with overview(chromium, server, root, fresh) as hand:
        hand.click("Users", within="#sidebar")
        hand.type("Name, e-mail or @domain", "marco")
        told = hand.page.get_by_text(
            "A creation of marco@example.com by key okta was refused: active"
        )
        expect(told).to_be_visible()
        hand.click("See why")
        expect(hand.page.locator("h1")).to_contain_text("POST /Users 400")


def test_an_administrator_cuts_off_a_leaver(server, chromium, fresh, root):
    """The provider is down: the user page is enough."""
    tim = created(provider(fresh, "okta"), displayName="Tim Leaver")
    fresh.scim.post("/Groups", json=group("Crew", tim))
    with overview(chromium, server, root, fresh) as hand:
        hand.click("Users", within="#sidebar")
        hand.type("Name, e-mail or @domain", "Tim")
        hand.click("Tim Leaver", within="#rows")
        hand.click("Deactivate", within=".page-head")
        hand.click("Deactivate Tim Leaver")
        expect(hand.page.locator("span.state.revoked")).to_have_text("Inactive")
    left = fresh.scim.get(f"/Users/{tim['id']}").json()
    assert (left["active"], len(left["groups"])) == (False, 1)
    rows = fresh.api.get("/audit", params={"limit": 100}).json()["rows"]
    assert "admin:" in str([row for row in rows if tim["id"] in str(row)])


@pytest.mark.parametrize("scripts", [True, False])
def test_an_administrator_brings_ten_people_back(server, chromium, fresh, root, scripts):
    """Also without JavaScript."""
    entra = provider(fresh, "entra")
    people = [created(entra, displayName=f"Person {number}") for number in range(10)]
    by_mistake = provider(fresh, "entra staging")
    for one in people:
        set_active(by_mistake, one, False)
    with overview(chromium, server, root, fresh, java_script_enabled=scripts) as hand:
        hand.click("Rollback", within="#sidebar")
        event = hand.page.get_by_role("row", name="10 users deactivated")
        expect(event).to_contain_text("entra staging")
        hand.click("Review", within=event)
        expect(hand.page.get_by_text("Status: inactive → active")).to_have_count(10)
        hand.click("Roll back selected…")
        hand.click("Roll back 10 resources")
        expect(hand.page.get_by_text("Rolled back 10 resources.")).to_be_visible()
    now = [fresh.scim.get(f"/Users/{one['id']}").json()["active"] for one in people]
    assert now == [True] * 10
