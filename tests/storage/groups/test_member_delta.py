"""The effect of an edit on a group's members, against sets."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.storage.groups.member_delta import delta_of, delta_to_column, ids_by_key
from muster.storage.ids import id_of, key_of
from muster.storage.port.errors import NoSuchMember
from muster.storage.port.members import MemberDelta, MemberEdit

IDS = [id_of(1_700_000_000_000 << 21 | n, n) for n in range(6)]
FORGED = id_of(1_700_000_000_000 << 21, 7)
"""Has the key of the first id, and other random bits."""
some = st.lists(st.sampled_from([*IDS, FORGED, "not-an-id"]), max_size=5, unique=True)
existing = st.sets(st.sampled_from(IDS))


def by_key(ids):
    return {key_of(one): one for one in ids}


@st.composite
def edits(draw):
    add = draw(some)
    remove = [one for one in draw(some) if one not in add]
    return MemberEdit(tuple(add), tuple(remove), draw(st.booleans()), draw(st.booleans()))


@given(edits(), existing, existing)
def test_a_delta_is_the_difference_between_before_and_after(edit, there, current):
    there = there | current
    missing = set(edit.add) - there
    if missing and not edit.lenient:
        with pytest.raises(NoSuchMember):
            delta_of(edit, by_key(there), by_key(current))
        return
    delta = delta_of(edit, by_key(there), by_key(current))
    after = (set() if edit.clear else current - set(edit.remove)) | (set(edit.add) & there)
    assert set(delta.added) == after - current
    assert set(delta.removed) == current - after
    if not edit.clear:
        assert set(delta.absent) == set(edit.remove) - current


@given(some)
def test_keys_are_of_ids_that_can_have_been_generated(ids):
    assert set(ids_by_key(tuple(ids)).values()) <= set(ids) - {"not-an-id"}


def test_an_empty_delta_has_no_column():
    assert delta_to_column(None) is None
    assert json.loads(delta_to_column(MemberDelta(("a",), ("b",)))) == {
        "added": ["a"],
        "removed": ["b"],
    }
