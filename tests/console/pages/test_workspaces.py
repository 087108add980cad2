"""Workspaces in the console: owners of the installation create them."""

import re
import secrets

import pytest

from muster.access.permissions import ADMIN, SCIM
from tests.console.browsing import Visitor, invitation, invited
from tests.console.test_navigation import sidebar
from tests.support.people import name
from tests.support.tenant import Tenant


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
    assert f"created the workspace {chosen}" in re.search(r"<li>(.*?)</li>", log, re.S)[1]


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


def test_only_owners_of_the_installation_create_workspaces(server, fresh):
    admin = invited(server, fresh.name, ADMIN)
    assert "Create workspace" not in admin.get("/workspaces").text
    admin.get("/account")
    chosen = f"w{secrets.token_hex(6)}"
    assert admin.post("/workspaces", name=chosen).status_code == 403
    assert chosen not in server.muster("workspaces", "list").stdout
    admin.close()


def test_an_owner_renames_a_workspace_and_old_links_lead_to_it(root, server, fresh):
    page = root.get("/workspaces", q=fresh.name).text
    form = re.search(r'action="(/workspaces/\d+/rename)"', page)[1]
    chosen = f"w{secrets.token_hex(6)}"
    page = root.submit(form, name=chosen)
    assert f"is called &#34;{chosen}&#34; now" in page.text
    moved = root.get(f"/w/{fresh.name}/users", q="ann", sort="userName")
    assert moved.headers["location"] == f"/w/{chosen}/users?q=ann&sort=userName"
    assert moved.status_code == 303
    assert root.get(f"/w/{fresh.name}").headers["location"] == f"/w/{chosen}"
    for rest in ("/users/a%3Fb", "/users/a%23b%25", "/users/%0D%0AX-Evil:%201", "/users/%C3%A4"):
        moved = root.get(f"/w/{fresh.name}{rest}")
        assert (moved.status_code, moved.headers.get("location")) == (303, f"/w/{chosen}{rest}")
        assert "x-evil" not in moved.headers
    root.get(f"/w/{chosen}/keys")
    stale = root.post(f"/w/{fresh.name}/keys", name="k", preset="provider")
    assert (stale.status_code, chosen in stale.text) == (409, True)
    assert fresh.scim.get("/Users?count=0").status_code == 200  # its keys still work
    assert "Renamed" in root.get(f"/w/{chosen}/audit").text
    root.get("/workspaces")
    reserved = root.post("/workspaces", name=fresh.name)
    assert (reserved.status_code, "former name" in reserved.text) == (409, True)


@pytest.mark.parametrize(("name", "status"), [("Not a name", 400), ("default", 409)])
def test_a_workspace_cannot_get_a_wrong_name(root, fresh, name, status):
    page = root.get("/workspaces", q=fresh.name).text
    form = re.search(r'action="(/workspaces/\d+/rename)"', page)[1]
    refused = root.post(form, name=name)
    assert refused.status_code == status
    assert f'value="{name}" aria-invalid="true"' in refused.text
    assert root.get(f"/w/{fresh.name}").status_code == 200


def test_the_default_workspace_has_no_rename_and_strangers_get_no_redirect(root, server, fresh):
    assert "Rename" not in root.get("/workspaces", q="default").text.partition("<main")[2]
    admin = invited(server, fresh.name, ADMIN)
    assert "Rename" not in admin.get("/workspaces").text
    page = root.get("/workspaces").text
    form = re.search(r'action="(/workspaces/\d+/rename)"', page)[1]
    admin.get("/account")
    assert admin.post(form, name="taken-over").status_code == 403
    other = root.submit("/workspaces", name=f"w{secrets.token_hex(6)}")
    assert other.status_code == 200
    former = re.search(r"Workspace &#34;(\w+)&#34;", other.text)[1]
    page = root.get("/workspaces", q=former).text
    form = re.search(r'action="(/workspaces/\d+/rename)"', page)[1]
    assert root.post(form, name=f"{former}-new").status_code == 303
    assert admin.get(f"/w/{former}").status_code == 404
    admin.close()


def test_workspaces_are_searched_by_a_part_of_their_name(root, fresh):
    with Tenant(fresh.server) as other:
        page = root.get("/workspaces", q=fresh.name.upper()).text
        main = page[page.index('<section class="card">') :]
        assert f'href="/w/{fresh.name}"' in main
        assert f'href="/w/{other.name}"' not in main
        assert "No workspace has this in its name" in root.get("/workspaces", q="nothing so").text


def test_an_administrator_of_one_workspace_sees_no_other(server, fresh):
    with Tenant(server) as other:
        admin = invited(server, fresh.name, SCIM)
        for path in ("/account", "/workspaces", f"/w/{fresh.name}"):
            assert f"/w/{other.name}" not in admin.get(path).text
        admin.http.cookies.set("muster_workspace", "1", domain="127.0.0.1")
        links, _ = sidebar(admin.get("/account"))
        assert all(link.startswith(f"/w/{fresh.name}") for link in links)
        admin.close()
