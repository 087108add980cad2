"""Administrators who are signed in, and browsers."""

import pytest

from tests.console.browsing import Visitor, Watched, invitation, launch
from tests.support.people import name


@pytest.fixture(scope="module")
def root(server):
    """An administrator of the installation."""
    made = Visitor(server).accept(invitation(server), name("root"))
    yield made
    made.close()


@pytest.fixture
def chromium(server):
    """A browser, started after the server, because its driver has an event loop."""
    from playwright.sync_api import sync_playwright  # takes 0.2 s

    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def watched(chromium):
    context = chromium.new_context()
    yield Watched(context.new_page())
    context.close()
