"""Whole tasks of administrators, engineers and operators in Chromium, by the words on the screen.

Each task may take ten clicks. What is on a screen decides the next click, never the path of a page.
"""

import csv
import http.server
import shlex
import threading
import uuid
from contextlib import contextmanager

import httpx
import pytest
from playwright.sync_api import expect

from muster.access.permissions import SCIM
from tests.console.browsing import PASSWORD, Hand, Visitor, Watched, invitation
from tests.support.people import group, name, person, replace
from tests.support.tenant import administer

pytestmark = pytest.mark.parametrize("server", ["sqlite"], indirect=True)
expect.set_options(timeout=30_000)
CLIPBOARD = ["clipboard-read", "clipboard-write"]


class Receiver(http.server.ThreadingHTTPServer):
    """Receives webhooks, and keeps their bodies."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Receive)
        self.bodies = []
        self.url = f"http://127.0.0.1:{self.server_port}/events"


class _Receive(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    with Receiver() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


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
    key = tenant.api.post("/keys", json={"name": title, "permissions": [SCIM]}).json()
    return tenant.client(key["token"], "/scim/v2")


def created(client, **attributes):
    made = client.post("/Users", json=person(**attributes))
    assert made.status_code == 201, made.text
    return made.json()


def set_active(client, user, active):
    assert client.patch(f"/Users/{user['id']}", json=replace("active", active)).status_code == 200


def test_an_administrator_is_invited_and_connects_entra(server, chromium, fresh):
    """The wrong key is seen, with its address; the right key turns the check green."""
    context = at_home(chromium, server, fresh, permissions=CLIPBOARD)
    page, link = context.new_page(), invitation(server)
    hand = Hand(page)
    page.goto(link)
    hand.type("E-mail", name("entra"))
    hand.type("Password", PASSWORD)
    hand.click("Create account")
    hand.click("Connect a provider", within="#sidebar")
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
        expect(hand.page.get_by_text('Deactivated by key "okta".')).to_be_visible()
        hand.click("View the request")
        expect(
            hand.page.get_by_role("row", name=f"PATCH /Users/…{lena['id'][-4:]}")
        ).to_be_visible()


def test_an_administrator_explains_why_a_person_was_never_created(server, chromium, fresh, root):
    okta = provider(fresh, "okta")
    refused = okta.post("/Users", json=person("marco@example.com", active="maybe"))
    assert refused.status_code == 400
    fresh.recorded(1)
    with overview(chromium, server, root, fresh) as hand:
        hand.click("Users", within="#sidebar")
        hand.type("Name, e-mail or @domain", "marco")
        told = hand.page.get_by_text(
            'A creation of marco@example.com by key "okta" was refused: active'
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


def test_an_administrator_cuts_off_a_leaver_by_keyboard(server, chromium, fresh):
    """From the sign-in on, without a mouse."""
    tim = created(provider(fresh, "okta"), displayName="Tim Keyboard")
    visitor = Visitor(server).accept(invitation(server), email := name("keyboard"))
    visitor.close()
    context = at_home(chromium, server, fresh)
    page = context.new_page()
    keys = page.keyboard
    page.goto(server.url)
    keys.type(email)
    keys.press("Tab")
    keys.type(PASSWORD)
    keys.press("Enter")
    expect(page.locator("h1")).to_have_text("Overview")
    keys.press("Control+k")
    keys.type("Tim Key")
    expect(page.locator("#palette [aria-selected=true]")).to_contain_text("Tim Keyboard")
    keys.press("Enter")
    expect(page.locator("h1")).to_have_text("Tim Keyboard")
    keys.press("Tab")
    keys.press("Enter")  # skips to the content
    tab_to(page, "Deactivate")
    keys.press("Enter")
    tab_to(page, "Deactivate Tim Keyboard")
    keys.press("Enter")
    expect(page.locator("span.state.revoked")).to_have_text("Inactive")
    context.close()
    assert fresh.scim.get(f"/Users/{tim['id']}").json()["active"] is False


def tab_to(page, text):
    """Press Tab until the focus is on an element with a text."""
    for _ in range(15):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == text:
            return
    raise AssertionError(f"15 steps do not lead to {text!r}")


def test_an_engineer_creates_a_key_with_the_least_rights(server, chromium, fresh, root):
    with overview(chromium, server, root, fresh, permissions=CLIPBOARD) as hand:
        hand.click("API keys", within="#sidebar")
        hand.type("Name", "intranet")
        hand.click("For an application: users and groups, read only")
        hand.click("Create API key")
        hand.click("Copy", within=".highlight")
        token = hand.copied()
    key = fresh.client(token, "/scim/v2")
    assert key.get("/Users").status_code == 200
    assert key.post("/Users", json=person()).status_code == 403


def test_an_engineer_adds_a_webhook_and_proves_that_it_works(
    server, chromium, fresh, root, receiver
):
    with overview(chromium, server, root, fresh) as hand:
        hand.click("Webhooks", within="#sidebar")
        hand.type("URL", receiver.url)
        hand.click("Add webhook", within="main")
        expect(hand.page.get_by_text("Copy the signing secret now.")).to_be_visible()
        hand.click("Send test event")
        delivery = hand.page.get_by_role("row", name="webhook.test")
        expect(delivery).to_contain_text("204")
        assert b'"webhook.test"' in receiver.bodies[0]


def test_an_engineer_copies_a_refused_request_as_curl(server, chromium, fresh, root):
    okta = provider(fresh, "okta")
    for active in (True, "maybe"):
        okta.post("/Users", json=person("iris@example.com", active=active))
    fresh.recorded(2)
    with overview(chromium, server, root, fresh, permissions=CLIPBOARD) as hand:
        hand.click("Requests", within="#sidebar")
        hand.choose("Status", "Failed")
        hand.click("Search", within="main")
        hand.click("POST /Users", within="tbody")
        expect(hand.page.locator("main p", has_text="active: expected a boolean")).to_be_visible()
        hand.click("Copy as curl")
        curl = shlex.split(hand.copied())
    assert curl[0] == "curl"
    assert f"{server.url}/scim/v2/Users" in curl
    assert '"maybe"' in " ".join(curl)


def test_an_operator_counts_new_users(server, chromium, fresh, root):
    for number in range(3):
        fresh.user(displayName=f"New {number}")
    with overview(chromium, server, root, fresh) as hand:
        hand.click("Users", within="#sidebar")
        hand.choose("Created", "Last 7 days")
        expect(hand.page.get_by_text("Created in the last 7 days")).to_be_visible()
        expect(hand.page.locator(".count")).to_have_text("1–3 of 3")


def test_an_operator_exports_inactive_users(server, chromium, fresh, root):
    gone = fresh.user(active=False)
    fresh.user()
    with overview(chromium, server, root, fresh) as hand:
        hand.click("Users", within="#sidebar")
        hand.choose("Status", "Inactive")
        expect(hand.page.locator(".count")).to_have_text("1–1 of 1")
        with hand.page.expect_download() as download:
            hand.click("Export as CSV")
        with open(download.value.path(), newline="") as file:
            rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [gone["id"]]


def test_an_operator_invites_a_colleague_who_may_only_read_the_audit_log(
    server, chromium, fresh, root
):
    with overview(chromium, server, root, fresh, permissions=CLIPBOARD) as hand:
        hand.click("Administrators", within="#sidebar nav:not(.side-foot)")
        hand.click("Invite another administrator")
        hand.type("Name", "Rosa Lindqvist")
        hand.click("Auditor")
        hand.click("Create invitation")
        hand.click("Copy", within=".highlight")
        link = hand.copied()
    context = chromium.new_context()
    page = context.new_page()
    rosa = Hand(page, most=4)
    page.goto(link)
    expect(page.locator("dl.invitation")).to_contain_text("Auditor")
    rosa.type("E-mail", name("rosa"))
    rosa.type("Password", PASSWORD)
    rosa.click("Create account")
    expect(page.locator("h1")).to_have_text("Audit log")
    pages = page.locator("#sidebar nav:not(.side-foot) a").all_inner_texts()
    assert [title.strip() for title in pages] == ["Audit log"]
    context.close()
