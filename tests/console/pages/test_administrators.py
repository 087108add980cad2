"""The page of administrators, and invitations."""

import pytest

from muster.access.permissions import ADMIN
from tests.console.browsing import PASSWORD, Visitor
from tests.support.people import name


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
