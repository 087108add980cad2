"""A browser goes the whole way of a set-up link, while Okta and Entra provision."""

import re

import pytest
from playwright.sync_api import expect

from tests.console.browsing import Visitor
from tests.console.provisioning import Entra, Okta
from tests.support.tenant import Tenant
from tests.support.waiting import until

BUTTONS = {"okta": "Create an API key", "entra": "Create an OAuth client"}
TITLES = {"okta": "Okta", "entra": "Microsoft Entra ID"}


def copied(page):
    """Return the values beside which the page has a copy button."""
    return page.eval_on_selector_all("[data-copy]:visible", "all => all.map(e => e.dataset.copy)")


def connected(server, provider, values):
    """Return the scripted provider with the values that the page shows, and no others."""
    base = next(value for value in values if value.endswith("/scim/v2"))
    if provider == "okta":
        return Okta(base, values[0])
    url = next(value for value in values if value.endswith("/oauth/token"))
    client = next(value for value in values if re.fullmatch(r"\d+\.[0-9a-f]+", value))
    return Entra(base, url, client, values[0])


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
@pytest.mark.parametrize("provider", ["okta", "entra"])
def test_a_browser_goes_the_whole_way(server, watched, provider):
    page, title = watched.page, TITLES[provider]
    with Tenant(server) as tenant:
        back = f"{server.url}/sign-in"
        terms = {"returnUrl": back.replace("127.0.0.1", "localhost"), "contact": "Ada"}
        link = tenant.api.post("/setup-links", json=terms).json()
        page.goto(link["url"])
        assert link["url"].rpartition("/")[2] not in page.url
        page.get_by_role("button", name=title, exact=True).click()
        page.get_by_role("button", name=BUTTONS[provider]).click()
        expect(page.get_by_text("You won't see it again")).to_be_visible()
        program = connected(server, provider, copied(page))
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("heading", name="Check the attribute mapping")).to_be_visible()
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_text("No requests yet")).to_be_visible()
        assert program.test().status_code == 200
        expect(page.get_by_text("Connected.")).to_be_visible(timeout=15_000)  # by itself
        assert program.refused().status_code == 400
        expect(page.get_by_text("The last request failed")).to_be_visible(timeout=15_000)
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_text("No users yet")).to_be_visible()
        stored = program.provision("Grace <Hopper>")
        assert stored["active"] is False
        expect(page.get_by_text(f"Grace <Hopper> ({stored['userName']})")).to_be_visible(
            timeout=15_000
        )
        page.get_by_role("button", name="Finish").click()
        expect(page.get_by_text(f"{title} is connected.")).to_be_visible()
        assert (
            page.get_by_role("link", name="Return to").get_attribute("href") == terms["returnUrl"]
        )
        state = tenant.api.get(f"/setup-links/{link['id']}").json()
        assert (state["state"], state["provider"]) == ("finished", provider)
        assert watched.complaints == []
        program.close()


@pytest.mark.parametrize("provider", ["okta", "entra"])
def test_the_same_way_without_javascript(server, provider):
    with Tenant(server) as tenant:
        link = tenant.api.post("/setup-links", json={}).json()
        visitor = Visitor(server)
        visitor.get(link["url"].removeprefix(server.url))
        visitor.get("/setup")
        visitor.submit("/setup/provider", provider=provider)
        kind = {"okta": "key", "entra": "oauth-client"}[provider]
        page = visitor.submit("/setup/credential", kind=kind).text
        values = re.findall(r'<code class="copyable">([^<]*)</code>', page)
        program = connected(server, provider, values)
        visitor.submit("/setup/step", step="mapping")
        assert "Check again" in visitor.submit("/setup/step", step="test").text
        assert program.test().status_code == 200
        assert until(lambda: "Connected." in visitor.get("/setup?step=test").text)
        assert program.refused().status_code == 400
        assert until(lambda: "The last request failed" in visitor.get("/setup?step=test").text)
        assert program.http.post("/User", json={}).status_code == 404
        assert until(lambda: "under Set-up: it ends in" in visitor.get("/setup?step=test").text)
        visitor.submit("/setup/step", step="users")
        stored = program.provision("Grace <Hopper>")
        assert stored["active"] is False
        page = visitor.get("/setup?step=users").text
        assert f"Grace &lt;Hopper&gt; ({stored['userName']})" in page
        assert (
            f"{TITLES[provider]} is connected." in visitor.submit("/setup/step", step="done").text
        )
        assert tenant.api.get(f"/setup-links/{link['id']}").json()["state"] == "finished"
        program.close()
        visitor.close()
