"""A started storage of each engine, and its administrators."""

import pytest

from muster.access.audit_notes import Administrator
from muster.access.permissions import ADMIN
from muster.storage.port.changes import ChangeOrigin
from tests.storage.conftest import bench

__all__ = ["administrator", "bench"]
HERE = ChangeOrigin("test", "request", "2026-01-01T00:00:00.000Z", "127.0.0.1")


@pytest.fixture
def administrator(bench):
    """An administrator with all permissions, in a new workspace."""
    return Administrator(bench.new_workspace(), HERE, (ADMIN,))
