"""The page of administrators, and invitations."""

import html
import re

import pyotp
import pytest

from muster.access.administrators import Administrators
from muster.access.permissions import ADMIN, AUDIT, NOTES, SCIM
from muster.access.sign_in_policy import SignInPolicy
from muster.storage.port.changes import ChangeOrigin
from tests.console.browsing import PASSWORD, Visitor, invitation, invited
from tests.support.people import name
from tests.support.tenant import administer


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


def test_invitations_require_a_configured_host(root, server, fresh):
    """A link from a forged Host header would give a stranger tokens and codes."""
    root.get("/administrators")
    evil = {"Host": "evil.example"}
    page = root.post("/administrators", headers=evil, name="Sam", workspace="*", role="owner")
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


@pytest.fixture
def owner(server, fresh):
    """An owner of a workspace alone."""
    made = invited(server, fresh.name, ADMIN)
    yield made
    made.close()


def invite(visitor, page, **fields):
    """Invite an auditor; return the link and the page that shows it."""
    visitor.get(page)
    shown = visitor.submit(page, **{"name": "Sam Lee", "role": "auditor", **fields})
    found = re.search(r'data-copy="(http[^"]+)"', shown.text)
    return found[1] if found else None, shown


def text_of(page):
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text)))


def row_of(page, who):
    """The row of a table that names somebody."""
    return next(row for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL) if who in row)


def test_a_colleague_who_may_only_read_the_audit_log(owner, server, fresh):
    link, _ = invite(owner, f"/w/{fresh.name}/administrators")
    page = Visitor(server).get(link.removeprefix(server.url))
    said = text_of(page)
    assert f"Invited by Sam ({owner.email})" in said
    assert "Role Auditor" in said
    assert f"Workspace {fresh.name}" in said
    sam = Visitor(server).accept(link, email := name("sam"))
    assert sam.get("/").headers["location"] == f"/w/{fresh.name}/audit"
    assert sam.get(f"/w/{fresh.name}/audit").status_code == 200
    assert sam.get(f"/w/{fresh.name}/users").status_code == 403
    assert sam.get(f"/w/{fresh.name}/administrators").status_code == 403
    row = row_of(owner.get(f"/w/{fresh.name}/administrators").text, email)
    for part in ("Sam Lee", "Auditor", owner.email, "Password only", "just now"):
        assert part in row
    sam.close()


def test_a_role_with_custom_permissions_is_refused_beside_it(owner, fresh):
    page = f"/w/{fresh.name}/administrators"
    link, shown = invite(owner, page, role="owner", permission=AUDIT)
    assert (link, shown.status_code) == (None, 400)
    beside = html.unescape(re.search(r'id="wrong-role">([^<]*)', shown.text)[1])
    assert beside.startswith('You chose "Owner" and custom permissions')
    assert '<details class="custom" open>' in shown.text
    assert "Pending invitations" not in owner.get(page).text
    link, _ = invite(owner, page, role="custom", permission=AUDIT)
    assert link


def test_a_pending_invitation_is_listed_and_revoked(owner, server, fresh):
    page = f"/w/{fresh.name}/administrators"
    link, _ = invite(owner, page, expires="604800")
    row = row_of(owner.get(page).text, "Sam Lee")
    for part in ("Auditor", "Reads the audit log, and nothing else.", owner.email, "in 6 days"):
        assert part in row
    path = re.search(r'action="([^"]+/revoke)"', row)[1]
    assert owner.post(path).status_code == 303
    assert "Pending invitations" not in owner.get(page).text
    over = Visitor(server).get(link.removeprefix(server.url))
    assert over.status_code == 410
    assert f"was revoked. Ask Sam ({owner.email}) for a new one" in text_of(over)
    again = owner.post(path)
    assert (again.status_code, "may have been accepted" in again.text) == (404, True)


def test_an_invitation_says_what_the_role_may_and_may_not_do(owner, server, fresh):
    def shown(**role):
        link, _ = invite(owner, f"/w/{fresh.name}/administrators", **role)
        return text_of(Visitor(server).get(link.removeprefix(server.url)))

    auditor = shown(role="auditor")
    assert NOTES[AUDIT] in auditor
    assert "Cannot change users and groups, settings, API keys or other administrators." in auditor
    assert "Create your administrator account" not in auditor
    assert "Cannot change" not in shown(role="owner")


def test_the_invited_person_chooses_name_and_password(owner, server, fresh):
    link, _ = invite(owner, f"/w/{fresh.name}/administrators")
    visitor, token = Visitor(server), link.partition("token=")[2]
    visitor.get("/first", token=token)
    short = visitor.post("/first", token=token, email=name("s"), password="short", name="S. Lee")
    assert short.status_code == 400
    assert "12 to 1,000 characters" in short.text
    assert 'value="S. Lee"' in short.text
    visitor.get("/first", token=token)
    email = name("s")
    made = visitor.post("/first", token=token, email=email, password=PASSWORD, name="S. Lee")
    assert made.status_code == 303
    assert "S. Lee" in visitor.get("/account").text
    used = Visitor(server).post("/first", token=token, email=name("x"), password=PASSWORD)
    assert used.status_code == 403  # without the token of a form
    other = Visitor(server)
    other.get("/sign-in")
    used = other.post("/first", token=token, email=name("x"), password=PASSWORD)
    assert (used.status_code, "already used" in used.text) == (410, True)
    visitor.close()
    other.close()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": ""}, "Enter the name of the person"),
        ({"role": "custom"}, "Select at least one permission"),
        ({"role": "custom", "permission": "Fly"}, "Select at least one permission"),
        ({"expires": "99999999"}, "Choose one of the times"),
    ],
)
def test_a_wrong_form_keeps_what_was_typed(owner, fresh, fields, says):
    page = f"/w/{fresh.name}/administrators"
    owner.get(page)
    typed = {"name": "Sam Lee", "role": "auditor", "expires": "3600", **fields}
    refused = owner.post(page, **typed)
    assert refused.status_code == 400
    assert says in refused.text
    assert f'value="{typed["name"]}"' in refused.text
    assert "Pending invitations" not in owner.get(page).text


def test_an_owner_of_a_workspace_reaches_no_further(root, owner, server, fresh):
    """The workspace of the form is ignored, and administrators of more are not changed here."""
    page = f"/w/{fresh.name}/administrators"
    link, _ = invite(owner, page, workspace="*", role="owner")
    said = text_of(Visitor(server).get(link.removeprefix(server.url)))
    assert f"Workspace {fresh.name}" in said
    assert owner.get("/administrators").status_code == 403
    outside = invited(server, "default", SCIM)
    everywhere = Visitor(server).accept(invitation(server), above := name("above"))
    invite(root, "/administrators", workspace="*", name=(kim := name("kim")))
    listed = root.get("/administrators").text
    refused = {}
    for who, action in (
        (outside.email, "remove"),
        (above, "remove"),
        (above, "reset"),
        (kim, "revoke"),
    ):
        kind = "invitations/" if action == "revoke" else ""
        found = re.search(rf'"/administrators/({kind}[^"/]+)/\w+"', row_of(listed, who))[1]
        owner.get(page)
        refused[who, action] = owner.post(f"{page}/{found}/{action}").status_code
    assert refused == {
        (outside.email, "remove"): 404,
        (above, "remove"): 403,
        (above, "reset"): 403,
        (kim, "revoke"): 404,
    }
    outside.close()
    everywhere.close()


def test_the_heading_says_whether_somebody_is_there(root, owner, fresh):
    assert "Invite another administrator" in root.get("/administrators").text
    assert "Invite another administrator" in owner.get(f"/w/{fresh.name}/administrators").text


def test_the_activity_names_who_did_what_to_whom(root, server, fresh):
    link, _ = invite(root, "/administrators", workspace="*", name="Kim Oh")
    email = name("kim")
    kim = Visitor(server).accept(link, email)
    kim.get("/account")
    kim.post("/sign-out")
    kim.get("/sign-in")
    kim.post("/sign-in", email=email, password="wrong")
    said = text_of(root.get("/administrators"))
    for sentence in (
        "invited Kim Oh as Auditor of all workspaces",
        f"{email} accepted the invitation of Kim Oh",
        f"{email} became Auditor of all workspaces, invited by",
        f"{email} signed in with an invitation",
        f"{email} signed out",
        f"Somebody failed to sign in as {email}: wrong address or password",
    ):
        assert sentence in said, sentence
    kim.close()


def test_values_of_invitations_are_escaped(root, server):
    bad = '<script>alert("1")</script>'
    link, shown = invite(root, "/administrators", workspace="*", name=bad)
    pages = [shown, root.get("/administrators"), Visitor(server).get(link.removeprefix(server.url))]
    assert AUDIT
    for page in pages:
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert" in page.text


def test_the_installation_requires_a_second_factor_of_everybody(server, fresh):
    owner = Visitor(server).accept(invitation(server), name("strict"))
    owner.get("/administrators")
    try:
        assert owner.post("/administrators/policy", required="on").status_code == 303
        for path in ("/administrators", f"/w/{fresh.name}", "/workspaces"):
            led = owner.get(path).headers["location"].partition("?")[0]
            assert led == "/account/second-factor", path
        said = text_of(owner.get("/account/second-factor"))
        assert "This installation requires a second factor" in said
        page = owner.get("/account/second-factor").text
        secret = re.search(r'name="secret" value="([A-Z2-7]+)"', page)[1]
        owner.post("/account/totp", secret=secret, code=pyotp.TOTP(secret).now())
        said = text_of(owner.get("/administrators"))
        assert "Required: an administrator without a second factor can do nothing else" in said
        assert "made two-factor authentication required" in said
    finally:
        administer(server, optional)
    owner.close()


async def optional(storage):
    """End the policy for the other tests of this server."""
    policy = SignInPolicy(storage, Administrators(storage))
    await policy.require(False, ChangeOrigin("test", "", "2026-01-01T00:00:00.000Z"))
