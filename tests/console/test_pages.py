"""The console over HTTP: access, forms, escaping and every page."""

import html
import re

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
from tests.console.browsing import Visitor, invited
from tests.support.people import group, name, person, replace
from tests.support.tenant import Tenant

PAGES = {
    "": SCIM, "/users": SCIM, "/groups": SCIM, "/requests": SCIM, "/doctor": SCIM, "/connect": SCIM, "/connect/entra": SCIM,
    "/connections": SETTINGS, "/connections/default": SETTINGS, "/setup-links": SETTINGS,
    "/open-id-connector": SCIM, "/undo": RESTORE, "/role-mappings": SCIM, "/webhooks": SETTINGS, "/schemas": SETTINGS,
    "/webhooks/x": SETTINGS, "/webhooks/x/deliveries/1": SETTINGS, "/wipe": ADMIN, "/palette": SCIM, "/administrators": ADMIN,
    "/keys": SETTINGS, "/keys/x": SETTINGS, "/settings": SETTINGS, "/guard": SETTINGS, "/audit": AUDIT,
    "/audit/export.csv": AUDIT, "/audit/export.jsonl": AUDIT,
    "/users/new": SCIM, "/groups/new": SCIM, "/users/x/edit": SCIM, "/groups/x/edit": SCIM,
    "/users/x/groups": SCIM, "/groups/x/members": SCIM,
    "/users/export.csv": SCIM, "/groups/export.csv": SCIM, "/users/deleted": SCIM, "/groups/deleted": SCIM,
    "/users/selection": SCIM, "/groups/selection": SCIM,
    "/users/import": SCIM, "/users/import/x": SCIM, "/users/import/x/refused.csv": SCIM, "/protected-users": SETTINGS,
    "/users/x": SCIM, "/groups/x": SCIM, "/requests/1": SCIM, "/requests/live": SCIM,
    "/schemas/new": SETTINGS, "/schemas/x": SETTINGS, "/schemas/x/edit": SETTINGS, "/schemas/x/remove": SETTINGS,
    "/resource-types/new": SETTINGS, "/resource-types/x": SETTINGS, "/resource-types/x/edit": SETTINGS, "/roles": EDIT_ROLES, "/roles/x": EDIT_ROLES,
}  # fmt: skip
FORMS = {
    "/keys": SETTINGS, "/keys/x": SETTINGS, "/keys/x/rotate": SETTINGS, "/keys/x/revoke": SETTINGS, "/settings": SETTINGS,
    "/requests/record": SETTINGS, "/users/x/restore": RESTORE, "/guard/let-all": SETTINGS, "/guard/selection": SETTINGS, "/guard/x/let": SETTINGS,
    "/connect/entra/key": SETTINGS, "/connect/entra/check": SETTINGS,
    "/connections": SETTINGS, "/connections/default": SETTINGS, "/connections/default/pause": SETTINGS,
    "/connections/default/resume": SETTINGS, "/connections/default/delete": SETTINGS, "/connections/default/keys": SETTINGS,
    "/connections/default/oauth-clients": SETTINGS, "/connections/default/oauth-clients/x/rotate": SETTINGS,
    "/connections/default/oauth-clients/x/delete": SETTINGS, "/connections/default/trusts": SETTINGS,
    "/connections/default/trusts/x/delete": SETTINGS, "/setup-links": SETTINGS, "/setup-links/x/revoke": SETTINGS,
    "/guard/x/keep": SETTINGS, "/requests/1/rehearse": SCIM,
    "/open-id-connector": SCIM, "/open-id-connector/remove": SCIM, "/undo": RESTORE,
    "/role-mappings": IDENTITY_MAPPINGS, "/role-mappings/x/remove": IDENTITY_MAPPINGS,
    "/webhooks": SETTINGS, "/webhooks/x/switch": SETTINGS, "/webhooks/x": SETTINGS, "/webhooks/x/test": SETTINGS,
    "/webhooks/x/deliveries/1/redeliver": SETTINGS,
    "/webhooks/x/rotate": SETTINGS, "/webhooks/x/remove": SETTINGS,
    "/schemas/new": SETTINGS, "/schemas/x/edit": SETTINGS, "/schemas/x/remove": SETTINGS,
    "/resource-types/new": SETTINGS, "/resource-types/x/edit": SETTINGS, "/resource-types/x/remove": SETTINGS, "/wipe": ADMIN,
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
    "/administrators": ADMIN, "/administrators/invitations/x/revoke": ADMIN, "/administrators/x/remove": ADMIN,
    "/administrators/x/reset": ADMIN,
}  # fmt: skip
SCIM_TOO = {
    *("/webhooks", "/webhooks/x", "/webhooks/x/test", "/webhooks/x/switch", "/webhooks/x/rotate"),
    "/webhooks/x/deliveries/1/redeliver",
    *("/connect/entra/key", "/connect/entra/check"),
    *("/connections/default/keys", "/connections/default/oauth-clients", "/setup-links"),
    *("/connections/default/oauth-clients/x/rotate", "/connections/default/trusts"),
    *("/connections/default/oauth-clients/x/delete", "/connections/default/trusts/x/delete"),
    "/connections/default/delete",
    *("/doctor/x/resolve", "/doctor/x/reopen"),
}
"""Forms that need the SCIM permission as well: they give access to whole documents."""
SCIM_TOO_PAGES = {"/webhooks/x/deliveries/1"}
"""Pages that need it as well: they show such a document."""
ELSEWHERE = {
    "GET": {"/", "/sign-in", "/first", "/account", "/account/second-factor", "/administrators", "/workspaces",
            "/sign-in/openid", "/sign-in/openid/callback", "/open-id-connector", "/platform-keys", "/brand", "/setup", "/setup/{token}",
            "/brand/style.css", "/brand/logo"},
    "POST": {"/setup/provider", "/setup/credential", "/setup/step", "/sign-in", "/sign-out", "/first", "/account/password", "/account/totp", "/account/totp/off",
             "/account/sessions/{id}/end", "/administrators", "/administrators/{id}/remove", "/administrators/{id}/reset", "/workspaces", "/workspaces/{id}/rename", "/theme",
             "/administrators/policy", "/administrators/invitations/{id}/revoke", "/account/name", "/account/recovery-codes",
             "/account/passkeys", "/account/passkeys/challenge", "/account/passkeys/{id}/rename", "/account/passkeys/{id}/remove",
             "/sign-in/passkey", "/sign-in/passkey/challenge",
             "/open-id-connector", "/open-id-connector/remove", "/platform-keys", "/platform-keys/{id}/revoke", "/brand"},
}  # fmt: skip


def test_every_route_is_covered(tmp_path):
    import muster

    app = muster.create_app(muster.Settings(database=f"sqlite:///{tmp_path}/m.db"))

    def shape(path):
        return re.sub(r"/(x|1|entra|default)(?=/|$)", "/{}", path)

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
def test_a_page_needs_its_permission(server, fresh, permission):
    admin = invited(server, fresh.name, permission)
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


@pytest.mark.slow
@pytest.mark.parametrize("called", ["%00", "a%00b", "%FF"])
def test_malformed_text_never_causes_a_500(server, fresh, called):
    """NUL and bytes that are not UTF-8, in the path and parameters of every page."""
    admin = invited(server, fresh.name, ADMIN)  # whose pages list no other workspaces
    admin.get("/account")
    base, parameters = (
        f"/w/{fresh.name}",
        ("q", "before", "key", "actor", "type", "action", "status", "path", "resource", "at"),
    )
    for page in PAGES:
        for path in (
            *(f"{base}{page}?{parameter}={called}" for parameter in parameters),
            re.sub("/(x|1|entra|default)(?=/|$)", f"/{called}", base + page),
            f"/w/{called}{page}",
        ):
            if "/live" not in path:
                assert admin.get(path).status_code < 500, path
    for form in FORMS:
        path = re.sub("/(x|1)(?=/|$)", f"/{called}", base + form)
        answer = admin.post(path, name="a\0b", key="\0", idpValue="\0", role="\0", schema="\0")
        assert answer.status_code < 500, path
    assert admin.post(f"{base}/wipe", name="a\0b").status_code < 500
    admin.close()


CHOICES = [
    *((permission,) for permission in PERMISSIONS),
    PERMISSIONS[1:3],
    (SETTINGS, RESTORE),
    (PERMISSIONS[2], SCIM),
]


@pytest.mark.parametrize("permissions", CHOICES)
def test_every_permission_reaches_its_pages_without_redirect_loops(server, fresh, permissions):
    admin = invited(server, fresh.name, *permissions)

    def follow(answer):
        """The page that a browser comes to in the end."""
        for _ in range(5):
            if answer.status_code != 303:
                return answer
            answer = admin.get(answer.headers["location"])
        raise AssertionError("a circle")

    assert follow(admin.get("/")).status_code == 200
    assert follow(admin.get("/sign-in")).status_code == 200
    followed = set()  # every page has the links of the sidebar
    for path in PAGES:
        if path.endswith(("/live", "/export.csv", "/export.jsonl")):
            continue
        page = admin.get(f"/w/{fresh.name}{path}")
        links = {
            link
            for link in re.findall(r'href="(/[^"]*)"', page.text)
            if not link.startswith("/static/")
        }
        for link in links - followed:
            assert follow(admin.get(html.unescape(link))).status_code == 200, (path, link)
        followed |= links
    admin.get("/account")
    for path in FORMS:
        answer = admin.post(f"/w/{fresh.name}{path}")
        assert follow(answer).status_code == (
            200 if answer.status_code == 303 else answer.status_code
        ), path
    admin.close()


def test_administrators_cannot_access_other_workspaces(server, fresh):
    """Pages of a workspace are 404 for others, even for an Admin of another one."""
    user = fresh.user()
    with Tenant(server) as other:
        admin = invited(server, other.name, ADMIN)
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
