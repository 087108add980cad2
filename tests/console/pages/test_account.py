"""The account: second factors and passkeys; tests/console/test_browser.py runs the script."""

import re

import pyotp
import pytest

from muster.access.permissions import ADMIN, AUDIT, SCIM, SETTINGS
from tests.console.browsing import PASSWORD, Visitor, invitation, invited
from tests.support.authenticator import Authenticator
from tests.support.in_process import InProcessServer
from tests.support.people import name

ORIGIN = "http://localhost:8080"


@pytest.fixture
def admin(server, fresh):
    """An administrator of a workspace, at a host name for which browsers allow passkeys."""
    made = at_localhost(invited(server, fresh.name, SCIM, SETTINGS))
    yield made
    made.close()


def at_localhost(visitor):
    visitor.http.headers["Host"] = "localhost:8080"
    visitor.device = Authenticator(ORIGIN)
    visitor.get("/account")
    return visitor


def add_passkey(visitor, label="Laptop", **fields):
    options = visitor.post("/account/passkeys/challenge", name=label).json()
    credential = visitor.device.create(options)
    return visitor.post("/account/passkeys", name=label, credential=credential, **fields)


def by_passkey(server, device, to="/account"):
    visitor = at_localhost(Visitor(server))
    visitor.get("/sign-in")
    options = visitor.post("/sign-in/passkey/challenge").json()
    return visitor, visitor.post("/sign-in/passkey", credential=device.get(options), to=to)


def test_a_passkey_is_added_and_signs_in(admin, server):
    added = add_passkey(admin)
    assert added.status_code == 303
    page = admin.get("/account").text
    assert len(re.findall(r"<li><code>[a-z2-7-]+</code>", page)) == 8
    assert "Laptop" in page
    visitor, answer = by_passkey(server, admin.device)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert admin.email in visitor.get("/account").text
    visitor.get("/account")
    visitor.post("/sign-out")
    visitor.get("/sign-in")
    asked = visitor.post("/sign-in", email=admin.email, password=PASSWORD)
    assert asked.status_code == 200
    assert "muster_session" not in asked.headers.get("set-cookie", "")
    assert "Sign in with your passkey" in asked.text
    assert 'name="code"' in asked.text
    visitor.close()


def test_a_passkey_that_was_removed_no_longer_signs_in(admin, server):
    add_passkey(admin)
    page = admin.get("/account").text
    path = re.search(r'action="(/account/passkeys/[^"]+/remove)"', page)[1]
    assert admin.post(path).status_code == 303
    visitor, answer = by_passkey(server, admin.device)
    assert answer.status_code == 401
    assert "was not accepted" in answer.text
    visitor.close()


def test_the_form_token_binds_a_sign_in_to_the_browser_that_began_it(admin, server):
    """A response that somebody else obtained does not sign this browser in."""
    add_passkey(admin)
    other = at_localhost(Visitor(server))
    other.get("/sign-in")
    options = other.post("/sign-in/passkey/challenge").json()
    credential = admin.device.get(options)
    victim = at_localhost(Visitor(server))
    victim.get("/sign-in")
    assert victim.post("/sign-in/passkey", credential=credential).status_code == 400
    assert other.post("/sign-in/passkey", credential=credential).status_code == 303
    other.close()
    victim.close()


def test_challenges_need_the_form_token(server):
    visitor = at_localhost(Visitor(server))
    visitor.get("/sign-in")
    assert visitor.post("/sign-in/passkey/challenge", csrf="x").status_code == 403
    options = visitor.post("/sign-in/passkey/challenge")
    assert options.headers["content-type"] == "application/json"
    assert options.json()["userVerification"] == "required"
    assert options.json()["rpId"] == "localhost"
    assert options.json()["allowCredentials"] == []
    visitor.close()


def test_at_an_address_the_pages_say_why_there_are_no_passkeys(server, fresh):
    admin = invited(server, fresh.name, SCIM)
    page = admin.get("/account").text
    assert "Passkeys need a host name, and 127.0.0.1 is an address" in page
    assert "data-passkey" not in page
    refused = admin.post("/account/passkeys/challenge", name="x")
    assert (refused.status_code, "host name" in refused.json()["error"]) == (409, True)
    visitor = Visitor(server)
    assert "data-passkey" not in visitor.get("/sign-in").text
    admin.http.headers["Host"] = "muster.example.com"
    assert "Passkeys need MUSTER_BASE_URL" in admin.get("/account").text
    visitor.close()
    admin.close()


def test_pages_say_that_passkeys_need_javascript(admin, server):
    visitor = at_localhost(Visitor(server))
    for page in (visitor.get("/sign-in"), admin.get("/account")):
        assert re.search(r"<noscript>.*need JavaScript", page.text)
        assert re.search(r'<form[^>]*data-passkey="\w+"[^>]* hidden', page.text)
    visitor.close()


def set_up(visitor):
    page = visitor.get("/account/second-factor").text
    secret = re.search(r'name="secret" value="([A-Z2-7]+)"', page)[1]
    return visitor.post("/account/totp", secret=secret, code=pyotp.TOTP(secret).now())


def test_an_old_session_sets_up_the_authenticator_with_the_password(tmp_path, clock):
    with InProcessServer(tmp_path) as server:
        admin = Visitor(server).accept(invitation(server), name("root"))
        assert 'name="password"' not in admin.get("/account/second-factor").text
        clock.advance(minutes=11)
        page = admin.get("/account/second-factor").text
        assert 'name="password"' in page
        secret = re.search(r'name="secret" value="([A-Z2-7]+)"', page)[1]
        fields = {"secret": secret, "code": pyotp.TOTP(secret).at(clock.moment)}
        refused = admin.post("/account/totp", **fields, password="wrong")
        assert (refused.status_code, refused.text.count('id="wrong-password"')) == (401, 1)
        assert secret in refused.text
        done = admin.post("/account/totp", **fields, password=PASSWORD)
        assert done.headers["location"] == "/account"
        admin.close()


def test_the_first_second_factor_ends_the_other_sessions_and_says_so(admin, server):
    other = at_localhost(Visitor(server))
    other.get("/sign-in")
    assert other.post("/sign-in", email=admin.email, password=PASSWORD).status_code == 303
    assert other.get("/account").status_code == 200
    assert set_up(admin).status_code == 303
    assert "Your other sessions were ended." in admin.get("/account").text
    assert other.get("/account").headers["location"].startswith("/sign-in")
    other.close()


def test_the_authenticator_is_set_up_by_a_qr_code_without_inline_style(admin):
    page = admin.get("/account/second-factor").text
    secret = re.search(r'name="secret" value="([A-Z2-7]+)"', page)[1]
    assert f"secret={secret}" in page.replace("&amp;", "&")
    assert re.search(r'<svg[^>]*viewBox="0 0 \d+ \d+"', page)
    assert "style=" not in page
    assert f'<code class="copyable">{secret}</code>' in page
    assert set_up(admin).status_code == 303
    assert admin.get("/account/second-factor").headers["location"] == "/account"


def test_a_workspace_that_requires_a_second_factor_opens_nothing_else(server, fresh):
    admin = at_localhost(invited(server, fresh.name, ADMIN))
    stream = f"/w/{fresh.name}/requests/live"
    assert admin.get(f"/w/{fresh.name}").status_code == 200
    fresh.api.patch("/settings", json={"requireSecondFactor": True})
    for path in (f"/w/{fresh.name}", f"/w/{fresh.name}/keys", "/account", "/workspaces", stream):
        answer = admin.get(path)
        assert answer.headers["location"].partition("?")[0] == "/account/second-factor", path
    assert admin.get("/").status_code == 303
    page = admin.get("/account/second-factor").text
    assert f"The workspace {fresh.name} requires a second factor" in page
    assert 'class="sidebar"' not in page
    made = len(fresh.api.get("/keys").json()["items"])
    refused = admin.post(f"/w/{fresh.name}/keys", name="k", permission=SCIM)
    assert refused.headers["location"] == f"/account/second-factor?workspace={fresh.name}"
    assert admin.post("/account/password", old=PASSWORD, new="x" * 20).headers["location"] == (
        "/account/second-factor"
    )
    assert len(fresh.api.get("/keys").json()["items"]) == made
    assert add_passkey(admin).headers["location"] == "/account"
    assert len(re.findall(r"<li><code>[a-z2-7-]+</code>", admin.get("/account").text)) == 8
    assert admin.get(f"/w/{fresh.name}").status_code == 200
    admin.close()


def test_an_administrator_with_an_authenticator_is_not_held_up(server, fresh):
    admin = invited(server, fresh.name, AUDIT)
    assert set_up(admin).status_code == 303
    fresh.api.patch("/settings", json={"requireSecondFactor": True})
    assert admin.get(f"/w/{fresh.name}/audit").status_code == 200
    admin.close()


def test_a_workspace_keeps_owners_of_the_installation_from_its_own_pages_alone(root, fresh):
    fresh.api.patch("/settings", json={"requireSecondFactor": True})
    assert root.get("/administrators").status_code == 200
    assert root.get("/w/default").status_code == 200
    led = root.get(f"/w/{fresh.name}/keys").headers["location"]
    assert led == f"/account/second-factor?workspace={fresh.name}"
    said = f"The workspace {fresh.name} requires a second factor"
    assert said in root.get(led).text
    assert said not in root.get("/account/second-factor").text
    assert "requires" not in root.get("/account/second-factor", workspace="<b>").text


def test_the_setting_of_a_workspace_is_a_check_box(root, fresh):
    path = f"/w/{fresh.name}/settings"
    assert 'name="requireSecondFactor">' in root.get(path).text
    fields = {"contract": "rfc7644", "guardMode": "watch", "guardShare": "10", "guardLeast": "20"}
    switches = {"automaticProvisioning": "on", "automaticDeprovisioning": "on"}
    saved = root.post(path, **fields, **switches, requireSecondFactor="on")
    assert saved.status_code == 303
    assert fresh.api.get("/settings").json()["requireSecondFactor"] is True
    fresh.api.patch("/settings", json={"requireSecondFactor": False})


def test_a_second_factor_of_another_is_reset_with_its_passkeys(root, admin, server):
    add_passkey(admin)
    page = root.get("/administrators").text
    assert "Passkey" in page[page.index(admin.email) :]
    path = re.search(r'action="(/administrators/[^"]+/reset)"', page[page.index(admin.email) :])[1]
    assert root.post(path).status_code == 303
    visitor, answer = by_passkey(server, admin.device)
    assert answer.status_code == 401
    visitor.get("/sign-in")
    assert visitor.post("/sign-in", email=admin.email, password=PASSWORD).status_code == 303
    visitor.close()


def test_codes_are_renewed_only_with_a_second_factor(admin):
    assert admin.post("/account/recovery-codes").status_code == 409
    assert set_up(admin).status_code == 303
    first = codes(admin)
    admin.get("/account")
    assert admin.post("/account/recovery-codes").status_code == 303
    assert not set(codes(admin)) & set(first)


def codes(visitor):
    return re.findall(r"<li><code>([a-z2-7-]+)</code>", visitor.get("/account").text)


def test_a_name_is_changed_and_escaped(root, admin):
    bad = f"<b>{name()}</b>"
    assert admin.post("/account/name", name=bad).status_code == 303
    for page in (admin.get("/account").text, root.get("/administrators").text):
        assert bad not in page
        assert bad.replace("<", "&lt;").replace(">", "&gt;") in page
    admin.get("/account")
    assert admin.post("/account/name", name="x" * 101).status_code == 400


NEW = "another horse battery"


def test_a_password_is_changed_with_the_current_one_and_ends_other_sessions(admin, server):
    other = Visitor(server)
    other.get("/sign-in")
    other.post("/sign-in", email=admin.email, password=PASSWORD)
    for old, new, status, said in (
        ("not the password", NEW, 401, "password"),
        (PASSWORD, "short", 400, "nter 12 to"),
    ):
        refused = admin.post("/account/password", old=old, new=new)
        assert refused.status_code == status
        assert said in refused.text
        assert old not in refused.text
        assert other.get("/account").status_code == 200
    assert admin.post("/account/password", old=PASSWORD, new=NEW).status_code == 303
    assert "Password changed. Your other sessions were ended." in admin.get("/account").text
    assert other.get("/account").status_code == 303
    other.get("/sign-in")
    assert other.post("/sign-in", email=admin.email, password=NEW).status_code == 303
    other.close()


def test_a_passkey_is_renamed_and_a_refusal_changes_nothing(admin):
    add_passkey(admin)
    page = admin.get("/account").text
    path = re.search(r'action="(/account/passkeys/[^"]+)/rename"', page)[1]
    assert admin.post(f"{path}/rename", name="").status_code == 400
    assert admin.post("/account/passkeys/0/remove").status_code == 404
    refused = admin.post("/account/passkeys", name="Phone", credential="{}", password=PASSWORD)
    assert refused.status_code == 400
    assert "Laptop" in admin.get("/account").text
    assert "Phone" not in admin.get("/account").text
    assert admin.post(f"{path}/rename", name="Desk").status_code == 303
    assert "Desk" in admin.get("/account").text
