"""The console in Chromium: main flows, keyboard use and axe-core checks."""

import re

import httpx
import httpx2
import pytest
from oidc_provider_mock import User, run_server_in_thread
from playwright.sync_api import expect
from scim2_client.engines.httpx2 import SyncSCIMClient

from muster.access.permissions import SCIM
from tests.console.browsing import PASSWORD, Visitor, invitation
from tests.support.identity_provider import DOMAIN, setting
from tests.support.people import group, name, person, replace
from tests.support.tenant import Tenant
from tests.support.waiting import this_moment

expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def filled(server):
    """A workspace with something on every page."""
    with Tenant(server) as made:
        users = [made.user(displayName=f"Person {n}") for n in range(3)]
        made.crew = made.scim.post("/Groups", json=group("Crew", *users)).json()
        made.scim.patch(
            f"/Users/{users[0]['id']}",
            json={"Operations": [{"op": "Replace", "path": "title", "value": "x"}]},
        )
        made.scim.post("/Users", json=person(users[0]["userName"]))
        made.users = users
        yield made


@pytest.fixture
def provider():
    """A provider of OpenID Connect that knows Ann."""
    ann = User(sub="ann", claims={"email": f"ann@{DOMAIN}", "email_verified": True})
    with run_server_in_thread(user_claims=[ann], require_nonce=True) as started:
        yield f"http://localhost:{started.server_port}"


def test_from_the_first_sign_in_to_an_undo(server, watched, filled):
    page, base, email = watched.page, f"{server.url}/w/{filled.name}", name("browser")
    page.goto(invitation(server))
    page.fill("input[name=email]", email)
    page.fill("input[name=password]", PASSWORD)
    page.click("text=Create account")
    page.wait_for_url("**/w/**")
    page.goto(f"{base}/keys")
    page.fill("input[name=name]", "okta")
    page.click("button:has-text('Create API key')")
    token = page.locator(".highlight code.copyable").inner_text()
    with httpx.Client(
        base_url=f"{server.url}/scim/v2", headers={"Authorization": f"Bearer {token}"}
    ) as okta:
        page.goto(f"{base}/requests")
        page.wait_for_timeout(1000)
        made = okta.post("/Users", json=person(displayName="Live Tail")).json()
        page.wait_for_selector("tbody tr:has-text('okta'):has-text('POST /Users')")
        okta.patch(f"/Users/{made['id']}", json=replace("title", "Chief"))
        okta.delete(f"/Users/{made['id']}")
    page.goto(f"{base}/users")
    page.fill("#q", "Person 1")
    page.wait_for_selector("text=1–1 of 1")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.goto(f"{base}/users/{made['id']}")
    page.wait_for_selector("text=Deleted")
    page.locator("text=Restore this version").first.click()
    page.wait_for_selector("text=Chief")
    assert filled.scim.get(f"/Users/{made['id']}").json()["title"] == "Chief"
    page.click("text=Sign out")
    page.wait_for_url("**/sign-in")
    assert watched.complaints == []


def test_guard_review_and_past_state_of_a_group(server, watched):
    """The guard holds a mass deletion, and an administrator reviews and decides."""
    with Tenant(server) as tenant:
        visitor = Visitor(server).accept(invitation(server), name("guard"))
        cookie = {
            "name": "muster_session",
            "value": visitor.http.cookies["muster_session"],
            "url": server.url,
        }
        visitor.close()
        page, base = watched.page, f"{server.url}/w/{tenant.name}"
        page.context.add_cookies([cookie])
        page.goto(f"{base}/settings")
        page.select_option("select[name=guardMode]", "hold")
        page.fill("input[name=guardLeast]", "2")
        page.locator("select[name=guardMode]").locator("xpath=ancestor::form").locator(
            ".btn-primary, button"
        ).last.click()
        page.click("button[name=reviewed]")
        page.wait_for_selector("[role=status]")
        with httpx2.Client(
            base_url=f"{server.url}/scim/v2", headers={"Authorization": f"Bearer {tenant.token}"}
        ) as http:
            provider = SyncSCIMClient(http)
            provider.discover()
            user, crew = provider.get_resource_model("User"), provider.get_resource_model("Group")
            people = [
                provider.create(user(user_name=name(), display_name=f"Guarded {n}"))
                for n in range(4)
            ]
            made = provider.create(
                crew(display_name="Everyone", members=[{"value": one.id} for one in people])
            )
            then = this_moment()
            gone = [provider.delete(user, one.id, raise_scim_errors=False) for one in people]
        assert [error.status for error in gone if error is not None] == [403, 403]
        page.goto(base)
        page.wait_for_selector("text=The deprovisioning guard holds changes to 2 users")
        page.goto(f"{base}/guard")
        page.locator("tr", has_text=people[2].user_name).locator("text=Approve").click()
        page.locator("details[open] button:has-text('Delete')").click()
        page.wait_for_selector(f"tr:has-text('{people[3].user_name}')")
        expect(page.locator("tr", has_text=people[2].user_name)).to_have_count(0)
        page.locator("tr", has_text=people[3].user_name).locator("text=Reject (keep user)").click()
        page.locator("details[open] button:has-text('Keep user')").click()
        page.wait_for_selector("text=No changes to review.")
        page.goto(f"{base}/groups/{made.id}")
        expect(page.locator("ul.rows a:has-text('Guarded')")).to_have_count(1)
        page.fill("input[name=at]", then)
        page.click("button:has-text('Show')")
        expect(page.locator("ul.rows a:has-text('Guarded')")).to_have_count(4)
        expect(page.locator("small:has-text('deleted')")).to_have_count(3)
        page.click("text=Guarded 0")
        page.locator("text=Restore this version").first.click()
        page.wait_for_selector("span.state.active")
        assert tenant.scim.get(f"/Users/{people[0].id}").json()["groups"][0]["value"] == made.id
        assert watched.complaints == []


def test_signing_in_by_openid_connect(server, watched, provider):
    """Sign in through the provider under a browser's rules for cookies and forms."""
    with Tenant(server) as tenant:
        assert tenant.api.put("/open-id-connector", json=setting(provider, SCIM)).status_code == 200
        page = watched.page
        page.goto(f"{server.url}/sign-in")
        page.fill("input[name=workspace]", tenant.name)
        page.click("text=Continue")
        page.click("text=Sign in with Corp")
        page.wait_for_url(f"{provider}/**")
        page.fill("input[name=sub]", "ann")
        page.click("button[type=submit] >> nth=0")
        page.wait_for_url(f"{server.url}/w/{tenant.name}**")
        page.goto(f"{server.url}/account")
        assert "You sign in with OpenID Connect" in page.content()
        assert not [
            complaint for complaint in watched.complaints if "Content Security Policy" in complaint
        ]


def test_by_keyboard_alone(server, watched, filled):
    email, visitor = name("keys"), Visitor(server)
    visitor.accept(invitation(server), email)
    visitor.close()
    page = watched.page
    page.goto(f"{server.url}/sign-in")
    page.keyboard.type(email)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/w/**")
    page.goto(f"{server.url}/w/{filled.name}")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "API keys":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/keys")
    page.focus("input[name=name]")
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    page.wait_for_selector('text=Key "by keyboard" was created.')
    assert watched.complaints == []


def test_the_palette_and_the_shortcuts(server, watched, filled):
    email, visitor = name("palette"), Visitor(server)
    visitor.accept(invitation(server), email)
    visitor.close()
    page = watched.page
    page.goto(f"{server.url}/sign-in")
    page.fill("input[name=email]", email)
    page.fill("input[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/w/**")
    page.goto(f"{server.url}/w/{filled.name}")
    page.keyboard.press("Control+k")
    page.keyboard.type("webh")
    expect(page.locator("#palette [aria-selected=true]")).to_have_text("Webhooks")
    page.keyboard.press("Enter")
    page.wait_for_url("**/webhooks")
    page.keyboard.press("Control+k")
    page.keyboard.type("Person 2")
    expect(page.locator("#palette [aria-selected=true]")).to_contain_text("Person 2")
    page.keyboard.press("Enter")
    page.wait_for_url("**/users/*")
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("k")
    page.wait_for_url("**/keys")
    page.keyboard.press("Control+k")
    page.keyboard.type("create key")
    expect(page.locator("#palette [aria-selected=true]")).to_have_text("Create an API key")
    page.fill("#palette-text", "no such thing")
    expect(page.locator("#palette-list")).to_have_text("Nothing found.")
    page.fill("#palette-text", "dark")
    expect(page.locator("#palette [aria-selected=true]")).to_have_text("Use the dark theme")
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.click(".switcher summary")
    expect(page.locator("#workspace-list")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#workspace-list")).not_to_be_visible()
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    assert watched.complaints == []


def test_the_attribute_editor_changes_its_draft_in_place(server, watched):
    """Buttons replace the editor without a new page, errors are shown, and the name has focus."""
    page = watched.page
    with Tenant(server) as tenant:
        page.goto(invitation(server))
        page.fill("input[name=email]", name("editor"))
        page.fill("input[name=password]", PASSWORD)
        page.click("text=Create account")
        page.wait_for_url("**/w/**")
        page.goto(f"{server.url}/w/{tenant.name}/schemas/new")
        page.evaluate("window.same = true")
        page.fill("input[name=name]", "Badge")
        page.fill("input[name=id]", "urn:example:params:Badge")
        page.click("text=Add attribute")
        expect(page.locator("input[name=at-name]")).to_be_focused()
        page.keyboard.type("9")
        page.click("text=Done")
        expect(page.locator("#wrong-at-name")).to_be_visible()
        page.fill("input[name=at-name]", "number")
        page.click("text=Done")
        page.wait_for_selector("[aria-label='Edit number']")
        page.click("button:has-text('JSON')")
        expect(page.locator("textarea[name=json]")).to_have_value(re.compile('"number"'))
        assert page.evaluate("window.same")
        page.click("text=Review changes")
        page.click("button:has-text('Create schema')")
        expect(page.locator("h1")).to_contain_text("Badge")
        kept = tenant.api.get("/schemas/urn:example:params:Badge").json()
        assert [item["name"] for item in kept["attributes"]] == ["number"]
    refused = [text for text in watched.complaints if "400" not in text]
    assert refused == []


def test_without_scripts(server, chromium, filled):
    context = chromium.new_context(java_script_enabled=False)
    page, email, visitor = context.new_page(), name("plain"), Visitor(server)
    visitor.accept(invitation(server), email)
    visitor.close()
    page.goto(f"{server.url}/sign-in")
    page.fill("input[name=email]", email)
    page.fill("input[name=password]", PASSWORD)
    page.click(".btn-primary")
    page.wait_for_url("**/w/**")
    page.goto(f"{server.url}/w/{filled.name}/users")
    page.fill("#q", "Person 2")
    page.click("main button:has-text('Search')")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.click("tbody a")
    expect(page.locator("h1")).to_have_text("Person 2")
    context.close()


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
def test_custom_permissions_select_custom_and_a_preset_clears_them(server, watched, filled):
    page, visitor = watched.page, Visitor(server).accept(invitation(server), name("custom"))
    cookie = {"name": "muster_session", "value": visitor.http.cookies["muster_session"]}
    page.context.add_cookies([{**cookie, "url": server.url}])
    visitor.close()
    for path, field, preset in (
        (f"/w/{filled.name}/keys", "preset", "automation"),
        ("/administrators", "role", "auditor"),
    ):
        page.goto(f"{server.url}{path}")
        block = page.locator("details.custom")
        page.locator("input[data-custom]").check()
        expect(block).to_have_attribute("open", "")
        page.check(f"input[name={field}][value={preset}]")
        expect(block).not_to_have_attribute("open", "")
        block.locator("summary").click()
        page.check("details.custom input[value='View audit logs']")
        expect(page.locator("input[data-custom]")).to_be_checked()
        page.check(f"input[name={field}][value={preset}]")
        expect(page.locator("details.custom input:checked")).to_have_count(0)
    assert watched.complaints == []


def test_times_are_typed_in_the_readers_zone_and_sent_in_utc(server, chromium, filled):
    """Five hours lie between UTC and New York in January, and four in July."""
    visitor = Visitor(server).accept(invitation(server), name("zone"))
    value = visitor.http.cookies["muster_session"]
    visitor.close()
    context = chromium.new_context(timezone_id="America/New_York")
    context.add_cookies([{"name": "muster_session", "value": value, "url": server.url}])
    page, base = context.new_page(), f"{server.url}/w/{filled.name}"
    page.goto(f"{base}/requests?since=2026-01-31T10:00")
    since, until = page.locator("[name=since]"), page.locator("[name=until]")
    expect(since).to_have_value("2026-01-31T05:00")
    expect(page.locator("label:has([name=since])")).not_to_contain_text("UTC")
    until.fill("2026-07-01T09:30")
    page.click("main form.search button")
    page.wait_for_url("**until=**")
    asked = dict(re.findall(r"(since|until)=([^&]+)", page.url.replace("%3A", ":")))
    assert asked == {"since": "2026-01-31T10:00", "until": "2026-07-01T13:30"}
    expect(until).to_have_value("2026-07-01T09:30")
    page.reload()
    expect(until).to_have_value("2026-07-01T09:30")
    page.goto(f"{base}/users")
    page.evaluate("document.querySelectorAll('main details').forEach(each => each.open = true)")
    with page.expect_request(lambda request: "since=2026-" in request.url) as sent:
        page.fill("main input.now[name=since]", "2026-01-31T20:00")
    assert "since=2026-02-01T01:00" in sent.value.url.replace("%3A", ":")
    context.close()


def with_authenticator(page):
    """Give Chromium a virtual authenticator that verifies its user."""
    client = page.context.new_cdp_session(page)
    client.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    made = client.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return client, made["authenticatorId"]


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
def test_a_passkey_is_added_and_signs_in_after_its_user_is_verified(server, watched):
    """Browsers allow passkeys at localhost, and not at 127.0.0.1."""
    page, email = watched.page, name("passkey")
    home = server.url.replace("127.0.0.1", "localhost")
    client, authenticator = with_authenticator(page)
    page.goto(invitation(server).replace("127.0.0.1", "localhost"))
    page.fill("input[name=email]", email)
    page.fill("input[name=password]", PASSWORD)
    page.click("text=Create account")
    page.wait_for_url("**/w/**")
    page.goto(f"{home}/account/second-factor")
    expect(page.locator("svg.qr")).to_be_visible()
    page.fill("[data-passkey] input[name=name]", "Laptop")
    page.click("text=Add passkey")
    page.wait_for_url("**/account")
    expect(page.locator(".codes li")).to_have_count(8)
    page.click("summary:has-text('Add another passkey')")
    page.fill("[data-passkey] input[name=name]", "Laptop again")
    page.click("text=Add passkey >> nth=-1")
    expect(page.locator("[data-problem]")).to_contain_text("has a passkey for your account already")
    page.click("text=Sign out")
    page.wait_for_url("**/sign-in")
    verified = {"authenticatorId": authenticator, "isUserVerified": False}
    client.send("WebAuthn.setUserVerified", verified)
    page.click("text=Sign in with a passkey")
    expect(page.locator("[data-problem]")).to_contain_text("Try again")
    client.send("WebAuthn.setUserVerified", {**verified, "isUserVerified": True})
    page.click("text=Sign in with a passkey")
    page.wait_for_url("**/w/**")
    expect(page.locator(".side-foot")).to_contain_text(email)
    assert watched.complaints == []


def entered(server, page):
    page.goto(invitation(server))
    page.fill("input[name=email]", name("browser"))
    page.fill("input[name=password]", PASSWORD)
    page.click("text=Create account")
    page.wait_for_url("**/w/**")


def inside(outer, inner):
    """Whether a box lies within another from side to side."""
    return outer["x"] <= inner["x"] and inner["x"] + inner["width"] <= outer["x"] + outer["width"]


def test_every_column_can_be_chosen_and_the_panel_closes(server, watched, filled):
    page = watched.page
    entered(server, page)
    for width in (1280, 768, 390):
        page.set_viewport_size({"width": width, "height": 720})
        page.goto(f"{server.url}/w/{filled.name}/users")
        page.click("summary:has-text('More')")
        panel = page.locator(".more .menu-box").bounding_box()
        assert inside({"x": 0, "width": width}, panel)
        for label in page.locator(".columns-choice label").all():
            assert inside(panel, label.bounding_box()), (width, label.inner_text())
        page.check(".columns-choice label:has-text('Manager') input")
        page.click(".more button:has-text('Apply')")
        expect(page.locator("thead:has-text('Manager')")).to_have_count(1)
        expect(page.locator(".more .menu-box")).to_be_hidden()
        page.locator("text=Export as CSV").click(trial=True)
    assert watched.complaints == []


def test_the_foot_of_the_sidebar_stays_in_sight(server, watched, filled):
    page = watched.page
    entered(server, page)
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(f"{server.url}/w/{filled.name}/settings")
    expect(page.locator(".side-foot").get_by_text("Sign out")).to_be_in_viewport(ratio=0.9)
    expect(page.locator(".side [aria-current]")).to_be_in_viewport(ratio=0.9)
    menu, foot = page.locator(".side-list"), page.locator(".side-foot")
    assert menu.evaluate("list => list.scrollHeight > list.clientHeight")
    box = menu.bounding_box()
    assert box["y"] + box["height"] <= foot.bounding_box()["y"]
    page.set_viewport_size({"width": 1280, "height": 900})  # here the whole menu fits
    assert menu.evaluate("list => list.scrollHeight <= list.clientHeight")
    for link in page.locator(".sidebar a:visible").all():
        expect(link).to_be_in_viewport(ratio=0.9)
    assert watched.complaints == []


def test_a_second_click_does_not_send_a_form_again(server, watched, filled):
    page, posts = watched.page, []
    entered(server, page)
    page.goto(f"{server.url}/w/{filled.name}/keys")
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else 0)
    for number in (1, 2):  # the form works again on the page that it leads to
        page.fill("input[name=name]", named := name("key"))
        page.evaluate(
            """() => {
                const button = document.querySelector("form[action$='/keys'] button.btn-primary");
                for (const wait of [0, 5, 10]) setTimeout(() => button.click(), wait);
            }"""
        )
        expect(page.get_by_text(f'Key "{named}" was created.')).to_have_count(1)
        assert len(posts) == number
