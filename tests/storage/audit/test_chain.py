"""The hash of a row depends on everything in it and before it."""

import hashlib

from hypothesis import assume, given
from hypothesis import strategies as st

from muster.storage.audit.chain import chain_hash

COLUMNS = st.one_of(st.none(), st.text(max_size=3), st.integers(0, 9))
ROWS = st.lists(st.lists(COLUMNS, min_size=3, max_size=3), min_size=1, max_size=5)


def last_hash(rows):
    found = None
    for row in rows:
        found = chain_hash(found, row)
    return found


@given(ROWS, ROWS)
def test_two_histories_share_a_hash_only_if_they_are_equal(one, other):
    assert (last_hash(one) == last_hash(other)) == (one == other)


@given(ROWS, st.data())
def test_a_changed_removed_or_moved_row_changes_the_last_hash(rows, data):
    at = data.draw(st.integers(0, len(rows) - 1))
    kind = data.draw(st.sampled_from(("change", "remove", "move", "repeat")))
    altered = list(rows)
    if kind == "change":
        altered[at] = data.draw(st.lists(COLUMNS, min_size=3, max_size=3))
    elif kind == "remove":
        del altered[at]
    elif kind == "move":
        altered.append(altered.pop(at))
    else:
        altered.insert(at, altered[at])
    assume(altered != rows)
    assert last_hash(altered) != last_hash(rows)


def test_text_cannot_move_from_one_column_to_the_next():
    assert chain_hash(None, ["ab", "c"]) != chain_hash(None, ["a", "bc"])
    assert chain_hash(None, ['a","b', "c"]) != chain_hash(None, ["a", "b", "c"])
    assert chain_hash(None, ["1"]) != chain_hash(None, [1])
    assert chain_hash(None, [None]) != chain_hash(None, [""])


def test_the_hash_is_the_one_of_existing_databases():
    row = ["2026-01-01T00:00:00.000Z", "key:1", 1, None]
    first = hashlib.sha256(b'["2026-01-01T00:00:00.000Z","key:1",1,null]').digest()
    assert chain_hash(None, row) == first
    assert chain_hash(first, ["x"]) == hashlib.sha256(first + b'["x"]').digest()
