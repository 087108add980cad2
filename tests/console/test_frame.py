"""The frame of the console: the sidebar, the switcher, the theme and the search."""

import re

import pytest

from muster.access.permissions import ADMIN, AUDIT, PERMISSIONS, SCIM, allows
from muster.console import navigation
from tests.console.test_pages import invited
from tests.support.people import group, name
from tests.support.tenant import Tenant

PAGES = [page for group in navigation.GROUPS for page in group.pages]


def sidebar(page):
    """The entries of the sidebar: title by link, and the current one."""
    nav = page.text[page.text.index('id="sidebar"') : page.text.index('class="side-foot"')]
    links = dict(re.findall(r'<a href="([^"]+)"[^>]*><svg.*?</svg><span>([^<]+)</span>', nav))
    current = re.search(r'aria-current="page">.*?<span>([^<]+)</span>', nav, re.S)
    return links, current and current[1]


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_the_sidebar_shows_the_pages_that_one_may_open(root, server, fresh, permission):
    admin = invited(root, server, fresh.name, permission)
    links, _ = sidebar(admin.get("/account"))
    assert set(links.values()) == {
        page.title for page in PAGES if allows((permission,), page.permission)
    }
    for link in links:
        assert admin.get(link).status_code == 200, link
    admin.close()


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("", "Overview"), ("/users", "Users"), ("/users/x", "Users"), ("/connect/entra", "Connect"),
        ("/requests", "Requests"), ("/wipe", "Settings"), ("/open-id-connector", "Single sign-on"),
    ],
)  # fmt: skip
def test_one_entry_is_current(root, fresh, path, title):
    assert sidebar(root.get(f"/w/{fresh.name}{path}"))[1] == title


def test_pages_outside_workspaces_keep_the_one_last_used(root, fresh):
    with Tenant(fresh.server) as other:
        for tenant in (fresh, other, fresh):
            root.get(f"/w/{tenant.name}/users")
            for path in ("/account", "/administrators", "/workspaces"):
                links, current = sidebar(root.get(path))
                assert f"/w/{tenant.name}/users" in links
                assert current is None
            assert root.get("/").headers["location"] == f"/w/{tenant.name}"


def test_workspaces_are_searched_by_a_part_of_their_name(root, fresh):
    with Tenant(fresh.server) as other:
        page = root.get("/workspaces", q=fresh.name.upper()).text
        main = page[page.index('<section class="card">') :]
        assert f'href="/w/{fresh.name}"' in main
        assert f'href="/w/{other.name}"' not in main
        assert "No workspace has this in its name" in root.get("/workspaces", q="nothing so").text


def test_an_administrator_of_one_workspace_sees_no_other(root, server, fresh):
    with Tenant(server) as other:
        admin = invited(root, server, fresh.name, SCIM)
        for path in ("/account", "/workspaces", f"/w/{fresh.name}"):
            assert f"/w/{other.name}" not in admin.get(path).text
        admin.http.cookies.set("muster_workspace", "1", domain="127.0.0.1")
        links, _ = sidebar(admin.get("/account"))
        assert all(link.startswith(f"/w/{fresh.name}") for link in links)
        admin.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_is_kept(root, theme):
    root.get("/account")
    answer = root.post("/theme", theme=theme, to="/account")
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert f'<html lang="en" data-bs-theme="{theme}">' in root.get("/account").text
    root.post("/theme", theme="", to="/account")
    assert '<html lang="en">' in root.get("/account").text


@pytest.mark.parametrize("to", ["//example.com", "https://example.com", "/\\example.com", ""])
def test_the_theme_leads_nowhere_else(root, to):
    root.get("/account")
    assert root.post("/theme", theme="", to=to).headers["location"] == "/"


def test_an_unknown_theme_is_that_of_the_device(root):
    root.get("/account")
    root.post("/theme", theme='"><script>', to="/account")
    assert '<html lang="en">' in root.get("/account").text


def test_the_palette_finds_users_groups_and_requests(root, fresh):
    user = fresh.user(displayName=name("Zora"))
    made = fresh.scim.post("/Groups", json=group(name("Zone"))).json()
    request = fresh.recorded(2)[0]

    def found(text):
        return re.findall(r'href="([^"]+)"', root.get(f"/w/{fresh.name}/palette", q=text).text)

    assert found(user["displayName"]) == [f"/w/{fresh.name}/users/{user['id']}"]
    assert found(user["userName"].upper()) == [f"/w/{fresh.name}/users/{user['id']}"]
    assert found(made["displayName"]) == [f"/w/{fresh.name}/groups/{made['id']}"]
    assert found(request["request_id"]) == [f"/w/{fresh.name}/requests/{request['number']}"]
    for text in ("", '"', "\\", "x" * 10_000, "nobody of this name"):
        assert found(text) == []


def test_the_palette_escapes_what_it_shows(root, fresh):
    shown = name("<b>Zed")
    fresh.user(displayName=shown)
    text = root.get(f"/w/{fresh.name}/palette", q=shown).text
    assert "<b>" not in text
    assert "&lt;b&gt;Zed" in text


def test_the_palette_needs_the_permission_to_see_users(root, server, fresh):
    admin = invited(root, server, fresh.name, AUDIT)
    assert admin.get(f"/w/{fresh.name}/palette", q="a").status_code == 403
    assert "data-url" not in admin.get("/account").text
    admin.close()
    owner = invited(root, server, fresh.name, ADMIN)
    assert f'data-url="/w/{fresh.name}/palette"' in owner.get("/account").text
    owner.close()
