"""The site as a whole: unknown pages, methods, form tokens."""

import asyncio

import httpx
import pytest

from muster.access.lifecycle import suspend_workspace
from muster.access.permissions import SETTINGS
from muster.console.site import Site
from muster.console.web import ANYONE, PageRoute
from muster.http.wire.base_url import BaseUrl
from muster.http.wire.message import Request
from muster.storage.port.changes import ChangeOrigin
from tests.console.browsing import invited


def test_a_form_requires_its_token_and_origin(root, server, fresh):
    admin = invited(server, fresh.name, SETTINGS)
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


def test_unknown_pages_and_wrong_methods_are_errors(root, server):
    assert root.get("/nothing").status_code == 404
    assert root.get("/w/nothing").status_code == 404
    answer = root.http.delete("/sign-in")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert root.get("/static/console.css").headers["content-type"].startswith("text/css")
    assert root.get("/static/..%2f..%2fweb.py").status_code == 404
    assert httpx.post(f"{server.url}/healthz").status_code == 405


async def _broken(visit):
    raise RuntimeError("a secret of the server")


async def _unread(limit):
    return b""


def test_an_internal_error_is_a_page_that_names_the_request(caplog):
    routes = [PageRoute("GET", "/broken", ANYONE, _broken)]
    site = Site(None, None, None, BaseUrl("https://x.example", []), routes)

    def ask(accept):
        made = Request("GET", "/broken", "", {"accept": accept}.get, _unread, "", "https", "x")
        made.id = "request-1"
        return asyncio.run(site(made))

    page = ask("text/html,*/*")
    assert page.status == 500
    assert b"request-1" in page.body
    assert b"a secret" not in page.body
    assert "a secret" in caplog.text
    with pytest.raises(RuntimeError):
        ask("*/*")


def test_the_console_says_why_a_workspace_is_suspended_and_changes_nothing(root, server, fresh):
    admin = invited(server, fresh.name, SETTINGS)
    path = f"/w/{fresh.name}/keys"
    origin = ChangeOrigin("test", "", "2026-01-01T00:00:00.000Z")

    async def suspend(storage):
        workspace = await storage.find_workspace(fresh.name)
        return await suspend_workspace(storage, workspace, "Unpaid since <May>", origin)

    server.administer(suspend)
    for visitor in (admin, root):
        assert "Unpaid since &lt;May&gt;" in visitor.get(path).text
    form = {"name": "k", "permission": SETTINGS}
    refused = admin.post(path, headers={"accept": "text/html"}, **form)
    assert (refused.status_code, "Nothing was changed" in refused.text) == (409, True)
    assert root.post(path, **form).status_code == 303
    admin.close()
