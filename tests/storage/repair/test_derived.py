"""Derived data: read beside the documents, and rebuilt to the same rows."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muster.directory.documents import parse
from muster.directory.versions import make_put
from muster.storage.ids import key_of
from muster.storage.repair import derived
from tests.storage.test_writes import NOW, USER_TYPE, create, index, user
from tests.support.strategies import plain_users

_TABLES = ("searchable", "lookups", "unique_values", "counts")


def rows(bench, workspace):
    """The derived rows of a workspace."""
    return {
        table: sorted(
            map(
                str,
                bench.run(
                    bench.storage.query(
                        derived.bound(f"SELECT * FROM {table} WHERE workspace = $1", workspace.id)
                    )
                ),
            )
        )
        for table in _TABLES
    }


def read(bench, workspace, after=-1, limit=100, kind="User"):
    return bench.run(derived.read(bench.storage, workspace.id, kind, after, limit))


def transact(bench, workspace, statements):
    bench.run(bench.storage.transact(workspace.id, statements))


@pytest.fixture
def workspace(bench):
    return bench.new_workspace()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents=st.lists(plain_users(), min_size=1, max_size=3, unique_by=lambda d: d["userName"]))
def test_a_rebuilt_resource_has_the_rows_that_its_write_stored(bench, documents):
    workspace = bench.new_workspace()
    for number, document in enumerate(documents):
        create(bench, workspace, {**document, "userName": f"{number}-{document['userName']}"})
    before, stored = rows(bench, workspace), read(bench, workspace)
    for row in stored:
        document = parse(row.document.encode())
        put = make_put(document, USER_TYPE, row.id, row.version, NOW, NOW, None, {})
        assert put.index == row.index
        harm = 'DELETE FROM lookups WHERE workspace = $1 AND "key" = $2'
        transact(bench, workspace, [derived.bound(harm, workspace.id, row.key)])
        transact(bench, workspace, derived.rebuild(workspace.id, "User", row.key, put))
    assert rows(bench, workspace) == before
    assert read(bench, workspace) == stored


def test_resources_are_read_in_the_order_of_keys_page_by_page(bench, workspace):
    made = [create(bench, workspace, user(f"u{number}")) for number in range(5)]
    create(bench, bench.new_workspace(), user("elsewhere"))
    whole = read(bench, workspace)
    assert [row.id for row in whole] == sorted(stored.id for stored in made)
    assert [row.key for row in whole] == [key_of(row.id) for row in whole]
    assert {row.id: row.index for row in whole} == {stored.id: index(stored) for stored in made}
    pages, after = [], -1
    while page := read(bench, workspace, after, 2):
        pages.append(page)
        after = page[-1].key
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [row for page in pages for row in page] == whole
    assert read(bench, workspace, kind="Group") == []


def test_a_missing_search_form_is_none(bench, workspace):
    create(bench, workspace, user("a"))
    transact(
        bench,
        workspace,
        [derived.bound("DELETE FROM searchable WHERE workspace = $1", workspace.id)],
    )
    assert [row.body for row in read(bench, workspace)] == [None]


def test_kinds_are_those_of_resources_and_of_counts(bench, workspace):
    def kinds():
        return bench.run(derived.kinds(bench.storage, workspace.id))

    assert kinds() == []
    create(bench, workspace, user("a"))
    assert kinds() == ["User"]
    lost = "INSERT INTO counts (workspace, type, total) VALUES ($1, $2, $3)"
    transact(
        bench,
        workspace,
        [derived.bound(lost, workspace.id, kind, total) for kind, total in (("Dev", 2), ("No", 0))],
    )
    assert kinds() == ["Dev", "User"]


def test_orphans_are_counted_by_table_and_removed_in_their_workspace_alone(bench, workspace):
    other = bench.new_workspace()
    kept, lost = create(bench, workspace, user("a")), create(bench, workspace, user("b", title="t"))
    create(bench, other, user("a"), password="hash")
    untouched = rows(bench, other)
    remove = "DELETE FROM resources WHERE workspace = $1 AND id = $2"
    transact(bench, workspace, [derived.bound(remove, workspace.id, lost.id)])
    found = bench.run(derived.orphans(bench.storage, workspace.id))
    assert found["searchable"] == found["unique_values"] == 1
    assert bench.run(derived.orphans(bench.storage, other.id)) == {}
    transact(bench, workspace, derived.remove_orphans(workspace.id))
    assert bench.run(derived.orphans(bench.storage, workspace.id)) == {}
    assert [row.id for row in read(bench, workspace)] == [kept.id]
    assert rows(bench, other) == untouched


@pytest.mark.parametrize("wrong", ["total = 7", "total = -1", None])
def test_a_recount_sets_the_count_to_the_number_of_resources(bench, workspace, wrong):
    for number in range(3):
        create(bench, workspace, user(f"u{number}"))
    change = f"UPDATE counts SET {wrong}" if wrong else "DELETE FROM counts"
    transact(bench, workspace, [derived.bound(f"{change} WHERE workspace = $1", workspace.id)])
    counted = bench.run(derived.counts(bench.storage, workspace.id, "User"))
    assert counted == ({"total = 7": 7, "total = -1": -1, None: 0}[wrong], 3)
    transact(bench, workspace, derived.recount(workspace.id, "User"))
    assert bench.run(derived.counts(bench.storage, workspace.id, "User")) == (3, 3)
    assert bench.run(derived.counts(bench.storage, workspace.id, "Group")) == (0, 0)
