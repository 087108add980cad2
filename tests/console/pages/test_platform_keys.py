"""Platform keys in the console: owners of the installation create and revoke them."""

import re

import httpx

from muster.access.permissions import ADMIN
from tests.console.browsing import invited
from tests.support.people import name


def listed(server, token):
    headers = {"authorization": f"Bearer {token}"}
    return httpx.get(f"{server.url}/api/v1/platform/workspaces", headers=headers).status_code


def test_an_owner_creates_a_key_and_revokes_it(root, server):
    called = name("signup <b>")
    root.get("/platform-keys")
    page = root.submit("/platform-keys", name=called, expires="30")
    assert page.status_code == 200, page.text
    (token,) = set(re.findall(r"muster_platform_[0-9a-f]{16}_[\w-]{43}", page.text))
    assert listed(server, token) == 200
    assert token not in root.get("/platform-keys").text
    again = root.post("/platform-keys", name=called, expires="")
    assert (again.status_code, "exists already" in again.text) == (409, True)
    key = token.split("_")[2]
    assert root.post(f"/platform-keys/{key}/revoke").status_code == 303
    assert listed(server, token) == 401
    assert root.post(f"/platform-keys/{key}/revoke").status_code == 409
    assert root.post("/platform-keys/x/revoke").status_code == 404


def test_wrong_values_are_refused(root):
    root.get("/platform-keys")
    assert root.post("/platform-keys", name=" ", expires="").status_code == 400
    assert root.post("/platform-keys", name="k", expires="7").status_code == 400


def test_an_administrator_of_one_workspace_has_no_such_page(root, server, fresh):
    admin = invited(server, fresh.name, ADMIN)
    assert admin.get("/platform-keys").status_code == 403
    admin.get(f"/w/{fresh.name}/keys")
    assert admin.post("/platform-keys", name="k", expires="").status_code == 403
    admin.close()
