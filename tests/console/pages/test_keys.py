"""API keys in the console: access in words, limits, and questions before what cannot be undone."""

import html
import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from muster.access.permissions import ADMIN, AUDIT, NOTES, READ, SCIM, SETTINGS
from tests.console.browsing import Visitor, invitation, invited
from tests.support.people import name
from tests.support.waiting import until


@pytest.fixture(scope="module")
def root(server):
    visitor = Visitor(server).accept(invitation(server), name("keys"))
    yield visitor
    visitor.close()


def keys(tenant):
    """The keys of a workspace by name, without those that the fixtures made."""
    return {key["name"]: key for key in tenant.api.get("/keys").json()["items"]}


def chosen(page):
    """The preset that is chosen in the form."""
    return re.findall(r'name="preset" value="(\w*)" checked', page.text)


@pytest.mark.parametrize(
    ("preset", "permission"), [("provider", SCIM), ("application", READ), ("automation", ADMIN)]
)
def test_a_preset_gives_its_permission(root, fresh, preset, permission):
    path = f"/w/{fresh.name}/keys"
    assert chosen(root.get(path)) == ["provider"]
    page = root.submit(path, name="k", preset=preset)
    assert 'data-copy="eyJ' in page.text
    assert keys(fresh)["k"]["permissions"] == [permission]


@pytest.mark.parametrize("custom", [{"permission": READ}, {"role": "reader"}])
def test_a_preset_with_a_custom_choice_is_refused_beside_it(root, fresh, custom):
    fresh.api.post("/roles", json={"name": "reader", "permissions": [READ]})
    path = f"/w/{fresh.name}/keys"
    before = set(keys(fresh))
    root.get(path)
    page = root.post(path, name="k", preset="automation", **custom)
    assert page.status_code == 400
    beside = re.search(r'id="wrong-preset">([^<]*)', page.text)[1]
    assert "For automation" in beside
    assert chosen(page) == ["automation"]
    assert '<details class="custom" open>' in page.text
    assert set(keys(fresh)) == before


def test_a_role_with_permissions_is_refused_beside_it(root, fresh):
    fresh.api.post("/roles", json={"name": "reader", "permissions": [READ]})
    path = f"/w/{fresh.name}/keys"
    root.get(path)
    page = root.post(path, name="k", preset="", role="reader", permission=SCIM)
    assert page.status_code == 400
    assert "either a role or permissions" in re.search(r'id="wrong-role">([^<]*)', page.text)[1]
    assert "k" not in keys(fresh)


def test_an_error_does_not_begin_with_the_name_of_an_input(root, fresh):
    path = f"/w/{fresh.name}/keys"
    root.get(path)
    page = root.post(path, name="k", preset="")
    assert re.search(r'role="alert">([^<]*)', page.text)[1] == "Select at least one permission"


def test_a_new_key_leads_to_connect_and_is_listed_by_its_purpose(root, fresh):
    path = f"/w/{fresh.name}/keys"
    root.get(path)
    page = root.submit(path, name="k", preset="provider")
    assert f'href="/w/{fresh.name}/connect">' in page.text.partition("</section>")[0]
    row = next(row for row in page.text.split("<tr>") if ">k</a>" in row)
    assert re.search(r'data-label="Permissions">([^<]*)', row)[1] == "For an identity provider"
    assert NOTES[SCIM] in row
    shown = root.get(f"{path}/{keys(fresh)['k']['id']}").text
    assert f"<li>{html.escape(SCIM)} <small>{NOTES[SCIM]}</small></li>" in shown


@pytest.mark.parametrize(
    "page", ["/w/{}/keys", "/w/{}/roles", "/w/{}/administrators", "/w/{}/open-id-connector"]
)
def test_each_permission_is_explained_beside_its_checkbox(root, fresh, page):
    shown = html.unescape(root.get(page.format(fresh.name)).text)
    for permission, note in NOTES.items():
        label = shown.partition(f'name="permission" value="{permission}"')[2]
        assert f"> {permission}<br><small>{note}</small></label>" in label[:400]


def test_presets_are_those_that_an_administrator_may_grant(server, fresh):
    admin = invited(server, fresh.name, SETTINGS, READ)
    path = f"/w/{fresh.name}/keys"
    page = admin.get(path)
    assert re.findall(r'name="preset" value="(\w*)"', page.text) == ["application", ""]
    assert admin.post(path, name="k", preset="automation").status_code == 403
    assert admin.post(path, name="k", preset="application").status_code == 303
    admin.close()


def test_a_key_has_limits_and_they_are_changed(root, fresh):
    path = f"/w/{fresh.name}/keys"
    root.get(path)
    assert root.post(path, name="okta", preset="provider", expires="2031-01-31",
                     rateLimit="60").status_code == 303  # fmt: skip
    key = keys(fresh)["okta"]
    assert (key["rateLimit"], key["expires"][:19]) == (60, "2031-01-31T23:59:59")
    page = root.get(f"{path}/{key['id']}")
    for value in ('value="okta"', 'value="60"', 'value="2031-01-31"'):
        assert value in page.text
    typed = {"name": "entra", "rateLimit": "", "expires": "2031-01-31"}
    said = root.submit(f"{path}/{key['id']}", **typed).text
    assert "Key &#34;entra&#34; was saved." in said
    changed = keys(fresh)["entra"]
    assert (changed["rateLimit"], changed["expires"]) == (None, key["expires"])
    assert root.post(f"{path}/{key['id']}", name="entra", expires="").status_code == 303
    assert keys(fresh)["entra"]["expires"] is None
    rows = [row for row in fresh.api.get("/audit").json()["items"] if row["action"] == "update"]
    assert [row["actor"].startswith("admin:keys") for row in rows] == [True, True]


YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("name", "", "enter a name"), ("name", "n" * 201, "enter a name"),
        ("expires", "soon", "enter a date"), ("expires", YESTERDAY, "must be in the future"),
        ("expires", "9999-12-31", "within 10 years"), ("rateLimit", "many", "enter a whole number"),
        ("rateLimit", "-1", "enter a whole number"), ("rateLimit", "²", "enter a whole number"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_shown_again_with_the_error_beside_it(root, fresh, field, value, says):
    path = f"/w/{fresh.name}/keys"
    key = fresh.api.post("/keys", json={"name": "before"}).json()
    root.get(path)
    typed = {"name": "typed", "rateLimit": "5", "preset": "application", field: value}
    for place in (path, f"{path}/{key['id']}"):
        page = root.post(place, **typed)
        assert page.status_code == 400
        beside = re.search(rf'id="wrong-{field}">([^<]*)', page.text)[1]
        assert says in beside.lower()
        if field != "name":
            assert 'value="typed"' in page.text
        if place == path:
            assert chosen(page) == ["application"]
    assert keys(fresh)["before"]["rateLimit"] is None


def test_a_name_that_is_taken_is_409_and_names_the_key(root, fresh):
    path = f"/w/{fresh.name}/keys"
    okta = fresh.api.post("/keys", json={"name": "okta"}).json()
    other = fresh.api.post("/keys", json={"name": "other"}).json()
    root.get(path)
    for place in (path, f"{path}/{other['id']}"):
        page = root.post(place, name="Okta", preset="provider")
        assert page.status_code == 409
        assert okta["id"] in re.search(r'id="wrong-name">([^<]*)', page.text)[1]


def test_rotating_and_revoking_ask_first_and_name_the_key_and_its_last_use(root, fresh):
    path = f"/w/{fresh.name}/keys"
    key = fresh.api.post("/keys", json={"name": "okta"}).json()
    assert f'href="{path}/{key["id"]}">Manage' in root.get(path).text
    page = root.get(f"{path}/{key['id']}").text
    assert '<option value="86400" selected>' in page
    assert "okta stops working at once, for good. It has never been used." in page
    assert "the same name and permissions as okta. It has never been used." in page
    with fresh.client(key["token"], "/scim/v2") as client:
        assert client.get("/Users").status_code == 200
    until(lambda: fresh.api.get(f"/keys/{key['id']}").json()["lastUsed"])
    assert "for good. It was last used" in root.get(f"{path}/{key['id']}").text


def test_the_page_of_a_revoked_key_has_no_forms(root, fresh):
    key = fresh.api.post("/keys", json={"name": "okta"}).json()
    fresh.api.delete(f"/keys/{key['id']}")
    path = f"/w/{fresh.name}/keys/{key['id']}"
    page = root.get(path)
    assert page.status_code == 200
    assert f'action="{path}' not in page.text
    assert root.post(path, name="x").status_code == 404
    assert root.get(f"/w/{fresh.name}/keys/none").status_code == 404


def test_a_key_of_more_permissions_is_shown_and_not_changed(server, fresh):
    strong = fresh.api.post("/keys", json={"name": "strong", "permissions": [ADMIN]}).json()
    admin = invited(server, fresh.name, SETTINGS)
    path = f"/w/{fresh.name}/keys/{strong['id']}"
    page = admin.get(path)
    assert "Ask an owner" in page.text
    assert f'action="{path}' not in page.text
    assert admin.post(path, name="weak").status_code == 403
    assert "strong" in keys(fresh)
    admin.close()


def test_a_key_is_created_shown_once_rotated_and_revoked(root, fresh):
    path = f"/w/{fresh.name}/keys"
    root.get(path)
    assert "nter a name" in root.post(path, name="", permission=SCIM).text
    root.get(path)
    assert "elect at least one permission" in root.post(path, name="okta").text
    root.get(path)
    made = root.post(path, name="okta", permission=SCIM, expires="2031-01-31")
    assert (made.status_code, made.headers["location"]) == (303, path)
    token = re.search(r'data-copy="(eyJ[^"]+)"', root.get(path).text)[1]
    with fresh.client(token, "/scim/v2") as scim:
        assert scim.get("/Users").status_code == 200
        assert token not in root.get(path).text
        key = next(key for key in fresh.api.get("/keys").json()["items"] if key["name"] == "okta")
        assert key["expires"].startswith("2031-01-31T23:59:59")
        turned = root.post(f"{path}/{key['id']}/rotate", overlap="0")
        assert scim.get("/Users").status_code == 401
        assert (turned.status_code, turned.headers["location"]) == (303, path)
        token = re.search(r'data-copy="(eyJ[^"]+)"', root.get(path).text)[1]
        for _ in range(3):
            assert "eyJ" not in root.get(path).text
        assert (
            len([key for key in fresh.api.get("/keys").json()["items"] if key["name"] == "okta"])
            == 2
        )
    with fresh.client(token, "/scim/v2") as scim:
        assert scim.get("/Users").status_code == 200
        key = next(
            key
            for key in fresh.api.get("/keys").json()["items"]
            if key["name"] == "okta" and key["status"] == "active"
        )
        root.get(path)
        assert root.post(f"{path}/{key['id']}/revoke").status_code == 303
        assert scim.get("/Users").status_code == 401
    row = next(row for row in fresh.api.get("/audit").json()["rows"] if row["action"] == "revoke")
    assert row["actor"].startswith("admin:keys")


def test_a_key_cannot_exceed_its_creators_permissions(server, fresh):
    admin = invited(server, fresh.name, SETTINGS)
    path = f"/w/{fresh.name}/keys"
    assert "Edit Roles" not in admin.get(path).text
    for wanted in ({"permission": SCIM}, {"role": "Admin"}, {"permission": ADMIN}):
        assert admin.post(path, name="k", **wanted).status_code == 403, wanted
    own = next(key for key in fresh.api.get("/keys").json()["items"])
    assert admin.post(f"{path}/{own['id']}/revoke").status_code == 403
    assert len(fresh.api.get("/keys").json()["items"]) == 1
    fresh.api.post("/roles", json={"name": "auditor", "permissions": [AUDIT]})
    by_role = fresh.api.post("/keys", json={"name": "by role", "role": "auditor"}).json()
    assert f"/keys/{by_role['id']}/rotate" not in admin.get(path).text
    for action in ("rotate", "revoke"):
        assert admin.post(f"{path}/{by_role['id']}/{action}").status_code == 403
    assert len(fresh.api.get("/keys").json()["items"]) == 2
    fresh.api.delete(f"/keys/{by_role['id']}")
    fresh.api.delete("/roles/auditor")
    assert admin.get(path).status_code == 200
    admin.close()


def test_a_new_key_is_shown_once_to_its_own_session(root, server, fresh):
    path = f"/w/{fresh.name}/keys"
    other = invited(server, fresh.name, SETTINGS)
    root.get(path)
    made = root.post(path, name="okta", permission=SCIM)
    cookie = made.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "Max-Age=60" in cookie
    assert "eyJ" not in root.get(f"/w/{fresh.name}/webhooks").text
    value = root.http.cookies["muster_once"]
    for forged in (value, value[:-1], f"x{value}", "x.y", '"', "a" * 3000):
        cookies = f"muster_session={other.http.cookies['muster_session']}; muster_once={forged}"
        answer = httpx.get(f"{server.url}{path}", headers={"cookie": cookies.encode()})
        assert answer.status_code == 200
        assert 'data-copy="eyJ' not in answer.text
    other.close()
    assert 'data-copy="eyJ' in root.get(path).text


def test_an_old_page_does_not_set_back_the_limits_of_a_key(root, fresh):
    key = fresh.api.post("/keys", json={"name": name("key"), "permissions": [SCIM]}).json()
    path = f"/w/{fresh.name}/keys/{key['id']}"
    stamp = root.stamp(path)
    fresh.api.patch(f"/keys/{key['id']}", json={"rateLimit": 7})
    refused = root.post(path, name="other", expires="", rateLimit="", seen=stamp)
    assert (refused.status_code, 'value="other"' in refused.text) == (409, True)
    assert fresh.api.get(f"/keys/{key['id']}").json()["rateLimit"] == 7
    assert root.post(path, name="other", expires="", seen=root.stamp(path)).status_code == 303
