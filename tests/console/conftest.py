"""Who signs in."""

import pytest

from tests.console.browsing import Visitor, invitation
from tests.support.people import name


@pytest.fixture(scope="module")
def root(server):
    """An administrator of the installation."""
    made = Visitor(server).accept(invitation(server), name("root"))
    yield made
    made.close()
