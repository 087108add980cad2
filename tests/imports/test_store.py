"""The stored imports of a workspace are limited."""

import asyncio

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


def test_simultaneous_uploads_are_limited_too(bench):
    workspace, imports = bench.new_workspace(), ImportStore(bench.storage)
    file = read_table(b"User name\nada\n")

    async def upload():
        made = [
            imports.create(workspace.id, file, "a.csv", ["userName"], "admin:a", "127.0.0.1")
            for _ in range(store._MOST + 5)
        ]
        return await asyncio.gather(*made, return_exceptions=True)

    answers = bench.run(upload())
    assert [error.status for error in answers if isinstance(error, ScimError)] == [409] * 5
    assert len(bench.run(imports.all(workspace.id))) == store._MOST


def test_so_many_columns_are_remembered_and_no_more(bench):
    workspace, imports = bench.new_workspace().id, ImportStore(bench.storage)
    for file in range(7):
        paths = {f"heading{file}-{number}": "title" for number in range(100)}
        bench.run(imports.remember(workspace, paths | {"x" * 101: "title"}))
    kept = bench.run(imports.remembered(workspace))
    assert len(kept) == store._MOST_WORDS
    assert paths.items() <= kept.items()
    assert "x" * 101 not in kept
