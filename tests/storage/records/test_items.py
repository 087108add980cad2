"""Items that a process refreshes without the others noticing."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muster.storage.port.engine import Statement
from muster.storage.port.items import Item
from muster.storage.records.items import refresh

EPOCH = Statement("SELECT epoch FROM installation", ())
_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _texts | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=6,
)
bodies = st.dictionaries(_texts, _values, max_size=4)
_fast = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def stored(bench, item):
    return bench.run(bench.storage.item(item.workspace, item.kind, item.id))


@pytest.fixture
def workspace(bench):
    return bench.new_workspace()


@_fast
@given(before=bodies, after=bodies)
def test_a_body_is_replaced_if_it_is_the_one_that_was_read(bench, before, after):
    workspace = bench.new_workspace()
    item = Item(workspace.id, "session", "s", before)
    neighbours = [
        Item(workspace.id, "session", "t", before),
        Item(workspace.id, "role", "s", before),
    ]
    bench.run(bench.storage.administer([item, *neighbours]))
    epoch = bench.run(bench.storage.query(EPOCH))
    bench.run(refresh(bench.storage, stored(bench, item), after))
    assert stored(bench, item).body == after
    assert [stored(bench, neighbour) for neighbour in neighbours] == neighbours
    assert bench.run(bench.storage.query(EPOCH)) == epoch


def test_a_body_that_has_changed_since_is_kept(bench, workspace):
    item = Item(workspace.id, "session", "s", {"seen": 1})
    bench.run(bench.storage.administer([item]))
    read = stored(bench, item)
    bench.run(bench.storage.administer([Item(workspace.id, "session", "s", {"seen": 2})]))
    bench.run(refresh(bench.storage, read, {"seen": 3}))
    assert stored(bench, item).body == {"seen": 2}


def test_a_deleted_item_does_not_come_back(bench, workspace):
    item = Item(workspace.id, "session", "s", {"seen": 1})
    bench.run(bench.storage.administer([item]))
    read = stored(bench, item)
    bench.run(bench.storage.administer([Item(workspace.id, "session", "s", None)]))
    bench.run(refresh(bench.storage, read, {"seen": 3}))
    assert stored(bench, item) is None
