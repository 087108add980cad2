"""Every form redirects, so a reload submits nothing; flashed values show once."""

import json
import re
import secrets
from datetime import UTC, datetime, timedelta

import pyotp
import pytest

import muster
from muster.access.permissions import AUDIT, SCIM
from tests.console.browsing import PASSWORD, Visitor
from tests.support.authenticator import Authenticator
from tests.support.invitations import invite
from tests.support.people import group, name, person, replace
from tests.support.tenant import administer

SECRET = re.compile(
    r"eyJ[\w-]+\.[\w-]+\.[\w-]+|whsec_[\w+/=]+|first\?token=[\w-]+|(?<=<code>)[a-z2-7]{4}(?:-[a-z2-7]{4}){3}"
    r"|(?<=Client secret: <code class=.copyable.>)[\w-]+"
    r"|/setup/[\w-]{43}"
)
CUSTOM = "urn:example:forms:2.0:"
HOOK = {"url": "http://127.0.0.1:1/hook"}


def link(server):
    """An invitation, as the command makes it."""
    token = administer(server, invite)
    return f"{server.url}/first?token={token}"


class Scene:
    """An administrator of the installation before a page of a workspace."""

    def __init__(self, server, fresh):
        self.server, self.tenant = server, fresh
        self.email = name("forms")
        self.visitor = Visitor(server).accept(link(server), self.email)
        self.visitor.get("/account")
        self.base = f"/w/{fresh.name}"

    def key(self):
        return self.tenant.api.post("/keys", json={"name": name("k"), "permissions": [SCIM]}).json()

    def oauth_client(self):
        made = self.tenant.api.post(
            "/connections/default/oauth-clients", json={"name": name("c"), "auth": "client_secret"}
        )
        return made.json()["clientId"]

    def webhook(self):
        return self.tenant.api.post("/webhooks", json=HOOK).json()["id"]

    def delivery(self):
        """The path of a delivery: of a test event, which nobody received."""
        hook = self.webhook()
        self.tenant.api.post(f"/webhooks/{hook}/test")
        page = self.visitor.get(f"{self.base}/webhooks/{hook}").text
        return re.search(rf"/webhooks/{hook}/deliveries/\d+", page)[0]

    def held(self):
        user = self.tenant.user()
        self.tenant.api.patch(
            "/settings", json={"guardMode": "hold", "guardShare": 0, "guardLeast": 0}
        )
        assert self.tenant.scim.delete(f"/Users/{user['id']}").status_code == 403
        return user["id"]

    def group(self, *members):
        return self.tenant.scim.post("/Groups", json=group(None, *members)).json()

    def on_user(self, action, **fields):
        return self.post(f"/users/{self.tenant.user()['id']}/{action}", **fields)

    def on_group(self, action, **fields):
        return self.post(f"/groups/{self.group()['id']}/{action}", **fields)

    def change(self, of, number=0):
        return self.tenant.api.get(f"/history/{of['id']}").json()["items"][number]["change"]

    def post(self, path, **fields):
        return self.visitor.post(self.base + path, **fields)

    def totp(self):
        secret = pyotp.random_base32()
        return self.visitor.post("/account/totp", secret=secret, code=pyotp.TOTP(secret).now())


def _delete_connection(scene):
    made = scene.tenant.api.post("/connections", json={"name": name("c")}).json()
    return scene.post(f"/connections/{made['id']}/delete")


def _settings(scene):
    fields = {
        "contract": "rfc7644",
        "guardMode": "watch",
        "guardShare": "5",
        "guardLeast": "3",
        "changesDays": "30",
        "reviewed": "on",
    }
    return scene.post("/settings", **fields)


def _rotate(scene):
    return scene.post(f"/keys/{scene.key()['id']}/rotate", overlap="0")


def _restore(scene):
    user = scene.tenant.user(title="one")
    scene.tenant.scim.patch(f"/Users/{user['id']}", json=replace("title", "two"))
    return scene.post(f"/users/{user['id']}/restore", change=scene.change(user, 1))


def _restore_without_members(scene):
    user = scene.tenant.user()
    crew = scene.tenant.scim.post("/Groups", json=group("Crew", user)).json()
    change = scene.change(crew)
    scene.tenant.scim.delete(f"/Users/{user['id']}")
    return scene.post(f"/groups/{crew['id']}/restore", change=change)


def _rehearse(scene):
    scene.tenant.scim.post("/Users", json=person())
    scene.tenant.recorded(1)
    number = scene.tenant.api.get("/requests").json()["items"][0]["number"]
    return scene.post(f"/requests/{number}/rehearse")


def _resolve(scene):
    scene.tenant.scim.get("/Users/nobody")
    scene.tenant.recorded(1)
    finding = scene.tenant.api.get("/doctor").json()["refusals"][0]["id"]
    return scene.post(f"/doctor/{finding}/resolve"), finding


def _undo(scene):
    made = scene.key()
    user = scene.tenant.client(made["token"], "/scim/v2").post("/Users", json=person()).json()
    now = datetime.now(UTC)
    asked = {
        "key": made["id"],
        **{
            n: f"{now + timedelta(hours=h):%Y-%m-%dT%H:%M}"
            for n, h in (("since", -1), ("until", 1))
        },
    }
    page = scene.visitor.get(f"{scene.base}/undo", **asked).text
    at = re.search(r'name="at" value="([^"]+)"', page)[1]
    return scene.post("/undo", **asked, at=at, delete=[user["id"]], confirmed="yes", deleting="yes")


def _upload(scene):
    data = {"csrf": scene.visitor.csrf}
    file = {"file": ("people.csv", f"User name\n{name()}\n".encode(), "text/csv")}
    return scene.visitor.http.post(f"{scene.base}/users/import", data=data, files=file)


def _on_import(scene, action, **fields):
    uploaded = _upload(scene).headers["location"]
    return scene.visitor.post(f"{uploaded}/{action}", **fields)


def _mapping(scene):
    return scene.post("/role-mappings", idpValue="eng", role="Engineer", reviewed="on")


def _remove_mapping(scene):
    _mapping(scene)
    page = scene.visitor.get(f"{scene.base}/role-mappings").text
    remove = re.search(r'action="([^"]+/remove)"', page)[1]
    return scene.visitor.post(remove, reviewed="on")


def _schema(scene):
    schema = {
        "id": f"{CUSTOM}Thing",
        "name": "Thing",
        "attributes": [{"name": "label", "type": "string"}],
    }
    return scene.post("/schemas/new", mode="json", json=json.dumps(schema), do="save")


def _edit_schema(scene):
    _schema(scene)
    attributes = json.dumps([{"name": "label"}, {"name": "colour"}])
    fields = {"name": "Thing", "attributes": attributes, "do": "save"}
    return scene.post(f"/schemas/{CUSTOM}Thing/edit", **fields)


def _remove_schema(scene):
    _schema(scene)
    return scene.post(f"/schemas/{CUSTOM}Thing/remove")


def _type(scene):
    _schema(scene)
    fields = {"name": "Thing", "endpoint": "/Things", "schema": f"{CUSTOM}Thing"}
    return scene.post("/resource-types/new", **fields)


def _edit_type(scene):
    _type(scene)
    return scene.post("/resource-types/Thing/edit", description="Things")


def _remove_type(scene):
    _type(scene)
    return scene.post("/resource-types/Thing/remove")


def _role(scene):
    return scene.post("/roles", name="Auditor", permission=AUDIT)


def _edit_role(scene):
    _role(scene)
    return scene.post("/roles/Auditor", permission=[AUDIT, SCIM])


def _remove_role(scene):
    _role(scene)
    return scene.post("/roles/Auditor/remove")


def _revoke_platform_key(scene):
    made = scene.visitor.submit("/platform-keys", name=name("k"), expires="").text
    key = re.search(r"muster_platform_([0-9a-f]{16})_", made)[1]
    return scene.visitor.post(f"/platform-keys/{key}/revoke")


def _rename_workspace(scene):
    page = scene.visitor.get("/workspaces", q=scene.tenant.name).text
    place = re.search(r'action="(/workspaces/\d+/rename)"', page)[1]
    return scene.visitor.post(place, name=f"w{secrets.token_hex(6)}")


def _remove_administrator(scene):
    Visitor(scene.server).accept(link(scene.server), email := name("gone")).close()
    page = scene.visitor.get("/administrators").text
    row = page[page.index(email) :]
    return scene.visitor.post(re.search(r'action="(/administrators/[^"]+/remove)"', row)[1])


def _reset_administrator(scene):
    made = Visitor(scene.server).accept(link(scene.server), email := name("lost"))
    made.get("/account")
    secret = pyotp.random_base32()
    assert (
        made.post("/account/totp", secret=secret, code=pyotp.TOTP(secret).now()).status_code == 303
    )
    page = scene.visitor.get("/administrators").text
    row = page[page.index(email) :]
    answer = scene.visitor.post(re.search(r'action="(/administrators/[^"]+/reset)"', row)[1])
    assert made.get("/account").headers["location"].startswith("/sign-in")
    made.get("/sign-in")
    assert made.post("/sign-in", email=email, password=PASSWORD).status_code == 303
    made.close()
    return answer


def _invite(scene, base=""):
    return scene.visitor.post(
        f"{base}/administrators", name="Sam", role="auditor", expires="3600", workspace="*"
    )


def _revoke_invitation(scene, base=""):
    assert _invite(scene, base).status_code == 303
    page = scene.visitor.get(f"{base}/administrators").text
    return scene.visitor.post(
        re.search(rf'action="({base}/administrators/invitations/[^"]+/revoke)"', page)[1]
    )


def _of_workspace(scene, action):
    """Remove or reset an administrator of the workspace alone, who has a second factor."""
    assert _invite(scene, scene.base).status_code == 303
    page = scene.visitor.get(f"{scene.base}/administrators").text
    made = Visitor(scene.server).accept(
        re.search(r'data-copy="(http[^"]+)"', page)[1], name("there")
    )
    made.get("/account")
    secret = pyotp.random_base32()
    made.post("/account/totp", secret=secret, code=pyotp.TOTP(secret).now())
    made.close()
    page = scene.visitor.get(f"{scene.base}/administrators").text
    return scene.visitor.post(
        re.search(rf'action="({scene.base}/administrators/[^"]+/{action})"', page)[1]
    )


def _passkey(scene):
    """Add a passkey at localhost: browsers allow none at an address."""
    scene.visitor.http.headers["Host"] = "localhost:8080"
    scene.device = Authenticator("http://localhost:8080")
    options = scene.visitor.post("/account/passkeys/challenge", name="Laptop").json()
    return scene.visitor.post(
        "/account/passkeys", name="Laptop", credential=scene.device.create(options)
    )


def _change_passkey(scene, action, **fields):
    assert _passkey(scene).status_code == 303
    scene.visitor.get("/account")
    page = scene.visitor.get("/account").text
    return scene.visitor.post(
        re.search(rf'action="(/account/passkeys/[^"]+/{action})"', page)[1], **fields
    )


def _sign_in_by_passkey(scene):
    assert _passkey(scene).status_code == 303
    scene.visitor.post("/sign-out")
    scene.visitor.get("/sign-in")
    options = scene.visitor.post("/sign-in/passkey/challenge").json()
    answer = scene.visitor.post("/sign-in/passkey", credential=scene.device.get(options))
    scene.visitor.get("/account")  # the recovery codes of the passkey are shown here, once
    return answer


def _renew_codes(scene):
    scene.totp()
    scene.visitor.get("/account")
    return scene.visitor.post("/account/recovery-codes")


def _totp_off(scene):
    scene.totp()
    code = SECRET.search(scene.visitor.get("/account").text)[0]
    return scene.visitor.post("/account/totp/off", password=PASSWORD, code=code)


def _sign_in(scene):
    scene.visitor.post("/sign-out")
    scene.visitor.get("/sign-in")
    return scene.visitor.post("/sign-in", email=scene.email, password=PASSWORD)


def _first(scene):
    scene.visitor.post("/sign-out")
    path = link(scene.server).removeprefix(scene.server.url)
    scene.visitor.get(path)
    return scene.visitor.post(
        "/first", token=path.partition("token=")[2], email=name("first"), password=PASSWORD
    )


def _unprotect(scene):
    user = scene.tenant.user()
    scene.tenant.api.put(f"/protected-users/{user['id']}", json={})
    return scene.post(f"/users/{user['id']}/unprotect")


FORMS = {
    "/sign-in": _sign_in,
    "/theme": lambda scene: scene.visitor.post("/theme", theme="dark", to="/account"),
    "/sign-out": lambda scene: scene.visitor.post("/sign-out"),
    "/first": _first,
    "/sign-in/passkey": _sign_in_by_passkey,
    "/account/name": lambda scene: scene.visitor.post("/account/name", name="Ada"),
    "/account/passkeys": _passkey,
    "/account/passkeys/{id}/rename": lambda scene: _change_passkey(scene, "rename", name="Desk"),
    "/account/passkeys/{id}/remove": lambda scene: _change_passkey(scene, "remove"),
    "/account/recovery-codes": _renew_codes,
    "/account/password": lambda scene: scene.visitor.post(
        "/account/password", old=PASSWORD, new=PASSWORD + "!"
    ),
    "/account/totp": lambda scene: scene.totp(),
    "/account/totp/off": _totp_off,
    "/account/sessions/{id}/end": lambda scene: scene.visitor.post("/account/sessions/x/end"),
    "/administrators": _invite,
    "/administrators/policy": lambda scene: scene.visitor.post(
        "/administrators/policy", required="off"
    ),
    "/administrators/invitations/{id}/revoke": _revoke_invitation,
    "/administrators/{id}/remove": _remove_administrator,
    "/administrators/{id}/reset": _reset_administrator,
    "/w/{workspace}/administrators": lambda scene: _invite(scene, scene.base),
    "/w/{workspace}/administrators/invitations/{id}/revoke": lambda scene: _revoke_invitation(
        scene, scene.base
    ),
    "/w/{workspace}/administrators/{id}/remove": lambda scene: _of_workspace(scene, "remove"),
    "/w/{workspace}/administrators/{id}/reset": lambda scene: _of_workspace(scene, "reset"),
    "/workspaces": lambda scene: scene.visitor.post("/workspaces", name=f"w{secrets.token_hex(6)}"),
    "/w/{workspace}/keys": lambda scene: scene.post("/keys", name=name("k"), permission=SCIM),
    "/w/{workspace}/keys/{id}": lambda scene: scene.post(
        f"/keys/{scene.key()['id']}", name=name("renamed")
    ),
    "/w/{workspace}/keys/{id}/rotate": _rotate,
    "/w/{workspace}/keys/{id}/revoke": lambda scene: scene.post(
        f"/keys/{scene.key()['id']}/revoke"
    ),
    "/w/{workspace}/settings": _settings,
    "/w/{workspace}/connect/{provider}/key": lambda scene: scene.post(
        "/connect/okta/key", name="okta"
    ),
    "/w/{workspace}/connect/{provider}/check": lambda scene: scene.post(
        "/connect/okta/check", key=scene.key()["id"]
    ),
    "/w/{workspace}/connections": lambda scene: scene.post("/connections", name=name("c")),
    "/w/{workspace}/setup-links": lambda scene: scene.post("/setup-links", provider="okta"),
    "/w/{workspace}/setup-links/{id}/revoke": lambda scene: scene.post(
        f"/setup-links/{scene.tenant.api.post('/setup-links', json={}).json()['id']}/revoke"
    ),
    "/w/{workspace}/connections/{id}": lambda scene: scene.post(
        "/connections/default", name="default", provider="okta", ownership="shared"
    ),
    "/w/{workspace}/connections/{id}/pause": lambda scene: scene.post("/connections/default/pause"),
    "/w/{workspace}/connections/{id}/resume": lambda scene: scene.post(
        "/connections/default/resume"
    ),
    "/w/{workspace}/connections/{id}/delete": _delete_connection,
    "/w/{workspace}/connections/{id}/keys": lambda scene: scene.post(
        "/connections/default/keys", keyName=name("k")
    ),
    "/w/{workspace}/connections/{id}/oauth-clients": lambda scene: scene.post(
        "/connections/default/oauth-clients", clientName=name("c")
    ),
    "/w/{workspace}/connections/{id}/oauth-clients/{client}/rotate": lambda scene: scene.post(
        f"/connections/default/oauth-clients/{scene.oauth_client()}/rotate", overlap="3600"
    ),
    "/w/{workspace}/connections/{id}/oauth-clients/{client}/delete": lambda scene: scene.post(
        f"/connections/default/oauth-clients/{scene.oauth_client()}/delete"
    ),
    "/w/{workspace}/requests/record": lambda scene: scene.post("/requests/record"),
    "/w/{workspace}/requests/{number}/rehearse": _rehearse,
    "/w/{workspace}/{kind}/{id}/restore": _restore,
    "/w/{workspace}/checklist": lambda scene: scene.post("/checklist"),
    "/w/{workspace}/doctor/{id}/resolve": lambda scene: _resolve(scene)[0],
    "/w/{workspace}/doctor/{id}/reopen": lambda scene: scene.post(
        f"/doctor/{_resolve(scene)[1]}/reopen"
    ),
    "/w/{workspace}/guard/let-all": lambda scene: scene.post("/guard/let-all"),
    "/w/{workspace}/guard/selection": lambda scene: scene.post(
        "/guard/selection", decision="reject", user=scene.held()
    ),
    "/w/{workspace}/guard/{id}/let": lambda scene: scene.post(f"/guard/{scene.held()}/let"),
    "/w/{workspace}/guard/{id}/keep": lambda scene: scene.post(f"/guard/{scene.held()}/keep"),
    "/w/{workspace}/undo": _undo,
    "/w/{workspace}/role-mappings": _mapping,
    "/w/{workspace}/role-mappings/{id}/remove": _remove_mapping,
    "/w/{workspace}/webhooks": lambda scene: scene.post("/webhooks", **HOOK, events="*"),
    "/w/{workspace}/webhooks/{id}": lambda scene: scene.post(
        f"/webhooks/{scene.webhook()}", **HOOK, events="user.created"
    ),
    "/w/{workspace}/webhooks/{id}/test": lambda scene: scene.post(
        f"/webhooks/{scene.webhook()}/test"
    ),
    "/w/{workspace}/webhooks/{id}/deliveries/{number}/redeliver": lambda scene: scene.post(
        f"{scene.delivery()}/redeliver"
    ),
    "/w/{workspace}/webhooks/{id}/switch": lambda scene: scene.post(
        f"/webhooks/{scene.webhook()}/switch"
    ),
    "/w/{workspace}/webhooks/{id}/rotate": lambda scene: scene.post(
        f"/webhooks/{scene.webhook()}/rotate"
    ),
    "/w/{workspace}/webhooks/{id}/remove": lambda scene: scene.post(
        f"/webhooks/{scene.webhook()}/remove"
    ),
    "/workspaces/{id}/rename": _rename_workspace,
    "/platform-keys": lambda scene: scene.visitor.post(
        "/platform-keys", name=name("k"), expires=""
    ),
    "/platform-keys/{id}/revoke": _revoke_platform_key,
    "/brand": lambda scene: scene.visitor.post("/brand", name=name("Acme"), accent=""),
    "/w/{workspace}/roles": _role,
    "/w/{workspace}/roles/{name}": _edit_role,
    "/w/{workspace}/roles/{name}/remove": _remove_role,
    "/w/{workspace}/schemas/new": _schema,
    "/w/{workspace}/schemas/{urn}/edit": _edit_schema,
    "/w/{workspace}/schemas/{urn}/remove": _remove_schema,
    "/w/{workspace}/resource-types/new": _type,
    "/w/{workspace}/resource-types/{name}/edit": _edit_type,
    "/w/{workspace}/resource-types/{name}/remove": _remove_type,
    **{
        f"/w/{{workspace}}/users/{end}": form
        for end, form in {
            "new": lambda scene: scene.post("/users/new", userName=name("made")),
            "selection": lambda scene: scene.post(
                "/users/selection", action="deactivate", ids=scene.tenant.user()["id"]
            ),
            "import": _upload,
            "import/{import}/rehearse": lambda scene: _on_import(
                scene, "rehearse", **{"column.0": "userName"}
            ),
            "import/{import}/start": lambda scene: _on_import(scene, "start"),
            "import/{import}/map": lambda scene: _on_import(scene, "map"),
            "import/{import}/delete": lambda scene: _on_import(scene, "delete"),
            "{id}/protect": lambda scene: scene.on_user("protect", reason="Emergency access"),
            "{id}/unprotect": _unprotect,
            "{id}/edit": lambda scene: scene.on_user("edit", title="Chief"),
            "{id}/delete": lambda scene: scene.on_user("delete"),
            "{id}/deactivate": lambda scene: scene.on_user("deactivate"),
            "{id}/reactivate": lambda scene: scene.on_user("reactivate"),
            "{id}/password": lambda scene: scene.on_user("password", password="n3w Words here"),
            "{id}/groups": lambda scene: scene.on_user("groups", chosen=scene.group()["id"]),
        }.items()
    },
    **{
        f"/w/{{workspace}}/groups/{end}": form
        for end, form in {
            "new": lambda scene: scene.post("/groups/new", displayName=name("made")),
            "selection": lambda scene: scene.post(
                "/groups/selection", action="delete", ids=scene.group()["id"]
            ),
            "{id}/edit": lambda scene: scene.on_group("edit", displayName=name("renamed")),
            "{id}/delete": lambda scene: scene.on_group("delete"),
            "{id}/members": lambda scene: scene.on_group(
                "members", chosen=scene.tenant.user()["id"]
            ),
            "{id}/remove": lambda scene: scene.on_group("remove", member=scene.tenant.user()["id"]),
        }.items()
    },
    "/w/{workspace}/protected-users": lambda scene: scene.post(
        "/protected-users", userName=scene.tenant.user()["userName"]
    ),
    "/w/{workspace}/wipe": lambda scene: scene.post("/wipe", name=scene.tenant.name),
}
"""Every form of the console, filled in so that it is accepted."""
BY_PROVIDER = {
    f"{place}/open-id-connector{end}" for place in ("", "/w/{workspace}") for end in ("", "/remove")
}
"""The forms that need an identity provider: tests/console/pages/test_connector.py sends them."""
BY_ISSUER = {f"/w/{{workspace}}/connections/{{id}}/trusts{end}" for end in ("", "/{trust}/delete")}
"""The forms that need an issuer: tests/console/pages/test_connections.py sends them."""
BY_LINK = {"/setup/provider", "/setup/credential", "/setup/step"}
"""The forms of a set-up link: tests/console/pages/test_setup.py sends them."""
FOR_SCRIPTS = {"/sign-in/passkey/challenge", "/account/passkeys/challenge"}
"""The forms whose answer is JSON: tests/console/pages/test_account.py sends them."""
SHOW_SECRETS = {
    *(
        "/w/{workspace}/keys",
        "/w/{workspace}/keys/{id}/rotate",
        "/w/{workspace}/webhooks",
        "/w/{workspace}/webhooks/{id}/rotate",
        "/w/{workspace}/connect/{provider}/key",
        "/w/{workspace}/connections/{id}/keys",
        "/w/{workspace}/connections/{id}/oauth-clients",
        "/w/{workspace}/connections/{id}/oauth-clients/{client}/rotate",
        "/w/{workspace}/setup-links",
    ),
    *("/administrators", "/w/{workspace}/administrators", "/account/totp"),
    *("/account/passkeys", "/account/recovery-codes"),
}


FOR_GUESTS = {"/setup/provider", "/setup/credential", "/setup/step"}
"""The forms of set-up links: tests/console/pages/test_setup.py."""


def test_every_form_is_covered(tmp_path):
    app = muster.create_app(muster.Settings(database=f"sqlite:///{tmp_path}/m.db"))
    assert {route.path for route in app.service._site.routes if route.method == "POST"} == {
        *FORMS,
        *BY_PROVIDER,
        *BY_ISSUER,
        *BY_LINK,
        *FOR_SCRIPTS,
        *FOR_GUESTS,
    }


@pytest.mark.parametrize("path", FORMS)
def test_a_form_redirects_and_its_page_shows_secrets_once(server, fresh, path):
    scene = Scene(server, fresh)
    answer = FORMS[path](scene)
    assert (answer.status_code, answer.content) == (303, b""), answer.text
    target = answer.headers["location"]
    assert target.startswith("/")
    assert not SECRET.search(target)
    first, second = scene.visitor.get(target), scene.visitor.get(target)
    assert bool(SECRET.search(first.text)) == (path in SHOW_SECRETS)
    assert not SECRET.search(second.text)
    assert 'role="status"' not in second.text
    scene.visitor.close()


def test_members_left_out_of_a_restore_are_named_once(server, fresh):
    scene = Scene(server, fresh)
    answer = _restore_without_members(scene)
    assert answer.status_code == 303
    shown = [
        ("no longer exist" in scene.visitor.get(answer.headers["location"]).text) for _ in range(2)
    ]
    assert shown == [True, False]
    scene.visitor.close()
