"""Workspaces in the console: owners of the installation create them."""

import re
import secrets

import pytest

from muster.access.permissions import ADMIN
from tests.console.browsing import Visitor, invitation
from tests.console.test_pages import invited
from tests.support.people import name


@pytest.fixture(scope="module")
def root(server):
    visitor = Visitor(server).accept(invitation(server), name("owner"))
    visitor.get("/workspaces")
    yield visitor
    visitor.close()


@pytest.mark.parametrize("contract", ["rfc7644", "cortex"])
def test_an_owner_creates_a_workspace_and_opens_it(root, server, contract):
    chosen = f"w{secrets.token_hex(6)}"
    page = root.submit("/workspaces", name=chosen, contract=contract)
    assert f"Workspace &#34;{chosen}&#34; was created." in page.text
    assert root.get(f"/w/{chosen}").status_code == 200
    listed = server.muster("workspaces", "list").stdout.splitlines()
    assert [row.split("\t")[1] for row in listed if row.startswith(f"{chosen}\t")] == [contract]
    log = root.get("/administrators").text.partition("Recent activity")[2]
    assert "admin:owner" in re.search(r"<li>(.*?)</li>", log, re.S)[1]


@pytest.mark.parametrize(
    ("fields", "status", "says"),
    [
        ({"name": ""}, 400, "lower-case letters"), ({"name": "Acme"}, 400, "lower-case letters"),
        ({"name": "a/b"}, 400, "lower-case letters"), ({"name": "x" * 64}, 400, "lower-case letters"),
        ({"name": "default"}, 409, "exists already"), ({"name": "ok", "contract": "x"}, 400, "rfc7644"),
    ],
)  # fmt: skip
def test_a_workspace_that_cannot_be(root, fields, status, says):
    page = root.post("/workspaces", **fields)
    assert page.status_code == status
    assert says in page.text
    assert f'value="{fields["name"]}"' in page.text


def test_only_owners_of_the_installation_create_workspaces(root, server, fresh):
    admin = invited(root, server, fresh.name, ADMIN)
    assert "Create workspace" not in admin.get("/workspaces").text
    admin.get("/account")
    chosen = f"w{secrets.token_hex(6)}"
    assert admin.post("/workspaces", name=chosen).status_code == 403
    assert chosen not in server.muster("workspaces", "list").stdout
    admin.close()
