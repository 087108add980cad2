"""Look-ups of an attribute that became indexed, for resources that exist already."""

import pytest

from muster.scim.indexing import LookupEntry
from muster.storage.repair import backfill, derived
from muster.storage.repair.derived import bound
from tests.storage.test_writes import create, index, made, user, write


def existing(bench, workspace, after=-1, limit=100):
    return bench.run(backfill.there(bench.storage, workspace.id, "User", after, limit))


def fill(bench, workspace, found, entries):
    statements = backfill.fill(workspace.id, "User", found, entries)
    bench.run(bench.storage.transact(workspace.id, statements))


def lookups(bench, workspace, attribute):
    rows = bench.run(
        bench.storage.query(
            bound(
                'SELECT value, "key", "first" FROM lookups'
                " WHERE workspace = $1 AND type = $2 AND attribute = $3",
                workspace.id,
                "User",
                attribute,
            )
        )
    )
    return {(value, key, bool(first)) for value, key, first in rows}


@pytest.fixture
def workspace(bench):
    return bench.new_workspace()


def test_existing_resources_are_read_once_each_in_the_order_of_keys(bench, workspace):
    stored = sorted(create(bench, workspace, user(f"u{n}")).id for n in range(5))
    create(bench, bench.new_workspace(), user("elsewhere"))
    found = existing(bench, workspace)
    assert [one.id for one in found] == stored
    assert [(one.version, stored[0] in found[0].document) for one in found[:1]] == [(1, True)]
    assert [one.id for one in existing(bench, workspace, found[1].key, 2)] == stored[2:4]
    assert existing(bench, workspace, found[-1].key) == []
    assert bench.run(backfill.count(bench.storage, workspace.id, "User")) == 5
    assert bench.run(backfill.count(bench.storage, workspace.id, "Group")) == 0


def test_long_documents_are_read_in_smaller_parts(bench, workspace, monkeypatch):
    stored = sorted(create(bench, workspace, user(f"u{n}")).id for n in range(5))
    monkeypatch.setattr(derived, "MOST_CHARACTERS", 900)
    parts, after = [], -1
    while found := existing(bench, workspace, after):
        parts.append([one.id for one in found])
        after = found[-1].key
    assert [one for part in parts for one in part] == stored
    assert 1 < len(parts) <= 5
    rows, after = [], -1
    while read := bench.run(derived.read(bench.storage, workspace.id, "User", after, 100)):
        rows += [row.id for row in read]
        after = read[-1].key
        assert len(read) < 5
        assert all(row.index.lookups for row in read)
    assert rows == stored


def test_look_ups_are_filled_once_and_cleared_by_attribute(bench, workspace):
    create(bench, workspace, user("a"))
    (found,) = existing(bench, workspace)
    entries = [LookupEntry("badge", "7", True), LookupEntry("badge", "8", False)]
    for _ in range(2):
        fill(bench, workspace, found, [*entries, LookupEntry("other", "x")])
    assert lookups(bench, workspace, "badge") == {("7", found.key, True), ("8", found.key, False)}
    clear = backfill.clear(workspace.id, "User", "badge")
    bench.run(bench.storage.transact(workspace.id, [clear]))
    assert lookups(bench, workspace, "badge") == set()
    assert len(lookups(bench, workspace, "other")) == 1


def test_a_resource_that_was_written_after_it_was_read_is_left_alone(bench, workspace):
    """The write has stored its own look-ups, and those that were computed before are stale."""
    stored = create(bench, workspace, user("a"))
    (found,) = existing(bench, workspace)
    write(
        bench,
        workspace,
        stored.id,
        lambda now: made(user("b"), now.version + 1, stored.id, index(now)),
    )
    fill(bench, workspace, found, [LookupEntry("badge", "7")])
    assert lookups(bench, workspace, "badge") == set()


def test_a_resource_that_was_deleted_gets_no_look_ups(bench, workspace):
    create(bench, workspace, user("a"))
    (found,) = existing(bench, workspace)
    remove = bound("DELETE FROM resources WHERE workspace = $1", workspace.id)
    bench.run(bench.storage.transact(workspace.id, [remove]))
    fill(bench, workspace, found, [LookupEntry("badge", "7")])
    assert lookups(bench, workspace, "badge") == set()
