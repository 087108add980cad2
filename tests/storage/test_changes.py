"""Searches of `changes`: complete, and bounded in the rows that each examines."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muster.storage.audit import search
from muster.storage.port.changes import ChangeFilter, ChangeOrigin, Note
from tests.storage.test_writes import NOW

ACTORS, TYPES, ACTIONS = (
    ("key:a", "key:ab", "admin:a", "cli"),
    ("User", "Group"),
    ("create", "delete"),
)
NOTES = st.lists(st.tuples(*map(st.sampled_from, (ACTORS, TYPES, ACTIONS))), max_size=12)
NAMED = (st.sampled_from(("", *TYPES)), st.sampled_from(("", *ACTIONS)))
AMONG = st.none() | st.frozensets(st.sampled_from((*ACTORS, "x")))
WANTED = st.tuples(st.sampled_from(("", "key:", "key:a", "admin:", "%", "x")), *NAMED, AMONG)


def whole(bench, workspace, sought, limit):
    """Return all matches, search by search, and the number of searches."""
    found, before, searches = [], None, 0
    while True:
        rows, before = bench.run(bench.storage.search_changes(workspace, before, limit, sought))
        assert len(rows) <= limit
        found, searches = found + list(rows), searches + 1
        if before is None:
            return found, searches


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(notes=NOTES, wanted=WANTED, limit=st.integers(1, 5))
def test_search_of_changes_finds_exactly_the_matching_rows(bench, notes, wanted, limit):
    workspace, other = bench.new_workspace(), bench.new_workspace()
    for actor, type_name, action in notes:
        for place in (workspace, other):
            bench.run(
                bench.storage.record(
                    [Note(place.id, ChangeOrigin(actor, "r", NOW), type_name, "x", action, b"{}")]
                )
            )
    all_of_them = list(reversed(bench.run(bench.storage.changes(workspace.id, 0, 100))))
    sought = ChangeFilter(*wanted)
    found, _ = whole(bench, workspace.id, sought, limit)
    assert found == [change for change in all_of_them if sought.matches(change)]


@pytest.fixture
def few(monkeypatch, bench):
    """Let a search examine three rows only."""
    module = __import__(type(bench.storage).__module__, fromlist=["_EXAMINED_RANGE"])
    limited = {
        indexed: search.examined_range(indexed).replace(f"LIMIT {search.MAX_EXAMINED}", "LIMIT 3")
        for indexed in (False, True)
    }
    monkeypatch.setattr(module, "_EXAMINED_RANGE", limited)
    monkeypatch.setattr(search, "MAX_EXAMINED", 3)


def test_search_of_changes_returns_the_position_to_continue_from(bench, few):
    workspace = bench.new_workspace()
    for number in range(10):
        actor = "admin:a" if number == 1 else "key:a"
        bench.run(
            bench.storage.record(
                [Note(workspace.id, ChangeOrigin(actor, "r", NOW), "User", "x", "create", b"{}")]
            )
        )
    rows, before = bench.run(
        bench.storage.search_changes(workspace.id, None, 5, ChangeFilter("admin:"))
    )
    assert not rows
    assert before is not None
    found, searches = whole(bench, workspace.id, ChangeFilter("admin:"), 5)
    assert ([change.origin.actor for change in found], searches) == (["admin:a"], 4)
    assert [change.sequence for change in whole(bench, workspace.id, ChangeFilter(), 2)[0]] == [
        change.sequence
        for change in reversed(bench.run(bench.storage.changes(workspace.id, 0, 100)))
    ]


def test_search_for_an_unusual_action_examines_only_its_rows(bench, few):
    workspace = bench.new_workspace()
    actions = ["delete", "protect", *["create", "update"] * 5, "delete", "delete", "delete"]
    notes = [
        Note(workspace.id, ChangeOrigin("key:a", "r", NOW), "User", str(place), action, b"{}")
        for place, action in enumerate(actions)
    ]
    bench.run(bench.storage.record(notes))
    found, searches = whole(bench, workspace.id, ChangeFilter(type="User", action="delete"), 5)
    assert ([change.id for change in found], searches) == (["14", "13", "12", "0"], 2)
    protected, searches = whole(bench, workspace.id, ChangeFilter(action="protect"), 5)
    assert ([change.id for change in protected], searches) == (["1"], 1)
