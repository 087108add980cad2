"""The stored imports of a workspace are limited."""

import pytest

from muster.imports import store
from muster.imports.store import ImportStore
from muster.imports.table import read_table
from muster.scim.errors import ScimError
from tests.storage.conftest import bench

__all__ = ["bench"]


def test_a_workspace_keeps_so_many_imports_and_no_more(bench):
    workspace, imports = bench.new_workspace(), ImportStore(bench.storage)
    file = read_table(b"User name\nada\n")

    def create():
        columns = ["userName"]
        made = imports.create(workspace.id, file, "a.csv", columns, "admin:a", "127.0.0.1")
        return bench.run(made)

    for _ in range(store._MOST):
        create()
    with pytest.raises(ScimError) as refused:
        create()
    assert (refused.value.status, str(store._MOST) in refused.value.detail) == (409, True)
