"""Outlines are stored with their position, and only if it has not moved meanwhile."""

from muster.storage.query.outlines import Outline
from muster.storage.records.outlines import OutlinePosition, OutlineStore, forget
from tests.storage.test_writes import create, user


def outline(first, key):
    return Outline(first, [key], [f"line of {key}"], "2020", {"displayName": [key]})


def test_outlines_are_replaced_while_the_position_has_not_moved(bench):
    workspace = bench.new_workspace()
    store = OutlineStore(bench.storage, workspace.id, "User")
    start, later = OutlinePosition(5, -1, "x"), OutlinePosition(5, 9, "x")
    bench.run(store.begin(start))
    bench.run(store.store(start, later, [outline(0, 3), outline(8, 9)]))
    assert bench.run(store.position()) == later
    assert bench.run(store.first_keys()) == [0, 8]
    assert bench.run(store.outline(8)) == outline(8, 9)
    assert bench.run(store.outline(9)) is None
    # A process that lost its lease still believes in the first position.
    bench.run(store.store(start, OutlinePosition(6, None, "x"), [outline(0, 4), outline(4, 4)]))
    assert bench.run(store.position()) == later
    assert bench.run(store.first_keys()) == [0, 8]
    assert bench.run(store.outline(0)) == outline(0, 3)
    whole = OutlinePosition(7, None, "x")
    bench.run(store.store(later, whole, [outline(8, 10)]))
    assert bench.run(store.outline(8)) == outline(8, 10)
    assert bench.run(store.position()) == whole
    bench.run(store.begin(start))
    assert bench.run(store.first_keys()) == []
    other = OutlineStore(bench.storage, bench.new_workspace().id, "User")
    bench.run(other.begin(start))
    bench.run(bench.storage.transact(workspace.id, [forget(workspace.id)]))
    assert bench.run(store.position()) is None
    assert bench.run(other.position()) == start


def test_changed_resources_and_their_search_forms_are_read_in_parts(bench):
    workspace = bench.new_workspace()
    store = OutlineStore(bench.storage, workspace.id, "User")
    for number in range(5):
        create(bench, workspace, user(f"u{number}"))
    create(bench, bench.new_workspace(), user("elsewhere"))
    first = bench.run(bench.storage.changes(workspace.id, 0, 1))[0].sequence
    keys, last = bench.run(store.changed(first, 2))
    assert len(keys) == 2
    more, end = bench.run(store.changed(last, 3))
    assert (len(more), end) == (2, None)
    found = bench.run(store.bodies_of([*keys, 1]))
    assert sorted(body["userName"] for _, body in found) == ["u1", "u2"]
    every = bench.run(store.bodies_after(-1, 100))
    assert [body["userName"] for _, body in every] == [f"u{number}" for number in range(5)]
    assert bench.run(store.bodies_after(every[2][0], 1)) == every[3:4]
    assert bench.run(store.bodies_after(every[-1][0], 1)) == []
    assert bench.run(store.size()) == (0, 5)
