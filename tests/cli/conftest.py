import pytest

from tests.support.server import Server


@pytest.fixture
def muster(tmp_path):
    """Runs the command on a database of its own."""
    return Server(tmp_path).muster
