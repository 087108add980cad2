"""The groups of a resource, computed from a cache that loads groups as needed."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.storage.groups import hierarchy
from muster.storage.groups.hierarchy import Hierarchy, HierarchyCache, parse_keys
from muster.storage.port.members import Groups

SIZE = 6
KEYS = st.integers(1, SIZE)
GRAPHS = st.dictionaries(KEYS, st.lists(KEYS, unique=True, max_size=3))
"""The keys of the groups that contain each group that exists; circles included."""


def load(groups, parents, direct):
    """Load what is needed, as the engines do. Returns the number of rounds."""
    rounds = 0
    while asked := groups.unloaded_ancestors(direct):
        assert len(asked) == len(set(asked))
        rows = [(key, f"g{key}", f"Group {key}", parents[key]) for key in asked if key in parents]
        groups.add(asked, rows)
        rounds += 1
        assert rounds <= SIZE + 1
    return rounds


def closure(parents, direct):
    found, pending = set(), list(direct)
    while pending:
        key = pending.pop()
        if key in parents and key not in found:
            found.add(key)
            pending += parents[key]
    return found


@given(GRAPHS, st.lists(st.lists(KEYS, unique=True, max_size=3), min_size=1, max_size=3))
def test_the_groups_are_the_direct_ones_and_all_above_them(parents, several):
    groups = Hierarchy(1)
    for direct in several:
        load(groups, parents, direct)
        found = groups.groups_of(direct)
        expected = closure(parents, direct)
        shown = (
            [] if found is None else orjson.loads(b"[%b]" % found.elements.replace(b"\x01", b""))
        )
        assert [(each["value"], each["display"], each["type"]) for each in shown] == [
            (f"g{key}", f"Group {key}", "direct" if key in direct else "indirect")
            for key in sorted(expected)
        ]
        assert (found is None) == (not expected)
        assert groups.ids_of(direct) == [f"g{key}" for key in direct if key in parents]
        assert load(groups, parents, direct) == 0


def test_the_digest_changes_with_the_groups_their_names_and_their_kind():
    def digest(direct, parents, display="x"):
        groups = Hierarchy(1)
        groups.add(parents, [(key, f"g{key}", display, up) for key, up in parents.items()])
        return groups.groups_of(direct).digest

    digests = [
        digest([1], {1: []}),
        digest([1], {1: []}, "y"),
        digest([1], {1: []}, None),
        digest([1], {1: [2], 2: []}),
        digest([1, 2], {1: [2], 2: []}),
    ]
    assert len(set(digests)) == len(digests)
    assert digest([2, 1], {1: [2], 2: []}) == digests[-1]


@pytest.mark.parametrize(
    ("text", "keys"), [("", []), (b"", []), ("7", [7]), ("1,22,3", [1, 22, 3]), (b"1,2", [1, 2])]
)
def test_keys_are_read_as_sql_joins_them(text, keys):
    assert parse_keys(text) == keys


def test_a_hierarchy_lasts_for_one_version_of_one_workspace():
    cache = HierarchyCache()
    first = cache.at(1, 5)
    first.add([1], [(1, "g1", "x", [])])
    assert cache.at(1, 5) is first
    assert len(cache.at(2, 5)) == 0
    assert len(cache.at(1, 6)) == 0
    assert cache.at(1, 6).version == 6


def test_cached_groups_are_those_of_the_same_workspace_version_and_keys():
    cache, groups = HierarchyCache(), Groups(b"{}", "d")
    assert cache.cache_groups(1, 5, "1,2", groups) is groups
    assert cache.cached_groups(1, 5, "1,2") is groups
    for other in ((2, 5, "1,2"), (1, 6, "1,2"), (1, 5, "1")):
        assert cache.cached_groups(*other) is None


def test_the_caches_are_bounded(monkeypatch):
    monkeypatch.setattr(hierarchy, "_MAX_GROUPS", 10)
    monkeypatch.setattr(hierarchy, "_MAX_SETS", 10)
    cache = HierarchyCache()
    for workspace in range(40):
        cache.at(workspace, 1).add([1], [(1, "g1", "x", [])])
        cache.cache_groups(workspace, 1, "1", None)
    assert sum(len(cache.at(workspace, 1)) for workspace in range(40)) <= 11
    assert len(cache._groups) <= 10
