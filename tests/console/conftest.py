"""Administrators who are signed in, and browsers."""

import pytest

from tests.console.browsing import Visitor, Watched, invitation
from tests.support.people import name


@pytest.fixture(scope="module")
def root(server):
    """An administrator of the installation."""
    made = Visitor(server).accept(invitation(server), name("root"))
    yield made
    made.close()


@pytest.fixture
def chromium(server, chromium):
    """A browser, started after the server, because its driver has an event loop."""
    return chromium


@pytest.fixture
def watched(chromium):
    context = chromium.new_context()
    yield Watched(context.new_page())
    context.close()
