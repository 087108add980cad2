"""The uniqueness of an indexed attribute begins and ends."""

import pytest

from muster.storage.port.errors import StorageError
from muster.storage.repair import constraints
from muster.storage.repair.derived import bound
from tests.storage.test_writes import create, user


@pytest.fixture
def workspace(bench):
    return bench.new_workspace()


def unique(bench, workspace, attribute="displayName"):
    sql = "SELECT value FROM unique_values WHERE workspace = $1 AND attribute = $2"
    found = bench.run(bench.storage.query(bound(sql, workspace.id, attribute)))
    return sorted(row[0] for row in found)


def transact(bench, workspace, statements):
    bench.run(bench.storage.transact(workspace.id, statements))


def test_uniqueness_begins_with_the_values_that_exist_and_ends_without_them(bench, workspace):
    other = bench.new_workspace()
    for where in (workspace, other):
        create(bench, where, user("a", displayName="Ann"))
        create(bench, where, user("b", displayName="Bob"))
    for _ in range(2):  # it may be begun again
        transact(bench, workspace, constraints.begin(workspace.id, "User", "displayName"))
        assert unique(bench, workspace) == ["ann", "bob"]
    assert unique(bench, other) == []
    names = unique(bench, workspace, "userName")
    transact(bench, workspace, constraints.end(workspace.id, "User", "displayName"))
    assert unique(bench, workspace) == []
    assert unique(bench, workspace, "userName") == names == ["a", "b"]


def test_uniqueness_of_values_that_repeat_fails_and_changes_nothing(bench, workspace):
    for name in ("a", "b"):
        create(bench, workspace, user(name, displayName="Same"))
    with pytest.raises(StorageError):
        transact(bench, workspace, constraints.begin(workspace.id, "User", "displayName"))
    assert unique(bench, workspace) == []
