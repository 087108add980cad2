"""Ids that carry their keys."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from muster.storage.ids import IdSource, id_of, key_of


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**53 - 1))
def test_an_id_is_a_uuid_7_that_carries_its_key(key, tail):
    resource_id = id_of(key, tail)
    assert key_of(resource_id) == key
    assert UUID(resource_id).version == 7
    assert UUID(resource_id).variant == "specified in RFC 4122"


@given(
    st.lists(
        st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**53 - 1)),
        min_size=2,
        max_size=2,
        unique_by=lambda p: p[0],
    )
)
def test_ids_sort_as_their_keys(pairs):
    (one, one_tail), (other, other_tail) = pairs
    assert (id_of(one, one_tail) < id_of(other, other_tail)) == (one < other)


@given(st.text(max_size=40))
def test_any_text_has_a_key_or_none(text):
    key = key_of(text)
    assert key is None or 0 <= key < 2**63


def test_ids_increase_even_if_the_clock_goes_back():
    source = IdSource()
    made = [source(1000 - n // 10) for n in range(1000)]
    assert made == sorted(made)
    assert len(set(made)) == 1000
