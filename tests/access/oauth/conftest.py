"""A started storage of each engine, an administrator, and keys to sign with."""

import pytest

from muster.access.audit_notes import Administrator
from muster.access.connections import Connections
from muster.access.permissions import ADMIN
from tests.access.conftest import HERE, administrator, bench

__all__ = ["administrator", "bench"]


@pytest.fixture
def newcomer(bench):
    """Return a function that makes an administrator of a new workspace."""
    return lambda: Administrator(bench.new_workspace(), HERE, (ADMIN,))


@pytest.fixture
def connection(bench, administrator):
    """The id of a connection of the administrator's workspace."""
    made = Connections(bench.storage).create(administrator, {"name": "Okta"})
    return bench.run(made).id
