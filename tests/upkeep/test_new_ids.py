"""New ids for a copy of a workspace."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from muster.storage.ids import id_of, key_of
from muster.upkeep.new_ids import NewIds


@given(st.sets(st.integers(0, 2**60), min_size=2, max_size=50))
def test_new_ids_are_ids_of_their_own(keys):
    """They depend on the id and the workspace alone, and are never in the future."""
    ids = [id_of(key, key % 2**53) for key in keys]
    one, other = NewIds("a"), NewIds("b")
    renewed = [one.of(resource_id) for resource_id in ids]
    assert renewed == [NewIds("a").of(resource_id) for resource_id in ids]
    assert len({*ids, *renewed, *map(other.of, ids)}) == 3 * len(ids)
    for before, after in zip(ids, renewed, strict=True):
        assert uuid.UUID(after).version == 7
        assert key_of(after) >> 21 <= key_of(before) >> 21
    assert one.of("u-1") == "u-1"
