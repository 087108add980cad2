"""The frame of the console: the sidebar, the switcher, the theme and the search."""

import re

import pytest

from muster.access.permissions import PERMISSIONS, SCIM, allows
from muster.console import navigation
from tests.console.browsing import invited
from tests.support.tenant import Tenant

PAGES = [page for group in navigation.GROUPS for page in group.pages]


def sidebar(page):
    """The entries of the sidebar: title by link, and the current one."""
    nav = page.text[page.text.index('id="sidebar"') : page.text.index('class="side-foot"')]
    links = dict(re.findall(r'<a href="([^"]+)"[^>]*><svg.*?</svg><span>([^<]+)</span>', nav))
    current = re.search(r'aria-current="page">.*?<span>([^<]+)</span>', nav, re.S)
    return links, current and current[1]


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_the_sidebar_shows_the_pages_that_one_may_open(server, fresh, permission):
    admin = invited(server, fresh.name, permission)
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
        ("", "Overview"), ("/users", "Users"), ("/users/x", "Users"),
        ("/connect/entra", "Connect a provider"),
        ("/requests", "Requests"), ("/wipe", "Settings"), ("/open-id-connector", "Single sign-on"),
    ],
)  # fmt: skip
def test_one_entry_is_current(root, fresh, path, title):
    assert sidebar(root.get(f"/w/{fresh.name}{path}"))[1] == title


_RELATED = ("/connections", "/connect", "/setup-links")


def _linked(page):
    """The pages that the sentences below the title link to."""
    sentences = re.search(r'<h1>[^<]*</h1>\s*<p class="hint">(.*?)</p>', page.text)[1]
    return re.findall(r'href="/w/[^/"]+(/[^"]+)"', sentences)


@pytest.mark.parametrize("path", _RELATED)
def test_pages_about_connections_say_what_they_are_for_and_link_each_other(root, fresh, path):
    page = root.get(f"/w/{fresh.name}{path}")
    assert set(_linked(page)) == {*_RELATED} - {path}


def test_a_sentence_links_no_page_that_its_reader_may_not_open(server, fresh):
    admin = invited(server, fresh.name, SCIM)
    assert _linked(admin.get(f"/w/{fresh.name}/connect")) == []
    admin.close()


def test_pages_outside_workspaces_keep_the_one_last_used(root, fresh):
    with Tenant(fresh.server) as other:
        for tenant in (fresh, other, fresh):
            root.get(f"/w/{tenant.name}/users")
            for path in ("/account", "/administrators", "/workspaces"):
                links, current = sidebar(root.get(path))
                assert f"/w/{tenant.name}/users" in links
                assert current is None
            assert root.get("/").headers["location"] == f"/w/{tenant.name}"
