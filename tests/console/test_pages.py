"""The console over HTTP: access, forms, escaping and every page."""

import html
import json
import re

import httpx
import pyotp
import pytest

from muster.access.permissions import (
    ADMIN,
    AUDIT,
    EDIT_ROLES,
    IDENTITY_MAPPINGS,
    PERMISSIONS,
    RESTORE,
    SCIM,
    SETTINGS,
)
from tests.console.browsing import PASSWORD, Visitor, invitation
from tests.support.people import group, name, person, replace
from tests.support.tenant import Tenant
from tests.support.waiting import this_moment, until


def invited(root, server, workspace, *permissions):
    """An administrator of one workspace, with some permissions."""
    root.get("/administrators")
    ids = dict(
        re.findall(r'<option value="(\d+)">([^<]+)</option>', root.get("/administrators").text)
    )
    number = next(value for value, title in ids.items() if title == workspace)
    page = root.submit("/administrators", workspace=number, permission=list(permissions))
    link = re.search(r'data-copy="(http[^"]+)"', page.text)[1]
    email = name("admin")
    made = Visitor(server).accept(link, email)
    made.email = email
    return made


PAGES = {
    "": SCIM, "/users": SCIM, "/groups": SCIM, "/requests": SCIM, "/doctor": SCIM, "/connect": SCIM, "/connect/entra": SCIM,
    "/open-id-connector": SCIM, "/undo": RESTORE, "/role-mappings": SCIM, "/webhooks": SETTINGS, "/schemas": SETTINGS,
    "/webhooks/x": SETTINGS, "/webhooks/x/deliveries/1": SETTINGS, "/wipe": ADMIN, "/palette": SCIM,
    "/keys": SETTINGS, "/keys/x": SETTINGS, "/settings": SETTINGS, "/guard": SETTINGS, "/audit": AUDIT,
    "/audit/export.csv": AUDIT, "/audit/export.jsonl": AUDIT,
    "/users/new": SCIM, "/groups/new": SCIM, "/users/x/edit": SCIM, "/groups/x/edit": SCIM,
    "/users/x/groups": SCIM, "/groups/x/members": SCIM,
    "/users/export.csv": SCIM, "/groups/export.csv": SCIM, "/users/deleted": SCIM, "/groups/deleted": SCIM,
    "/users/selection": SCIM, "/groups/selection": SCIM,
    "/users/import": SCIM, "/users/import/x": SCIM, "/users/import/x/refused.csv": SCIM, "/protected-users": SETTINGS,
    "/users/x": SCIM, "/groups/x": SCIM, "/requests/1": SCIM, "/requests/live": SCIM,
    "/schemas/new": SETTINGS, "/schemas/x": SETTINGS, "/schemas/x/edit": SETTINGS, "/schemas/x/remove": SETTINGS,
    "/resource-types/new": SETTINGS, "/resource-types/x": SETTINGS, "/roles": EDIT_ROLES, "/roles/x": EDIT_ROLES,
}  # fmt: skip
FORMS = {
    "/keys": SETTINGS, "/keys/x": SETTINGS, "/keys/x/rotate": SETTINGS, "/keys/x/revoke": SETTINGS, "/settings": SETTINGS,
    "/requests/record": SETTINGS, "/users/x/restore": RESTORE, "/guard/let-all": SETTINGS, "/guard/selection": SETTINGS, "/guard/x/let": SETTINGS,
    "/connect/entra/key": SETTINGS, "/connect/entra/check": SETTINGS,
    "/guard/x/keep": SETTINGS, "/requests/1/rehearse": SCIM,
    "/open-id-connector": SCIM, "/open-id-connector/remove": SCIM, "/undo": RESTORE,
    "/role-mappings": IDENTITY_MAPPINGS, "/role-mappings/x/remove": IDENTITY_MAPPINGS,
    "/webhooks": SETTINGS, "/webhooks/x/switch": SETTINGS, "/webhooks/x": SETTINGS, "/webhooks/x/test": SETTINGS,
    "/webhooks/x/deliveries/1/redeliver": SETTINGS,
    "/webhooks/x/rotate": SETTINGS, "/webhooks/x/remove": SETTINGS,
    "/schemas/new": SETTINGS, "/schemas/x/edit": SETTINGS, "/schemas/x/remove": SETTINGS,
    "/resource-types/new": SETTINGS, "/resource-types/x/remove": SETTINGS, "/wipe": ADMIN,
    "/roles": EDIT_ROLES, "/roles/x": EDIT_ROLES, "/roles/x/remove": EDIT_ROLES,
    "/checklist": SCIM, "/doctor/x/resolve": SETTINGS, "/doctor/x/reopen": SETTINGS,
    "/users/new": SCIM, "/groups/new": SCIM, "/users/x/edit": SCIM, "/groups/x/edit": SCIM,
    "/users/x/delete": SCIM, "/groups/x/delete": SCIM, "/users/x/deactivate": SCIM,
    "/users/x/reactivate": SCIM, "/users/x/password": SCIM, "/users/x/groups": SCIM,
    "/groups/x/members": SCIM, "/groups/x/remove": SCIM,
    "/users/selection": SCIM, "/groups/selection": SCIM,
    "/users/import": SCIM, "/users/import/x/rehearse": SCIM, "/users/import/x/start": SCIM,
    "/users/import/x/map": SCIM, "/users/import/x/delete": SCIM,
    "/protected-users": SETTINGS, "/users/x/protect": SETTINGS, "/users/x/unprotect": SETTINGS,
}  # fmt: skip
SCIM_TOO = {
    *("/webhooks", "/webhooks/x", "/webhooks/x/test", "/webhooks/x/switch", "/webhooks/x/rotate"),
    "/webhooks/x/deliveries/1/redeliver",
    *("/connect/entra/key", "/connect/entra/check"),
    *("/doctor/x/resolve", "/doctor/x/reopen"),
}
"""Forms that need the SCIM permission as well: they give access to whole documents."""
SCIM_TOO_PAGES = {"/webhooks/x/deliveries/1"}
"""Pages that need it as well: they show such a document."""
ELSEWHERE = {
    "GET": {"/", "/sign-in", "/first", "/account", "/administrators", "/workspaces",
            "/sign-in/openid", "/sign-in/openid/callback", "/open-id-connector"},
    "POST": {"/sign-in", "/sign-out", "/first", "/account/password", "/account/totp", "/account/totp/off",
             "/account/sessions/{id}/end", "/administrators", "/administrators/{id}/remove", "/administrators/{id}/reset", "/workspaces", "/workspaces/{id}/rename", "/theme",
             "/open-id-connector", "/open-id-connector/remove"},
}  # fmt: skip


def test_every_route_is_covered(tmp_path):
    import muster

    app = muster.create_app(muster.Settings(database=f"sqlite:///{tmp_path}/m.db"))

    def shape(path):
        return re.sub(r"/(x|1|entra)(?=/|$)", "/{}", path)

    served = {"GET": set(), "POST": set()}
    for route in app.service._site.routes:
        if route.path.startswith("/w/{workspace}"):
            served[route.method].add(
                re.sub(r"\{\w+\}", "{}", route.path.removeprefix("/w/{workspace}"))
            )
        else:
            assert route.path in ELSEWHERE[route.method], route.path
    assert {path.replace("/{}/{}/restore", "/users/{}/restore") for path in served["POST"]} == set(
        map(shape, FORMS)
    )
    assert served["GET"] == set(map(shape, PAGES))


def test_pages_require_a_session(server):
    visitor = Visitor(server)
    for path in [*(f"/w/default{path}" for path in PAGES), "/account", "/administrators"]:
        answer = visitor.get(path)
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (
            303,
            "/sign-in",
        ), path
    for path in FORMS:
        assert visitor.post(f"/w/default{path}").headers["location"] == "/sign-in"
    visitor.close()


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_a_page_needs_its_permission(root, server, fresh, permission):
    admin = invited(root, server, fresh.name, permission)
    shown = admin.get("/account").text
    assert "/administrators" not in shown
    for path, needed in PAGES.items():
        if path.endswith("/live"):
            continue
        answer = admin.get(f"/w/{fresh.name}{path}")
        allowed = needed == permission and path not in SCIM_TOO_PAGES
        assert (answer.status_code in (200, 404)) == allowed, (path, answer.status_code)
        assert allowed or answer.status_code == 403
        if answer.status_code == 200 and "export" not in path:
            links = {other for other in PAGES if f'href="/w/{fresh.name}{other}"' in answer.text}
            assert all(PAGES[other] == permission for other in links - {""}), path
    admin.get("/account")
    for path, needed in FORMS.items():
        refused = needed != permission or path in SCIM_TOO
        assert (admin.post(f"/w/{fresh.name}{path}").status_code == 403) == refused, path
    assert admin.get("/w/default").status_code == 404
    assert admin.get("/administrators").status_code == 403
    assert admin.post("/administrators", workspace="*", permission=[ADMIN]).status_code == 403
    admin.close()


def test_signing_in_and_out(root, server, fresh):
    admin = invited(root, server, fresh.name, SCIM)
    cookie = admin.http.cookies["muster_session"]
    admin.get("/account")
    assert admin.post("/sign-out").headers["location"] == "/sign-in"
    ended = Visitor(server)
    ended.http.cookies.set("muster_session", cookie)
    assert ended.get("/account").status_code == 303
    ended.close()
    admin.get("/sign-in", to="/account")
    wrong = admin.post("/sign-in", email=admin.email, password="x" * 12)
    unknown = admin.post("/sign-in", email=name("nobody"), password="x" * 12)
    assert wrong.status_code == unknown.status_code == 401
    for answer in (wrong, unknown):
        assert "Wrong e-mail address, password or code" in answer.text
    admin.get("/sign-in")
    answer = admin.post("/sign-in", email=admin.email.upper(), password=PASSWORD, to="/account")
    assert answer.headers["location"] == "/account"
    header = answer.headers["set-cookie"]
    assert "HttpOnly" in header
    assert "SameSite=Lax" in header
    assert admin.http.cookies["muster_session"] != cookie
    admin.close()


@pytest.mark.outside
def test_cookies_are_secure_and_hsts_is_on_with_tls(server, tmp_path):
    from tests.support.server import Server

    with Server(tmp_path, MUSTER_TRUSTED_PROXIES="127.0.0.1") as proxied:
        visitor = Visitor(proxied, **{"X-Forwarded-Proto": "https"})
        answer = visitor.get("/sign-in")
        assert "; Secure" in answer.headers["set-cookie"]
        assert "max-age=31536000" in answer.headers["strict-transport-security"]
        visitor.close()
    assert "strict-transport-security" not in httpx.get(f"{server.url}/sign-in").headers


def test_sign_in_starts_a_new_session(root, server, fresh):
    admin = invited(root, server, fresh.name, SCIM)
    victim = Visitor(server)
    victim.http.cookies.set("muster_session", "chosen-by-somebody-else")
    victim.get("/sign-in")
    victim.given = victim.post("/sign-in", email=admin.email, password=PASSWORD).headers[
        "set-cookie"
    ]
    assert "chosen-by-somebody-else" not in victim.given
    stolen = Visitor(server)
    stolen.http.cookies.set("muster_session", "chosen-by-somebody-else")
    assert stolen.get("/account").status_code == 303
    for visitor in (admin, victim, stolen):
        visitor.close()


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/a\r\nx: y",
    ],
)
def test_redirects_stay_within_the_console(root, server, fresh, to):
    admin = invited(root, server, fresh.name, SCIM)
    other = Visitor(server)
    other.get("/sign-in", to=to)
    answer = other.post("/sign-in", email=admin.email, password=PASSWORD, to=to)
    assert answer.headers["location"] in ("/", "/ax:%20y", "/a x: y"), answer.headers
    assert "x" not in answer.headers
    admin.close()
    other.close()


def test_a_form_requires_its_token_and_origin(root, server, fresh):
    admin = invited(root, server, fresh.name, SETTINGS)
    path = f"/w/{fresh.name}/keys"
    admin.get(path)
    for csrf in ("", "x", root.csrf):
        assert admin.post(path, csrf=csrf, name="k", permission=SETTINGS).status_code == 403
    assert admin.post(path, headers={"origin": "https://evil.example"}, name="k").status_code == 403
    refused = admin.http.post(path, json={"csrf": admin.csrf})
    assert (refused.status_code, refused.headers["accept"]) == (
        415,
        "application/x-www-form-urlencoded",
    )
    assert (
        admin.post(path, headers={"origin": server.url}, name="k", permission=SETTINGS).status_code
        == 303
    )
    assert len(fresh.api.get("/keys").json()["items"]) == 2
    admin.close()


@pytest.mark.outside
def test_sign_in_attempts_are_limited(root, server, fresh, tmp_path):
    from tests.support.server import Server

    with Server(tmp_path) as alone:
        visitor = Visitor(alone)
        visitor.get("/sign-in")
        answers = [
            visitor.post("/sign-in", email="a@example.com", password="x").status_code
            for _ in range(11)
        ]
        assert answers == [401] * 10 + [429]
        visitor.close()


def test_the_authenticator_and_its_recovery_codes(root, server, fresh):
    admin = invited(root, server, fresh.name, SCIM)
    secret = re.search(r'name="secret" value="([A-Z2-7]+)"', admin.get("/account").text)[1]
    assert admin.post("/account/totp", secret=secret, code="000000").status_code == 400
    admin.get("/account")
    code = pyotp.TOTP(secret).now()
    codes = re.findall(
        r"<li><code>([0-9a-f-]+)</code>",
        admin.submit("/account/totp", secret=secret, code=code).text,
    )
    assert len(codes) == 8
    other = Visitor(server)
    other.get("/sign-in")
    assert (
        "a code from your authenticator"
        in other.post("/sign-in", email=admin.email, password=PASSWORD).text
    )
    assert (
        other.post("/sign-in", email=admin.email, password=PASSWORD, code="000000").status_code
        == 401
    )
    assert (
        other.post("/sign-in", email=admin.email, password=PASSWORD, code=code).status_code == 401
    )  # it was used already
    assert (
        other.post("/sign-in", email=admin.email, password=PASSWORD, code=codes[0]).status_code
        == 303
    )
    again = Visitor(server)
    again.get("/sign-in")
    assert (
        again.post("/sign-in", email=admin.email, password=PASSWORD, code=codes[0]).status_code
        == 401
    )
    assert (
        again.post("/sign-in", email=admin.email, password=PASSWORD, code=codes[1]).status_code
        == 303
    )
    again.get("/account")
    for fields in (
        {},
        {"password": PASSWORD},
        {"code": codes[2]},
        {"password": PASSWORD, "code": codes[1]},
    ):
        again.get("/account")
        assert again.post("/account/totp/off", **fields).status_code == 401
    again.get("/account")
    assert again.post("/account/totp/off", password=PASSWORD, code=codes[2]).status_code == 303
    third = Visitor(server)
    third.get("/sign-in")
    assert third.post("/sign-in", email=admin.email, password=PASSWORD).status_code == 303
    for visitor in (admin, other, again, third):
        visitor.close()


def test_an_invitation_creates_one_administrator(server):
    link = invitation(server)
    Visitor(server).accept(link, name("one")).close()
    assert httpx.get(link).status_code == 403
    assert httpx.get(f"{server.url}/first?token=x").status_code == 403
    made = server.muster("admins", "list").stdout
    assert "everything" in made


@pytest.mark.outside
def test_the_command_line_invites_administrators(server):
    email = name("cli")
    import subprocess
    import sys

    command = [sys.executable, "-m", "muster", "admins", "create", "--email", email]
    short = subprocess.run(
        command,
        env=server.environment,
        input="short\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (short.returncode, "12 to 1,000 characters" in short.stderr) == (1, True)
    made = subprocess.run(
        command,
        env=server.environment,
        input=f"{PASSWORD}\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert PASSWORD.encode() not in server.stored()
    visitor = Visitor(server)
    visitor.get("/sign-in")
    assert visitor.post("/sign-in", email=email, password=PASSWORD).status_code == 303
    visitor.close()


def test_values_are_escaped_on_every_page(root, fresh):
    bad = '<script>alert("1")</script><img src=x onerror=alert(1)>'
    user = fresh.user(user_name=f"{bad}{name()}", displayName=bad, title=bad, externalId=bad)
    fresh.scim.post("/Groups", json=group(bad, user))
    fresh.scim.patch(f"/Users/{user['id']}", json=replace("title", f"{bad}2"))
    fresh.scim.post(
        "/Users", json=person(userName=""), headers={"user-agent": bad, "x-request-id": "r1"}
    )
    fresh.api.post("/keys", json={"name": bad, "permissions": [SCIM]})
    fresh.recorded(4)
    base = f"/w/{fresh.name}"
    pages = [
        base,
        f"{base}/users",
        f"{base}/groups",
        f"{base}/users/{user['id']}",
        f"{base}/requests",
        f"{base}/keys",
    ]
    pages += [
        f"{base}/audit",
        f"{base}/doctor",
        f"{base}/users?q=%3Cscript%3E",
        f"{base}/requests?path=%3Cscript%3E",
    ]
    pages += re.findall(rf'href="({base}/requests/\d+)"', root.get(f"{base}/requests").text)
    assert len(pages) > 11
    for path in pages:
        answer = root.get(path)
        assert answer.status_code == 200, path
        assert "<script>alert" not in answer.text, path
        assert "<img" not in answer.text, path
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "style=" not in answer.text
        assert not re.search(r"<script(?! src=)", answer.text)


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
    assert row["actor"].startswith("admin:root")


def test_a_key_cannot_exceed_its_creators_permissions(root, server, fresh):
    admin = invited(root, server, fresh.name, SETTINGS)
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


def test_settings_are_changed_and_errors_name_the_field(root, fresh):
    path = f"/w/{fresh.name}/settings"
    root.get(path)
    given = {
        "contract": "cortex",
        "guardMode": "hold",
        "guardShare": "5",
        "guardLeast": "3",
        "strict": "on",
    }
    given |= {"automaticProvisioning": "on", "rateLimit": "500", "ipAllowlist": "127.0.0.0/8"}
    given |= {"requestsDays": "3", "changesDays": ""}
    before = fresh.api.get("/settings").json()
    review = root.submit(path, **given)
    assert re.search(
        r">Response status codes</th><td[^>]*>RFC 7644</td><td[^>]*>Cortex<", review.text
    )
    assert re.search(r">Automatic deprovisioning</th><td[^>]*>On</td><td[^>]*>Off<", review.text)
    assert "Unique group names" not in review.text.partition("<tbody>")[2].partition("</tbody>")[0]
    assert '<input type="hidden" name="rateLimit" value="500">' in review.text
    assert fresh.api.get("/settings").json() == before
    edited = root.submit(path, **given, edit="on").text
    assert 'name="rateLimit" inputmode="numeric" value="500"' in edited
    assert fresh.api.get("/settings").json() == before
    answer = root.submit(path, **given, reviewed="on")
    assert "Settings saved" in answer.text
    kept = fresh.api.get("/settings").json()
    assert (kept["contract"], kept["strict"], kept["automaticDeprovisioning"]) == (
        "cortex",
        True,
        False,
    )
    assert (kept["rateLimit"], kept["ipAllowlist"]) == (500, ["127.0.0.0/8"])
    assert (kept["requestsDays"], kept["changesDays"]) == (3, None)
    assert (
        "changesDays: expected at least 7" in root.post(path, **{**given, "changesDays": "2"}).text
    )
    assert "ipAllowlist[0]" in root.post(path, **{**given, "ipAllowlist": "nonsense"}).text
    for wrong in ("many", "0000000005", "1" * 30, "-1", "1.5"):
        assert "rateLimit: enter" in root.post(path, **{**given, "rateLimit": wrong}).text
    locked = root.post(path, **{**given, "ipAllowlist": "10.0.0.0/8"})
    assert locked.status_code == 409
    assert "confirmLockout" in locked.text
    assert fresh.api.get("/settings").json() == kept


def test_retention_is_saved_without_a_review(root, fresh):
    path = f"/w/{fresh.name}/settings"
    root.get(path)
    given = {"contract": "rfc7644", "guardMode": "watch", "guardShare": "10", "guardLeast": "20"}
    given |= {"automaticProvisioning": "on", "automaticDeprovisioning": "on"}
    kept = fresh.api.get("/settings").json()
    assert root.post(path, **given, requestsDays="5").status_code == 303
    assert fresh.api.get("/settings").json() == {**kept, "requestsDays": 5}


def test_users_are_searched_as_you_type(root, fresh):
    users = [
        fresh.user(displayName=f"Person {n}", emails=[{"value": f"p{n}@find.example"}])
        for n in range(3)
    ]
    path = f"/w/{fresh.name}/users"
    assert users[1]["id"] in root.get(path, q="Person 1").text
    assert users[0]["id"] not in root.get(path, q="Person 1").text
    assert all(user["id"] in root.get(path, q="@find.example").text for user in users)
    assert users[2]["id"] in root.get(path, filter='displayName eq "person 2"').text
    assert "position" in root.get(path, filter="displayName eq").text
    assert "No matching users" in root.get(path, q="zz").text
    partial = root.http.get(path, headers={"hx-request": "true"}).text
    assert "<html" not in partial
    assert users[0]["id"] in partial
    for sort in ("userName", "name", "changed"):
        assert root.get(path, sort=sort).status_code == 200
    assert len(root.get(path).content) < 100_000


def test_lists_continue_from_a_cursor(root, fresh):
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": str(n), "data": person()} for n in range(120)
    ]
    fresh.scim.post(
        "/Bulk",
        json={
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": operations,
        },
    )
    seen, path = set(), f"/w/{fresh.name}/users"
    while path:
        page = root.get(path).text
        seen |= set(re.findall(rf"/w/{fresh.name}/users/([0-9a-f-]{{36}})", page))
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = following and following[1].replace("&amp;", "&")
    assert len(seen) == 120


def test_restoring_a_user_restores_its_groups(root, fresh):
    user = fresh.user(title="first", password="a secret of theirs")
    made = fresh.scim.post("/Groups", json=group(None, user)).json()
    fresh.scim.patch(f"/Users/{user['id']}", json=replace("title", "second"))
    path = f"/w/{fresh.name}/users/{user['id']}"
    page = root.get(path).text
    assert "first" in page
    sequences = re.findall(r'name="change" value="([^"]+)"', page)
    assert root.post(f"{path}/restore", change=sequences[-1]).status_code == 303
    back = fresh.scim.get(f"/Users/{user['id']}").json()
    assert (back["title"], back["meta"]["version"][:5]) == ("first", 'W/"3-')
    fresh.scim.delete(f"/Users/{user['id']}")
    page = root.get(path).text
    assert ">Deleted<" in page
    newest = re.findall(r'name="change" value="([^"]+)"', page)[0]
    assert root.post(f"{path}/restore", change=newest).status_code == 303
    again = fresh.scim.get(f"/Users/{user['id']}").json()
    assert again["title"] == "first"
    assert [item["value"] for item in again["groups"]] == [made["id"]]
    assert [
        item["value"] for item in fresh.scim.get(f"/Groups/{made['id']}").json()["members"]
    ] == [user["id"]]
    assert fresh.server.muster("check").stdout.strip().endswith("0 findings")
    root.get(path)
    other = fresh.api.get("/changes?cursor=end").json()["cursor"]
    assert root.post(f"{path}/restore", change=other).status_code in (303, 404)
    assert root.post(f"{path}/restore", change="x").status_code == 400


def test_restoring_a_group_restores_its_members(root, fresh):
    users = [fresh.user() for _ in range(3)]
    made = fresh.scim.post("/Groups", json=group(None, *users)).json()
    path = f"/w/{fresh.name}/groups/{made['id']}"
    fresh.scim.put(f"/Groups/{made['id']}", json=group("other"))
    fresh.scim.delete(f"/Groups/{made['id']}")
    first = re.findall(r'name="change" value="([^"]+)"', root.get(path).text)[-1]
    assert root.post(f"{path}/restore", change=first).status_code == 303
    back = fresh.scim.get(f"/Groups/{made['id']}").json()
    assert back["displayName"] == made["displayName"]
    assert {item["value"] for item in back["members"]} == {user["id"] for user in users}
    assert fresh.server.muster("check").stdout.strip().endswith("0 findings")


def test_a_user_is_viewed_and_restored_as_of_a_time(root, fresh):
    user = fresh.user(title="as it was")
    made = fresh.scim.post("/Groups", json=group("Crew of then", user)).json()
    then = this_moment()
    fresh.scim.patch(f"/Users/{user['id']}", json=replace("title", "as it is"))
    fresh.scim.delete(f"/Groups/{made['id']}")
    path = f"/w/{fresh.name}/users/{user['id']}"
    page = root.get(f"{path}?at={then}").text
    assert "As of" in page
    assert re.search(r">Crew of then</a> <small>deleted</small>", page)
    assert ">as it was</div></td>" in page
    whole = re.search(r'name="time" value="([^"]+)"', page)[1]
    assert root.post(f"{path}/restore", time=whole).status_code == 303
    assert fresh.scim.get(f"/Users/{user['id']}").json()["title"] == "as it was"
    assert "did not exist, or its history" in root.get(f"{path}?at=2020-01-01T00:00").text
    wrong = root.get(f"{path}?at=noon")
    assert (wrong.status_code, "at: expected a time such as" in wrong.text) == (400, True)
    assert root.get(f"{path}?before=x").status_code == 400


def test_restoring_a_group_names_deleted_members(root, fresh):
    user, other = fresh.user(), fresh.user()
    made = fresh.scim.post("/Groups", json=group("Crew", user, other)).json()
    path = f"/w/{fresh.name}/groups/{made['id']}"
    fresh.scim.put(f"/Groups/{made['id']}", json=group("Other"))
    fresh.scim.delete(f"/Users/{user['id']}")
    first = re.findall(r'name="change" value="([^"]+)"', root.get(path).text)[-1]
    answer = root.submit(f"{path}/restore", change=first)
    assert (answer.status_code, f"no longer exist: {user['id']}" in answer.text) == (200, True)
    assert [
        item["value"] for item in fresh.scim.get(f"/Groups/{made['id']}").json()["members"]
    ] == [other["id"]]


def test_members_and_history_are_paged(root, fresh):
    users = [fresh.user() for _ in range(130)]
    made = fresh.scim.post("/Groups", json=group("Crew", *users)).json()
    for number in range(60):
        fresh.scim.patch(f"/Groups/{made['id']}", json=replace("displayName", f"Crew {number}"))
    path = f"/w/{fresh.name}/groups/{made['id']}"
    page = root.get(path).text
    more = page
    for following, once in (
        ("Next page", r"/users/([0-9a-f-]{36})"),
        ("Older", r'name="change" value="([^"]+)"'),
    ):
        link = re.search(rf'href="([^"]+)">{following}<', page)[1].replace("&amp;", "&")
        more = root.get(link).text
        assert f">{following}<" not in more
        first, second = (set(re.findall(once, text)) for text in (page, more))
        assert not first & second
        assert len(first | second) in (130, 60)


def test_restoring_a_user_rejects_a_taken_name(root, fresh):
    user = fresh.user()
    fresh.scim.delete(f"/Users/{user['id']}")
    fresh.user(user_name=user["userName"])
    path = f"/w/{fresh.name}/users/{user['id']}"
    newest = re.findall(r'name="change" value="([^"]+)"', root.get(path).text)[0]
    answer = root.post(f"{path}/restore", change=newest)
    assert (answer.status_code, "userName" in answer.text) == (409, True)


def test_recorded_requests_have_masked_secrets(root, fresh):
    body = person(password="very secret words", title="kept")
    user = fresh.scim.post(
        "/Users", json=body, headers={"user-agent": "okta/1", "x-request-id": "abc-1"}
    ).json()
    fresh.scim.patch(
        f"/Users/{user['id']}",
        json={"Operations": [{"op": "Replace", "path": "password", "value": "other words"}]},
    )
    fresh.scim.post("/Users", json=person(user["userName"]))
    fresh.scim.get(f"/Users/{user['id']}")
    fresh.scim.get("/Users/nobody")
    fresh.recorded(5)  # the first success after a refusal is kept, reads included
    base = f"/w/{fresh.name}/requests"
    page = root.get(base).text
    numbers = re.findall(rf'href="{base}/(\d+)"', page)
    assert len(numbers) == 5
    shown = [root.get(f"{base}/{number}").text for number in reversed(numbers)]
    assert "okta/1" in shown[0]
    assert "abc-1" in shown[0]
    assert "kept" in shown[0]
    assert "operation-case" not in shown[0]
    assert "read as the operation in lower case" in shown[1]
    assert "another User has this value" in shown[2]
    assert not any("secret words" in text or "other words" in text for text in shown)
    assert b"very secret words" not in fresh.server.stored()
    assert len(re.findall(rf"{base}/\d+", root.get(base, status="failed").text)) == 2
    assert len(re.findall(rf"{base}/\d+", root.get(base, status="409").text)) == 1
    assert len(re.findall(rf"{base}/\d+", root.get(base, resource=user["id"]).text)) == 3
    assert len(re.findall(rf"{base}/\d+", root.get(f"{base}?path=/Users/nobody").text)) == 1
    assert root.get(f"{base}/1").status_code == 404
    doctor = root.get(f"/w/{fresh.name}/doctor").text
    assert "read as the operation in lower case" in doctor
    assert "Another resource has this value" in doctor


def test_a_dry_run_changes_nothing(root, fresh):
    user = fresh.user(title="first")
    path = f"/Users/{user['id']}"
    fresh.scim.patch(path, json=replace("title", "second"))
    third = fresh.scim.patch(path, json=replace("title", "third")).json()
    fresh.scim.post("/Users", json=person(user["userName"]))
    fresh.recorded(4)
    base = f"/w/{fresh.name}/requests"
    twice, last, second, first = re.findall(rf'href="{base}/(\d+)"', root.get(base).text)

    def tried(number):
        root.get(f"{base}/{number}")
        return re.sub(r"<[^>]+>|\s+", " ", root.submit(f"{base}/{number}/rehearse").text)

    assert re.search(r"Result:\s+200", tried(second))
    assert re.search(r"title\s+third\s+second", tried(second))
    assert "Nothing would change" in tried(last)
    assert re.search(r"Result:\s+409", tried(twice))
    assert re.search(r"Result:\s+409", tried(first))
    fresh.scim.delete(path)
    assert re.search(r"Result:\s+404", tried(second))
    assert re.search(r"Result:\s+201", tried(first))
    assert fresh.scim.get("/Users?count=0").json()["totalResults"] == 0
    assert third["title"] == "third"
    rows = [row for row in fresh.api.get("/audit").json()["rows"] if row["type"] == "User"]
    assert [row["action"] for row in rows] == ["create", "update", "update", "delete"]


def test_an_invalid_status_is_400_or_finds_nothing(root, fresh):
    for status in ("551653499761", "-5449379", "1000"):
        answer = fresh.api.get(
            "/requests", params={"status": status, "before": "-1", "limit": "-1"}
        )
        assert answer.status_code == 400, answer.text
        assert root.get(f"/w/{fresh.name}/requests", status=status).status_code in (200, 400)


def test_reads_are_recorded_while_turned_on(root, fresh):
    base = f"/w/{fresh.name}/requests"
    root.get(base)
    assert root.post(f"{base}/record").status_code == 303

    def kept():
        assert fresh.scim.get("/Users?count=1").status_code == 200
        return "GET /Users" in root.get(base).text

    assert until(kept)
    page = root.get(base).text
    assert "reads are recorded until" in page
    root.post(f"{base}/record", off="1")
    assert "Changes and failed requests are recorded" in root.get(base).text


def test_the_audit_log_is_exported(root, fresh):
    fresh.user(userName=name("=cmd"))
    fresh.api.post("/keys", json={"name": "=1+1", "permissions": [SCIM]})
    base = f"/w/{fresh.name}/audit"
    lines = root.get(f"{base}/export.jsonl").text.splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["type"] for row in rows] == ["ApiKey", "User", "ApiKey"]
    assert all(re.fullmatch("[0-9a-f]{64}", row["hash"]) for row in rows)
    table = root.get(f"{base}/export.csv").text.splitlines()
    assert len(table) == 5  # and the entry of the export before
    assert table[0].startswith("time,actor,address")
    assert "create" in root.get(base, action="create").text
    assert "No matching entries" in root.get(base, type="Nothing").text


def test_the_audit_log_is_searched(root, fresh):
    """An administrator's acts are found among later changes, and actors have names."""
    base = f"/w/{fresh.name}/audit"
    fresh.api.post("/keys", json={"name": "the first", "permissions": [SCIM]})
    root.get(f"/w/{fresh.name}/keys")
    root.post(f"/w/{fresh.name}/keys", name="by hand", permission=SCIM)
    user = fresh.user()
    for number in range(110):
        fresh.scim.patch(f"/Users/{user['id']}", json=replace("title", f"{number}"))
    page = root.get(base, actor="admin:").text
    assert re.search("<td[^>]*>[^<@]+@[^<]+</td>", page)
    assert page.count("<tr>") == 2
    assert "Older" not in page
    assert root.get(base, actor="key:", type="ApiKey").text.count("<tr>") == 2
    newest = root.get(base).text
    assert newest.count("<tr>") == 101
    assert "Older" in newest
    rows = fresh.api.get("/audit", params={"actor": "admin:"}).json()["rows"]
    assert [(row["type"], row["action"]) for row in rows] == [("ApiKey", "create")]
    assert fresh.api.get("/audit", params={"actors": "x"}).status_code == 400


NUMBERS = {"guardShare": "10", "guardLeast": "20"}
CONNECTOR = {
    "title": "x",
    "clientId": "y",
    "clientSecret": "z",
    "permission": SCIM,
    "allowedDomains": "a.example",
}
REFUSED = [
    (
        "settings",
        {**NUMBERS, "guardShare": "101", "guardLeast": "7"},
        "guardShare",
        'name="guardLeast" inputmode="numeric" value="7"',
    ),
    ("settings", {**NUMBERS, "guardShare": "x"}, "guardShare", 'value="x"'),
    (
        "settings",
        {**NUMBERS, "ipAllowlist": "10.0.0.0/8\nnowhere"},
        "ipAllowlist",
        "nowhere</textarea>",
    ),
    (
        "keys",
        {"name": "", "expires": "2031-01-31", "permission": AUDIT},
        "name",
        'value="2031-01-31"',
    ),
    ("keys", {"name": "for okta"}, "permission", 'value="for okta"'),
    ("webhooks", {"url": "nowhere", "description": "mine"}, "url", 'value="mine"'),
    ("role-mappings", {"idpValue": "eng", "role": " "}, "role", 'value="eng"'),
    ("schemas/new", {"mode": "json", "json": '{"id": 5}'}, "json", "{&#34;id&#34;: 5}</textarea>"),
    ("schemas/new", {"name": "Badge", "id": "x"}, "id", 'value="Badge"'),
    (
        "resource-types/new",
        {"name": "Device", "endpoint": "Devices"},
        "endpoint",
        'value="Device"',
    ),
    ("roles", {"name": "a/b", "permission": AUDIT}, "name", 'value="a/b"'),
    ("open-id-connector", {**CONNECTOR, "issuer": "http://a"}, "issuer", 'value="y"'),
    (
        "open-id-connector",
        {**CONNECTOR, "issuer": "https://a.example", "permission": []},
        "permissions",
        'value="y"',
    ),
    ("wipe", {"name": "other"}, "name", ""),
]


@pytest.mark.parametrize(("page", "fields", "wrong", "kept"), REFUSED)
def test_an_error_is_shown_beside_its_field_and_input_is_kept(
    root, fresh, page, fields, wrong, kept
):
    path = f"/w/{fresh.name}/{page}"
    root.get(path)
    answer = root.post(path, **{"contract": "rfc7644", "guardMode": "watch", **fields})
    assert 400 <= answer.status_code < 500
    assert f'id="wrong-{wrong}"' in answer.text
    if not wrong.startswith("permission"):
        assert re.search(
            rf'name="{wrong}" aria-invalid="true" aria-describedby="wrong-{wrong}"', answer.text
        )
    assert kept in answer.text
    assert "aria-invalid" not in root.get(path).text


def test_unknown_pages_and_wrong_methods_are_errors(root, server):
    assert root.get("/nothing").status_code == 404
    assert root.get("/w/nothing").status_code == 404
    answer = root.http.delete("/sign-in")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert root.get("/static/console.css").headers["content-type"].startswith("text/css")
    assert root.get("/static/..%2f..%2fweb.py").status_code == 404
    assert httpx.post(f"{server.url}/healthz").status_code == 405


def test_role_mappings_and_webhooks_are_managed(root, fresh):
    base = f"/w/{fresh.name}"
    root.get(f"{base}/settings")
    assert (
        root.post(
            f"{base}/role-mappings", idpValue="<b>eng", role="Engineer", tag="x", reviewed="on"
        ).status_code
        == 303
    )
    page = root.get(f"{base}/role-mappings").text
    assert "&lt;b&gt;eng" in page
    assert "idpValue" in root.post(f"{base}/role-mappings", idpValue=" ", role="Engineer").text
    user = fresh.user(roles=[{"value": "<b>eng"}])
    assert fresh.api.get(f"/users/{user['id']}/roles").json()["roles"][0]["role"] == "Engineer"
    remove = re.search(rf'action="({base}/role-mappings/\w+/remove)"', page)[1]
    assert root.post(remove, reviewed="on").status_code == 303
    assert fresh.api.get(f"/users/{user['id']}/roles").json()["roles"] == []
    made = root.post(
        f"{base}/webhooks", url="http://127.0.0.1:1/hook", events="group.created", patterns="user.*"
    )
    shown = made.headers["location"]
    assert re.search(r"whsec_\S+", root.get(shown).text)
    assert "whsec_" not in root.get(shown).text
    assert "url" in root.post(f"{base}/webhooks", url="nonsense").text
    hook = fresh.api.get("/webhooks").json()["items"][0]
    assert hook["events"] == ["group.created", "user.*"]
    assert shown == f"{base}/webhooks/{hook['id']}"
    assert root.post(f"{base}/webhooks/{hook['id']}/switch").status_code == 303
    assert "Paused by an administrator" in root.get(f"{base}/webhooks").text
    assert root.post(f"{base}/webhooks/{hook['id']}/rotate").status_code == 303
    assert "whsec_" in root.get(shown).text
    assert root.post(f"{base}/webhooks/{hook['id']}/remove").status_code == 303
    assert fresh.api.get("/webhooks").json()["items"] == []


def test_wiping_a_workspace(root, fresh, server):
    users = [fresh.user() for _ in range(3)]
    crew = fresh.scim.post("/Groups", json=group("Crew", *users)).json()
    fresh.scim.post("/Groups", json=group("Outer", crew))
    with Tenant(server) as other:
        other.user()
        root.get(f"/w/{fresh.name}/wipe")
        assert "name: type" in root.post(f"/w/{fresh.name}/wipe", name=other.name).text
        assert (
            "workspace: expected the name"
            in fresh.api.post("/wipe", json={"workspace": other.name}).json()["detail"]
        )
        assert fresh.scim.get("/Users?count=0").json()["totalResults"] == 3
        assert "5 resources deleted" in root.submit(f"/w/{fresh.name}/wipe", name=fresh.name).text
        assert other.scim.get("/Users?count=0").json()["totalResults"] == 1
    for endpoint in ("/Users", "/Groups"):
        assert fresh.scim.get(f"{endpoint}?count=0").json()["totalResults"] == 0
    told = [
        event["type"] for event in fresh.api.get("/changes", params={"limit": 500}).json()["events"]
    ]
    assert told.count("user.deleted") == 3
    assert told.count("group.deleted") == 2
    fresh.user()
    assert fresh.api.post("/wipe", json={"workspace": fresh.name}).json() == {"deleted": 1}
    assert "wipe" in [
        row["action"] for row in fresh.api.get("/audit", params={"limit": 500}).json()["rows"]
    ]


def test_the_doctor_finds_lost_users(root, fresh):
    lost, found = fresh.user(), fresh.user()
    for _ in range(2):
        for user in (lost, found):
            fresh.scim.post("/Users", json=person(user["userName"].upper()))
    fresh.recorded(6)
    fresh.scim.patch(f"/Users/{found['id']}", json=replace("title", "x"))
    fresh.recorded(7)
    told = fresh.api.get("/doctor").json()["lostUsers"]
    assert [(item["user"], item["count"]) for item in told] == [(lost["id"], 2)]
    page = root.get(f"/w/{fresh.name}/doctor").text
    assert f"/users/{lost['id']}" in page
    assert f"/users/{found['id']}" not in page
    seen = fresh.api.get("/overview").json()
    assert (seen["users"], seen["active"], seen["failed"]) == (2, 2, 4)
    assert any("4 requests failed in the last 24 hours" in said for said in seen["attention"])


@pytest.mark.parametrize(
    "path",
    [
        "/requests?before=%C2%B2",
        "/requests?status=%C2%B9",
        "/requests/%C2%B2",
        "/users?first=%C2%B2",
    ],
)
def test_digits_of_other_scripts_are_no_numbers(root, fresh, path):
    assert root.get(f"/w/{fresh.name}{path}").status_code in (200, 404)
    assert fresh.api.get("/requests/%C2%B2").status_code == 404


def test_malformed_text_never_causes_a_500(root, fresh):
    """NUL and bytes that are not UTF-8, in the path and parameters of every page."""
    base, parameters = (
        f"/w/{fresh.name}",
        ("q", "before", "key", "actor", "type", "action", "status", "path", "resource", "at"),
    )
    for called in ("%00", "a%00b", "%FF"):
        for page in PAGES:
            asked = [f"{base}{page}?{parameter}={called}" for parameter in parameters]
            for path in (
                *asked,
                re.sub("/(x|1|entra)(?=/|$)", f"/{called}", base + page),
                f"/w/{called}{page}",
            ):
                if "/live" not in path:
                    assert root.get(path).status_code < 500, path
        for form in FORMS:
            path = re.sub("/(x|1)(?=/|$)", f"/{called}", base + form)
            assert (
                root.post(
                    path, name="a\0b", key="\0", idpValue="\0", role="\0", schema="\0"
                ).status_code
                < 500
            ), path
        assert root.post(f"{base}/wipe", name="a\0b").status_code < 500


def test_invitations_require_a_configured_host(root, server, fresh):
    """A link from a forged Host header would give a stranger tokens and codes."""
    root.get("/administrators")
    evil = {"Host": "evil.example"}
    page = root.post("/administrators", headers=evil, workspace="*", permission=[ADMIN])
    assert (page.status_code, "MUSTER_BASE_URL" in page.text, "token=" in page.text) == (
        400,
        True,
        False,
    )
    shown = root.http.get("/open-id-connector", headers=evil)
    assert (shown.status_code, "MUSTER_BASE_URL" in shown.text, "evil.example" in shown.text) == (
        200,
        True,
        False,
    )
    for path in ("/sign-in/openid", "/sign-in/openid/callback"):
        assert root.http.get(path, headers=evil).status_code in (400, 403, 404)


def test_a_new_key_is_shown_once_to_its_own_session(root, server, fresh):
    path = f"/w/{fresh.name}/keys"
    other = invited(root, server, fresh.name, SETTINGS)
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


CHOICES = [
    *((permission,) for permission in PERMISSIONS),
    PERMISSIONS[1:3],
    (SETTINGS, RESTORE),
    (PERMISSIONS[2], SCIM),
]


@pytest.mark.parametrize("permissions", CHOICES)
def test_every_permission_reaches_its_pages_without_redirect_loops(
    root, server, fresh, permissions
):
    admin = invited(root, server, fresh.name, *permissions)

    def follow(answer):
        """The page that a browser comes to in the end."""
        for _ in range(5):
            if answer.status_code != 303:
                return answer
            answer = admin.get(answer.headers["location"])
        raise AssertionError("a circle")

    assert follow(admin.get("/")).status_code == 200
    assert follow(admin.get("/sign-in")).status_code == 200
    for path in PAGES:
        if path.endswith(("/live", "/export.csv", "/export.jsonl")):
            continue
        page = admin.get(f"/w/{fresh.name}{path}")
        links = {
            link
            for link in re.findall(r'href="(/[^"]*)"', page.text)
            if not link.startswith("/static/")
        }
        for link in links:
            assert follow(admin.get(html.unescape(link))).status_code == 200, (path, link)
    admin.get("/account")
    for path in FORMS:
        answer = admin.post(f"/w/{fresh.name}{path}")
        assert follow(answer).status_code == (
            200 if answer.status_code == 303 else answer.status_code
        ), path
    admin.close()


def test_administrators_cannot_access_other_workspaces(root, server, fresh):
    """Pages of a workspace are 404 for others, even for an Admin of another one."""
    user = fresh.user()
    with Tenant(server) as other:
        admin = invited(root, server, other.name, ADMIN)
        admin.get("/account")
        before = len(fresh.api.get("/audit", params={"limit": 1000}).json()["rows"])
        for path in PAGES:
            answer = admin.get(f"/w/{fresh.name}{path.replace('/x', '/' + user['id'])}")
            assert (answer.status_code, user["userName"] in answer.text) == (404, False), path
        for path in FORMS:
            answer = admin.post(
                f"/w/{fresh.name}{path.replace('/x', '/' + user['id'])}", name=fresh.name
            )
            assert answer.status_code == 404, path
            here = admin.post(
                f"/w/{other.name}{path.replace('/x', '/' + user['id'])}", key="x", change="x"
            )
            assert user["userName"] not in here.text, path
        assert len(fresh.api.get("/audit", params={"limit": 1000}).json()["rows"]) == before
        admin.close()
    assert fresh.scim.get(f"/Users/{user['id']}").json() == user


@pytest.mark.parametrize(
    "held",
    [(RESTORE, SCIM), (RESTORE, SCIM, SETTINGS)],
    ids=["restores", "restores and changes settings"],
)
def test_overriding_the_guard_requires_the_checkbox_and_permission(root, server, fresh, held):
    user = fresh.user(active=False)
    change = fresh.api.get(f"/history/{user['id']}").json()["items"][0]["change"]
    fresh.scim.patch(f"/Users/{user['id']}", json=replace("active", True))
    fresh.api.patch(
        "/settings",
        json={
            "guardMode": "hold",
            "guardShare": 0,
            "guardLeast": 0,
            "automaticDeprovisioning": False,
        },
    )
    admin = invited(root, server, fresh.name, *held)
    page, form = (
        f"/w/{fresh.name}/users/{user['id']}",
        f"/w/{fresh.name}/users/{user['id']}/restore",
    )
    assert ('name="override"' in admin.get(page).text) == (SETTINGS in held)
    assert admin.post(form, change=change).status_code == 403
    assert fresh.scim.get(f"/Users/{user['id']}").json()["active"] is True
    overridden = admin.post(form, change=change, override="on")
    assert overridden.status_code == (303 if SETTINGS in held else 403)
    assert fresh.scim.get(f"/Users/{user['id']}").json()["active"] is (SETTINGS not in held)
    rows = [
        row
        for row in fresh.api.get("/audit", params={"limit": 1000}).json()["rows"]
        if row["action"] == "override"
    ]
    assert [row["actor"] for row in rows] == ([f"admin:{admin.email}"] if SETTINGS in held else [])
    admin.close()
