"""The page of a set-up link, without JavaScript, as a customer's administrator uses it."""

import re
from concurrent.futures import ThreadPoolExecutor
from html import unescape

import pytest

from tests.console.browsing import Visitor
from tests.support.in_process import InProcessServer
from tests.support.people import name, person
from tests.support.platform import Platform
from tests.support.tenant import Tenant
from tests.support.waiting import until

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"


@pytest.fixture(scope="module")
def tenant(server):
    with Tenant(server) as made:
        yield made


class Customer(Visitor):
    """The customer's administrator, with a new link."""

    def __init__(self, tenant, **terms):
        super().__init__(tenant.server)
        self.tenant = tenant
        made = tenant.api.post("/setup-links", json=terms)
        assert made.status_code == 201, made.text
        self.link = made.json()
        self.path = self.link["url"].removeprefix(tenant.server.url)

    def open(self):
        answer = self.get(self.path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/setup")
        return self.get("/setup")

    def stored(self):
        return self.tenant.api.get(f"/setup-links/{self.link['id']}").json()

    def log(self):
        rows = self.tenant.api.get("/audit", params={"limit": 1000}).json()["rows"]
        return [row for row in rows if row["actor"] == f"setup:{self.link['id']}"]


@pytest.fixture
def customer(tenant):
    made = []

    def new(**terms):
        made.append(Customer(tenant, **terms))
        return made[-1]

    yield new
    for one in made:
        one.close()


def copyable(page):
    return [unescape(text) for text in re.findall(r'<code class="copyable">([^<]*)</code>', page)]


def test_the_whole_way_with_an_api_key(customer, tenant):
    okta = customer(returnUrl="https://app.example/done", contact="ada@example.com")
    page = okta.open()
    assert "Choose your identity provider" in page.text
    assert "ada@example.com" in page.text
    page = okta.submit("/setup/provider", provider="okta")
    assert "Set up Okta" in page.text
    page = okta.submit("/setup/credential", kind="key")
    key = copyable(page.text)[0]
    assert f"{tenant.server.url}/scim/v2" in copyable(page.text)
    assert key not in okta.get("/setup?step=credential").text  # it is shown once
    assert "Check the attribute mapping" in okta.submit("/setup/step", step="mapping").text
    assert "No requests yet" in okta.submit("/setup/step", step="test").text
    client = tenant.client(key, "/scim/v2")
    assert client.get("/Users?count=1").status_code == 200
    assert until(lambda: "Connected." in okta.get("/setup?step=test").text)
    assert client.get('/Users?filter=userName eq "x').status_code == 400
    assert until(lambda: "The last request failed" in okta.get("/setup?step=test").text)
    page = okta.get("/setup?step=test")
    assert "Correct the filter in the client" in re.sub(r"\s+", " ", page.text)
    assert "No users yet" in okta.submit("/setup/step", step="users").text
    newcomer = person(displayName="Grace <Hopper>")
    assert client.post("/Users", json=newcomer).status_code == 201
    page = okta.get("/setup?step=users")
    assert "Grace &lt;Hopper&gt;" in page.text
    assert newcomer["userName"] in page.text
    page = okta.submit("/setup/step", step="done")
    assert 'href="https://app.example/done"' in page.text
    assert "Okta is connected" in page.text
    stored = okta.stored()
    assert (stored["state"], stored["provider"], stored["step"]) == ("finished", "okta", "done")
    connection = tenant.api.get("/connections/default").json()
    assert connection["provider"] == "okta"
    actions = {(row["type"], row["action"]) for row in okta.log()}
    assert {
        ("SetupLink", "open"),
        ("SetupLink", "choose"),
        ("SetupLink", "credential"),
        ("SetupLink", "finish"),
        ("ApiKey", "create"),
    } <= actions
    assert all(row["address"] for row in okta.log())
    assert key not in str(okta.log())


def test_an_oauth_client_is_created_for_a_connection(customer, tenant):
    connection = tenant.api.post("/connections", json={"name": name("Entra")}).json()
    entra = customer(provider="entra", connection=connection["id"])
    assert "Recommended" in entra.open().text
    page = entra.submit("/setup/credential", kind="oauth-client")
    shown = copyable(page.text)
    base, secret = tenant.server.url, shown[0]
    client_id = next(text for text in shown if re.fullmatch(r"\d+\.[0-9a-f]+", text))
    assert {f"{base}/scim/v2", f"{base}/oauth/token"} <= set(shown)
    asked = {"grant_type": "client_credentials", "scope": "scim"}
    token = entra.http.post("/oauth/token", data=asked, auth=(client_id, secret)).json()
    client = tenant.client(token["access_token"], "/scim/v2")
    made = client.post("/Users", json=person()).json()
    owner = tenant.api.get(f"/resources/{made['id']}/connection").json()
    assert owner["connection"]["id"] == connection["id"]
    assert made["userName"] in entra.get("/setup?step=users").text


def test_the_set_up_goes_on_where_it_was_left(customer, tenant):
    first = customer(provider="okta")
    first.open()
    first.submit("/setup/credential", kind="key")
    assert "has succeeded yet" in first.get("/setup?step=done").text
    first.submit("/setup/step", step="test")
    again = Visitor(tenant.server)
    assert again.get(first.path).status_code == 303
    assert "Test the connection" in again.get("/setup").text
    again.close()


def test_a_double_click_makes_one_credential(customer, tenant):
    connection = tenant.api.post("/connections", json={"name": name("okta")}).json()["id"]
    okta = customer(provider="okta", connection=connection)
    okta.open()
    with ThreadPoolExecutor(4) as pool:
        clicks = list(pool.map(lambda _: okta.post("/setup/credential", kind="key"), range(4)))
    assert sorted(click.status_code for click in clicks) == [303, 409, 409, 409]
    keys = tenant.api.get("/keys", params={"limit": 1000}).json()["items"]
    [made] = [key["id"] for key in keys if key["connection"] == connection]
    assert okta.stored()["credential"]["id"] == made
    assert [row["action"] for row in okta.log()].count("credential") == 1


def test_a_second_credential_is_made_only_if_that_is_said(customer, tenant):
    okta = customer(provider="okta")
    okta.open()
    okta.submit("/setup/credential", kind="key")
    before = len(tenant.api.get("/keys", params={"limit": 1000}).json()["items"])
    assert okta.post("/setup/credential", kind="key").status_code == 409
    assert len(tenant.api.get("/keys", params={"limit": 1000}).json()["items"]) == before
    assert okta.post("/setup/credential", kind="key", replace="1").status_code == 303


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/setup/provider", {"provider": "acme"}, 400),
        ("/setup/provider", {}, 400),
        ("/setup/credential", {"kind": "admin"}, 400),
        ("/setup/credential", {"kind": "oauth-client"}, 400),  # Okta cannot use one
        ("/setup/credential", {"kind": "trust", "tenant": "x", "subject": "y"}, 400),
        ("/setup/step", {"step": "paid"}, 400),
        ("/setup/step", {"step": "done"}, 400),  # no credential yet
    ],
)
def test_a_wrong_form_changes_nothing_and_says_so(customer, path, fields, status):
    okta = customer(provider="okta")
    okta.open()
    before = okta.stored()
    answer = okta.post(path, **fields)
    assert answer.status_code == status
    assert 'class="error"' in answer.text
    assert okta.stored() == before


def test_a_trust_needs_two_ids(customer):
    entra = customer(provider="entra")
    entra.open()
    answer = entra.post("/setup/credential", kind="trust", tenant=TENANT, subject="someone")
    assert answer.status_code == 400
    assert 'id="wrong-subject"' in answer.text


def test_forms_need_their_token(customer):
    okta = customer(provider="okta")
    okta.open()
    assert okta.post("/setup/credential", csrf="", kind="key").status_code == 403
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": "null", "sec-fetch-site": "same-site"},
    ):
        assert okta.post("/setup/credential", headers=headers, kind="key").status_code == 403
    assert okta.stored()["credential"] is None
    # Browsers hide the origin of a page whose policy is no-referrer.
    own = {"origin": "null", "sec-fetch-site": "same-origin"}
    assert okta.post("/setup/credential", headers=own, kind="key").status_code == 303


def test_forms_of_the_console_do_not_hide_their_origin(root):
    own = {"origin": "null", "sec-fetch-site": "same-origin"}
    root.get("/account")
    assert root.post("/theme", headers=own, theme="dark").status_code == 403


def test_a_link_that_is_over_says_why_at_once(customer, tenant):
    okta = customer(provider="okta", contact="Ada", returnUrl="https://app.example/")
    okta.open()
    tenant.api.delete(f"/setup-links/{okta.link['id']}")
    for answer in (
        okta.get("/setup"),
        okta.get(okta.path),
        okta.post("/setup/credential", kind="key"),
    ):
        assert answer.status_code == 410
        assert "was revoked. Ask Ada for a new one" in answer.text
        assert 'href="https://app.example/"' in answer.text


def test_without_a_link_the_page_does_nothing(server):
    visitor = Visitor(server)
    assert visitor.get("/setup").status_code == 410
    assert visitor.get("/setup/" + "x" * 43).status_code == 410
    assert visitor.get("/setup/%00").status_code == 404
    visitor.close()


def test_the_page_has_no_other_rights(customer, tenant):
    okta = customer(provider="okta")
    okta.open()
    for path in ("/account", f"/w/{tenant.name}/users", "/workspaces", "/administrators"):
        assert okta.get(path).headers["location"].partition("?")[0] == "/sign-in"
    for path in ("/api/v1/keys", "/scim/v2/Users"):
        assert okta.http.get(path).status_code == 401


def test_the_address_of_the_page_is_sent_nowhere(customer):
    okta = customer()
    for answer in (okta.get(okta.path), okta.get("/setup")):
        assert answer.headers.get_list("referrer-policy")[-1] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    [cookie] = [
        header
        for header in okta.get(okta.path).headers.get_list("set-cookie")
        if header.startswith("muster_setup=")
    ]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/setup;" in cookie  # no other page needs it


def test_the_token_is_in_no_log(customer, tenant):
    okta = customer()
    token = okta.path.removeprefix("/setup/")
    for path in (okta.path, f"{okta.path}/x", f"/setup//{token}", "/setup"):
        okta.get(path)
    assert until(lambda: '"path":"/setup/' in tenant.server.logged())
    assert token not in tenant.server.logged()


def test_guesses_are_limited_by_address(tmp_path):
    with InProcessServer(tmp_path) as alone:
        visitor = Visitor(alone)
        statuses = [visitor.get(f"/setup/guess{number}").status_code for number in range(32)]
        assert statuses == [410] * 30 + [429] * 2
        visitor.close()


def test_the_brand_of_the_operator_is_shown(tmp_path):
    logo = tmp_path / "logo.svg"
    logo.write_text('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')
    brand = {"MUSTER_BRAND_NAME": "Acme & Co", "MUSTER_BRAND_ACCENT": "#0a5c36"}
    with InProcessServer(tmp_path, **brand, MUSTER_BRAND_LOGO=str(logo)) as branded:
        visitor = Visitor(branded)
        page = visitor.get("/setup").text
        assert 'alt="Acme &amp; Co"' in page
        assert "/brand/style.css" in page
        style = visitor.get("/brand/style.css")
        assert "--accent:#0a5c36;--on-accent:#ffffff" in style.text
        image = visitor.get("/brand/logo")
        assert image.headers["content-type"] == "image/svg+xml"
        assert "default-src 'none'; script-src 'self'" in image.headers["content-security-policy"]
        visitor.close()


@pytest.mark.parametrize(
    ("accepted", "provider", "offered"),
    [
        ("any", "entra", ["oauth-client", "key", "trust"]),
        ("oauth", "entra", ["oauth-client", "trust"]),
        ("keys", "entra", ["key"]),
        ("keys", "okta", ["key"]),
        ("oauth", "okta", []),
    ],
)
def test_only_credentials_that_the_workspace_accepts_are_offered(
    server, customer, accepted, provider, offered
):
    with Tenant(server) as alone:
        asked = {"name": "Old", "auth": "client_secret"}
        alone.api.post("/connections/default/oauth-clients", json=asked)
        changed = alone.api.patch("/settings", json={"scimCredentials": accepted})
        assert changed.status_code == 200, changed.text
        one = Customer(alone, provider=provider, contact="Ada")
        page = one.open().text
        assert re.findall(r'name="kind" value="([\w-]+)"', page) == offered
        assert ("or ask Ada to accept API keys too" in page) == (not offered)
        one.get("/setup?step=provider")  # a page with a form, for its token
        for kind in {"key", "oauth-client"} - set(offered):
            assert one.post("/setup/credential", kind=kind).status_code == 400
        assert one.stored()["credential"] is None
        one.close()


def test_two_links_in_one_browser(server, tenant):
    with Tenant(server) as other:
        first, second = Customer(tenant, provider="okta"), Customer(other, provider="okta")
        first.open()
        assert first.get(second.path).status_code == 303  # the page is that of the last link
        assert other.name in first.get("/setup").text
        first.submit("/setup/credential", kind="key")
        assert first.stored()["credential"] is None
        assert second.stored()["credential"]["kind"] == "key"
        assert len(other.api.get("/keys").json()["items"]) == 2
        first.close()
        second.close()


def test_a_form_of_another_link_changes_nothing(server, tenant):
    with Tenant(server) as other:
        first, second = Customer(tenant, provider="okta"), Customer(other, provider="okta")
        form = re.search(r'name="link" value="(\w+)"', first.open().text)[1]
        first.get(second.path)
        for path, fields in {
            "/setup/provider": {"provider": "google"},
            "/setup/credential": {"kind": "key"},
            "/setup/step": {"step": "credential"},
        }.items():
            answer = first.post(path, link=form, **fields)
            assert answer.status_code == 409
            assert f"another set-up link since, which is for {other.name}" in answer.text
        assert (second.stored()["provider"], second.stored()["credential"]) == ("okta", None)
        first.get(first.path)
        assert first.post("/setup/credential", link=form, kind="key").status_code == 303
        first.close()
        second.close()


def test_a_paused_connection_is_set_up_and_says_that_it_is_paused(customer, tenant):
    connection = tenant.api.post("/connections", json={"name": name("paused")}).json()["id"]
    tenant.api.post(f"/connections/{connection}/pause", json={"reason": "<b>Moving</b>"})
    okta = customer(provider="okta", connection=connection, contact="Ada")
    page = okta.open().text
    assert "This connection is paused: &lt;b&gt;Moving&lt;/b&gt;." in page
    assert "until Ada resumes it" in page
    key = copyable(okta.submit("/setup/credential", kind="key").text)[0]
    assert tenant.client(key, "/scim/v2").get("/Users").status_code == 503
    tenant.api.post(f"/connections/{connection}/resume")
    assert "paused" not in okta.get("/setup").text
    assert tenant.client(key, "/scim/v2").get("/Users").status_code == 200


def test_the_limit_of_oauth_clients_is_an_error_on_the_page(tmp_path, monkeypatch):
    monkeypatch.setattr("muster.access.oauth.clients.MAX_CLIENTS", 1)
    with InProcessServer(tmp_path) as server, Tenant(server) as alone:
        entra = Customer(alone, provider="entra")
        entra.open()
        entra.submit("/setup/credential", kind="oauth-client")
        answer = entra.post("/setup/credential", kind="oauth-client", replace="1")
        assert answer.status_code == 400
        assert "A workspace has at most 1 OAuth clients" in unescape(answer.text)
        assert entra.post("/setup/credential", kind="key", replace="1").status_code == 303
        entra.close()


def test_what_the_operator_typed_is_text(customer, tenant):
    platform = Platform(tenant.server)
    named = {"displayName": '<img src=x onerror="1">'}
    assert platform.api.patch(f"/workspaces/{tenant.name}", json=named).status_code == 200
    platform.close()
    url = "https://app.example/?a=\"onclick='1'&b=<script>"
    okta = customer(provider="okta", contact="<script>alert(1)</script>", returnUrl=url)
    okta.open()
    okta.submit("/setup/credential", kind="key")
    for step in ("provider", "credential", "mapping", "test", "users", "done"):
        page = okta.get(f"/setup?step={step}").text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&lt;img src=x" in page
    [link] = re.findall(r'href="(https://app[^"]*)"', page)
    assert unescape(link) == url


def test_a_suspended_workspace_says_why(server):
    with Tenant(server) as alone:
        okta = Customer(alone, provider="okta", returnUrl="https://app.example/")
        okta.open()
        platform = Platform(server)
        try:
            platform.api.post(f"/workspaces/{alone.name}/suspend", json={"reason": "Unpaid"})
            for answer in (okta.get("/setup"), okta.post("/setup/credential", kind="key")):
                assert answer.status_code == 410
                assert "Unpaid" in answer.text
            platform.api.post(f"/workspaces/{alone.name}/resume")
            assert okta.get("/setup").status_code == 200
            platform.api.delete(f"/workspaces/{alone.name}", params={"confirm": alone.name})
            assert "no longer known" in okta.get("/setup").text
        finally:
            platform.close()
        okta.close()
