"""Connections in the console: settings and their fallbacks, credentials shown once, and pauses."""

import re
from html import unescape

import pytest

from muster.access.permissions import SCIM, SETTINGS
from tests.console.browsing import Visitor, invitation, invited
from tests.http.management.test_connections import connect, scim_of
from tests.http.test_trusts import issuer
from tests.support.people import name, person

__all__ = ["issuer"]


@pytest.fixture(scope="module")
def root(server):
    visitor = Visitor(server).accept(invitation(server), name("connections"))
    yield visitor
    visitor.close()


@pytest.fixture
def base(root, fresh):
    path = f"/w/{fresh.name}/connections"
    root.get(path)
    return path


def text(page):
    return re.sub(r"\s+", " ", unescape(re.sub("<[^>]+>", " ", page.text)))


def test_a_connection_is_created_and_listed_with_what_it_owns(root, base, fresh):
    page = root.submit(base, name="Okta", provider="okta", ownership="exclusive")
    assert 'Connection "Okta" was created.' in text(page)
    okta = next(
        one for one in fresh.api.get("/connections").json()["items"] if one["id"] != "default"
    )
    assert (okta["name"], okta["provider"], okta["ownership"]) == ("Okta", "okta", "exclusive")
    user = scim_of(fresh, okta).post("/Users", json=person()).json()
    listed = text(root.get(base))
    assert re.search(r"Okta exclusive Okta Active .* ago 1 0 1 ", listed) or "1 0 1" in listed
    shown = text(root.get(f"/w/{fresh.name}/users/{user['id']}"))
    assert "Belongs to the connection Okta , which owns it exclusively" in shown
    [row] = fresh.api.get("/audit", params={"type": "Connection"}).json()["items"]
    assert row["actor"].startswith("admin:")


def test_a_refused_form_keeps_what_was_typed(root, base):
    page = root.submit(base, name="default", provider="entra", ownership="exclusive")
    assert page.status_code == 409
    assert "has this name. Choose another." in text(page)
    assert 'value="exclusive" checked' in page.text
    assert '<option value="entra" selected>' in page.text
    assert root.submit(base, name=" ").status_code == 400


def test_settings_show_the_workspaces_value_until_they_have_their_own(root, base, fresh):
    fresh.api.patch("/settings", json={"strict": True, "guardShare": 7})
    made = connect(fresh)
    path, one = f"{base}/{made['id']}", f"/connections/{made['id']}"
    page = root.get(path)
    assert "Uses the workspace's setting: on" in text(page)
    assert "Uses the workspace's setting: 7" in unescape(page.text)
    form = {"name": "Okta", "provider": "okta", "ownership": "shared"}
    page = root.submit(
        path, **form, strict="off", guardMode="pause", guardShare="5", restrict="on",
        ipAllowlist="192.0.2.0/24\n2001:db8::/32", reviewed="on",
    )  # fmt: skip
    assert 'Connection "Okta" was saved.' in text(page)
    kept = fresh.api.get(one).json()
    assert (kept["strict"], kept["guardMode"], kept["guardShare"]) == (False, "pause", 5)
    assert kept["ipAllowlist"] == ["192.0.2.0/24", "2001:db8::/32"]
    root.submit(path, **form, reviewed="on")
    kept = fresh.api.get(one).json()
    assert {kept[key] for key in ("strict", "guardMode", "guardShare", "ipAllowlist")} == {None}
    for wrong in ({"guardShare": "101"}, {"restrict": "on", "ipAllowlist": "x"}, {"name": ""}):
        refused = root.submit(path, **{**form, **wrong})
        assert refused.status_code == 400
        assert 'class="wrong"' in refused.text


def test_another_allowlist_is_reviewed_with_the_clients_that_it_blocks(root, base, fresh):
    made = connect(fresh, name="Okta")
    scim, path = scim_of(fresh, made), f"{base}/{made['id']}"
    form = {"name": "Okta", "provider": "okta", "ownership": "shared", "restrict": "on"}
    stamp = root.stamp(path)
    page = root.post(path, **form, ipAllowlist="192.0.2.0/24", seen=stamp)
    assert "No requests of this connection are recorded" in text(page)
    scim.get("/Users/unknown")
    fresh.recorded(1)
    page = root.post(path, **form, ipAllowlist="192.0.2.0/24 Okta", guardShare="1", seen=stamp)
    assert page.status_code == 200
    assert fresh.api.get(f"/connections/{made['id']}").json() == made
    rows = re.findall(r'<th data-label="Setting">([^<]*)</th>.*?"is">([^<]*)<', page.text)
    assert rows == [
        ("Provider", "Okta"),
        ("Guard limit: percentage of users per hour", "1"),
        ("IP allowlist", "192.0.2.0/24"),
    ]
    assert "which will be blocked: 127.0.0.1, last" in text(page)
    again = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
    edited = root.post(path, **again, edit="on").text
    assert "192.0.2.0/24 Okta</textarea>" in edited
    root.get(path)
    assert root.post(path, **{**again, "csrf": root.csrf}, reviewed="on").status_code == 303
    kept = fresh.api.get(f"/connections/{made['id']}").json()
    assert (kept["ipAllowlist"], kept["guardShare"]) == (["192.0.2.0/24"], 1)
    assert kept["ipAllowlistEntries"][0]["description"] == "Okta"
    assert scim.get("/Users").status_code == 403
    page = root.post(path, **form, ipAllowlist="127.0.0.0/8")
    assert "which will be blocked" not in text(page)  # the one address is blocked already


def test_an_old_form_does_not_set_back_what_somebody_else_has_changed(root, base, fresh):
    path = f"{base}/default"
    stamp = root.stamp(path)
    fresh.api.patch("/connections/default", json={"guardShare": 5})
    form = {"name": "Okta", "provider": "okta", "ownership": "shared"}
    refused = root.post(path, **form, seen=stamp)
    assert (refused.status_code, "Somebody else has changed this" in refused.text) == (409, True)
    assert fresh.api.get("/connections/default").json()["name"] == "default"
    [again] = re.findall(r'name="seen" value="([^"]*)"', refused.text)
    assert root.post(path, **form, seen=again).status_code == 303


def test_a_connection_is_paused_and_resumed(root, base, fresh):
    page = root.submit(f"{base}/default/pause", reason="Moving to Entra ID")
    assert "An administrator paused this connection" in text(page)
    assert fresh.scim.get("/Users").status_code == 503
    assert "Paused by an administrator" in text(root.get(base))
    page = root.submit(f"{base}/default/resume")
    assert "was resumed" in text(page)
    assert fresh.scim.get("/Users").status_code == 200
    for wrong in ("x" * 301, "a\x7fb"):
        refused = root.submit(f"{base}/default/pause", reason=wrong)
        assert refused.status_code == 400
        assert 'class="wrong"' in refused.text


def test_credentials_are_created_shown_once_rotated_and_ended(root, base, fresh):
    okta = connect(fresh)
    path = f"{base}/{okta['id']}"
    page = root.submit(f"{path}/keys", keyName="okta")
    token = re.search(r'data-copy="(eyJ[^"]+)"', page.text)[1]
    assert fresh.client(token, "/scim/v2").get("/Users").status_code == 200
    assert token not in root.get(path).text
    assert root.submit(f"{path}/keys", keyName="okta").status_code == 409
    page = root.submit(f"{path}/oauth-clients", clientName="Entra")
    secret = re.search(r'Client secret: <code class="copyable">([\w-]+)', page.text)[1]
    [client] = fresh.api.get(f"/connections/{okta['id']}/oauth-clients").json()["items"]
    assert client["name"] == "Entra"
    page = root.submit(f"{path}/oauth-clients/{client['clientId']}/rotate", overlap="3600")
    assert "the old secret works until" in text(page)
    assert secret not in page.text
    signed = {"clientName": "Signed", "auth": "private_key_jwt"}
    assert "expected an absolute https URL" in root.submit(f"{path}/oauth-clients", **signed).text
    root.submit(f"{path}/oauth-clients", **signed, jwksUri="https://keys.example/jwks")
    assert len(fresh.api.get(f"/connections/{okta['id']}/oauth-clients").json()["items"]) == 2
    page = root.submit(f"{path}/oauth-clients/{client['clientId']}/delete")
    assert 'OAuth client "Entra" was deleted.' in text(page)


def test_a_trust_is_added_and_removed(root, base, fresh, issuer):
    path = f"{base}/default/trusts"
    form = {"issuer": issuer.url, "audience": "api://muster", "subject": "app-1"}
    refused = root.submit(path, **{**form, "issuer": "nowhere"})
    assert "expected an absolute https URL" in text(refused)
    assert 'value="app-1"' in refused.text
    assert "Tokens of app-1 are accepted now." in text(root.submit(path, **form))
    [trust] = fresh.api.get("/connections/default/trusts").json()["items"]
    page = root.submit(f"{path}/{trust['id']}/delete")
    assert "no longer accepted" in text(page)
    assert fresh.api.get("/connections/default/trusts").json()["items"] == []


def test_the_deletion_of_an_owner_asks_for_its_name(root, base, fresh):
    okta = connect(fresh, name="Okta")
    scim_of(fresh, okta).post("/Users", json=person())
    path = f"{base}/{okta['id']}"
    assert "Enter the name, Okta, to confirm" in text(root.get(path))
    refused = root.submit(f"{path}/delete", confirm="okta")
    assert (refused.status_code, "nter the name of the connection" in refused.text) == (409, True)
    assert 'Connection "Okta" was deleted' in text(root.submit(f"{path}/delete", confirm="Okta"))
    assert root.get(path).status_code == 404
    assert root.submit(f"{base}/default/delete").status_code == 409


def test_keys_requests_and_the_audit_log_have_the_connection_if_there_are_several(
    root, base, fresh
):
    place = f"/w/{fresh.name}"
    for path in ("/keys", "/requests", "/audit"):
        assert 'name="connection"' not in root.get(place + path).text
    okta = connect(fresh, name="Okta")
    root.submit(f"{place}/keys", name="k", preset="provider", connection=okta["id"])
    key = next(one for one in fresh.api.get("/keys").json()["items"] if one["name"] == "k")
    assert key["connection"] == okta["id"]
    assert "Connection Okta" in text(root.get(f"{place}/keys/{key['id']}"))
    scim_of(fresh, okta).get("/Users/unknown")
    fresh.scim.get("/Groups/unknown")
    fresh.recorded(2)
    page = root.get(f"{place}/requests", connection=okta["id"])
    assert ("/Users/unknown" in page.text, "/Groups/unknown" in page.text) == (True, False)
    assert "/Users/unknown" in root.get(f"{base}/{okta['id']}").text
    assert root.get(f"{place}/audit", connection=okta["id"]).status_code == 200
    found = [
        re.findall(r"\w+ \w+ 404", text(root.get(f"{place}/doctor", connection=one)))
        for one in (okta["id"], "default", "")
    ]
    assert len(found[0]) == len(found[1]) == len(found[2]) / 2 > 0


def test_an_administrator_of_settings_alone_creates_no_credential(server, fresh):
    admin = invited(server, fresh.name, SETTINGS)
    page = admin.get(f"/w/{fresh.name}/connections/default")
    assert page.status_code == 200
    assert "Create API key" not in page.text
    assert admin.post(f"/w/{fresh.name}/connections/default/keys", keyName="x").status_code == 403
    admin.close()


def test_an_administrator_of_settings_alone_ends_no_credential(server, fresh):
    """Nor does a key of the management API."""
    made = fresh.api.post("/connections", json={"name": "Okta"}).json()["id"]
    clients = f"/connections/{made}/oauth-clients"
    client = fresh.api.post(clients, json={"name": "x"}).json()["clientId"]
    admin = invited(server, fresh.name, SETTINGS)
    place = f"/w/{fresh.name}/connections/{made}"
    assert "Delete" not in admin.get(place).text
    for path in ("/delete", f"/oauth-clients/{client}/delete", "/trusts/0123456789abcdef/delete"):
        assert admin.post(place + path).status_code == 403
    assert fresh.api.get(clients).json()["items"][0]["clientId"] == client
    admin.close()


def test_a_connection_is_not_deleted_with_a_key_that_may_do_more(server, fresh):
    made = fresh.api.post("/connections", json={"name": "Okta"}).json()["id"]
    key = {"name": "all", "permissions": ["Admin"], "connection": made}
    assert fresh.api.post("/keys", json=key).status_code == 201
    admin = invited(server, fresh.name, SETTINGS, SCIM)
    admin.get(f"/w/{fresh.name}/connections/{made}")
    refused = admin.post(f"/w/{fresh.name}/connections/{made}/delete")
    assert (refused.status_code, "would revoke the key" in refused.text) == (403, True)
    assert fresh.api.get(f"/connections/{made}").status_code == 200
    admin.close()


def test_the_guard_page_and_the_overview_tell_of_a_pause_by_the_guard(root, base, fresh):
    fresh.api.patch("/settings", json={"guardMode": "pause", "guardShare": 0, "guardLeast": 0})
    assert "Mode: Pause the connection." in text(root.get(f"/w/{fresh.name}/guard"))
    user = fresh.user()
    assert fresh.scim.delete(f"/Users/{user['id']}").status_code == 429
    shown = root.get(f"/w/{fresh.name}")
    assert 'The deprovisioning guard paused the connection "default"' in text(shown)
    assert f'href="{base}/default"' in shown.text
    assert "The guard counts anew from now on." in text(root.get(f"{base}/default"))
    root.submit(f"{base}/default/resume")
    assert fresh.scim.get("/Users").status_code == 200


def test_all_changes_of_a_connection_are_rolled_back(root, base, fresh):
    okta = connect(fresh, name="Okta")
    scim = scim_of(fresh, okta)
    made = [scim_of(fresh, okta).post("/Users", json=person()).json() for _ in range(2)]
    other, gone = fresh.user(), fresh.user()
    assert scim.delete(f"/Users/{gone['id']}").status_code == 204
    path = f"/w/{fresh.name}/undo"
    assert "Connection Okta: all of its credentials" in text(root.get(path))
    period = {"since": "2020-01-01T00:00", "until": "2100-01-01T00:00"}
    asked = {"key": f"connection:{okta['id']}", **period}
    page = root.get(path, **asked)
    assert all(user["userName"] in page.text for user in made)
    assert other["userName"] not in page.text
    at = re.search(r'name="at" value="([^"]+)"', page.text)[1]
    assert "2 resources created by this connection" in text(page)
    chosen = {"resource": [gone["id"]], "delete": [user["id"] for user in made]}
    page = root.submit(path, **asked, at=at, **chosen, confirmed="yes", deleting="yes")
    assert "Rolled back 1 resource and deleted 2." in text(page)
    assert fresh.scim.get(f"/Users/{gone['id']}").status_code == 200
    assert fresh.scim.get("/Users").json()["totalResults"] == 2
    assert root.get(path, key="connection:x", **period).status_code == 404
