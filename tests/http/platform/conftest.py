"""A platform key that the tests of one module share."""

import pytest

from tests.support.platform import Platform


@pytest.fixture(scope="module")
def platform(server):
    made = Platform(server)
    yield made
    made.close()
