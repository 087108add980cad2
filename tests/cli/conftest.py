import pytest

from tests.support.server import Server


@pytest.fixture
def muster(tmp_path):
    """Runs a command on a database of its own, in the process of the tests."""
    return Server(tmp_path).muster


@pytest.fixture
def process(tmp_path):
    """Runs a command on a database of its own, in a process of its own."""
    return Server(tmp_path).command
