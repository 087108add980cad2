"""New ids for a copy of a workspace."""

import copy
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.scim.schema.model import ENTERPRISE_USER, registry
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


def test_references_lead_to_the_copies_and_other_values_stay():
    """They are `value` and `$ref` of attributes that have both."""
    kind = registry().types["/Users"]
    boss, new_ids = id_of(7 << 40, 5), NewIds("copy")
    manager = {"value": boss, "$ref": f"https://x.example/scim/v2/Users/{boss}", "displayName": "B"}
    document = {
        "userName": boss,
        "emails": [{"value": boss}],
        ENTERPRISE_USER: {"department": boss, "manager": manager},
    }
    new_ids.relink(document, kind)
    copied = new_ids.of(boss)
    assert document["userName"] == document["emails"][0]["value"] == boss
    assert document[ENTERPRISE_USER] == {
        "department": boss,
        "manager": {
            "value": copied,
            "$ref": f"https://x.example/scim/v2/Users/{copied}",
            "displayName": "B",
        },
    }


@pytest.mark.parametrize(
    "document",
    [
        {"userName": "ann"},
        {"userName": "ann", ENTERPRISE_USER: {"department": "Tours"}},
        {"userName": "ann", ENTERPRISE_USER: {"manager": {"value": "okta-1"}}},
        {"userName": "ann", ENTERPRISE_USER: {"manager": {"$ref": "/Users/okta-1"}}},
    ],
)
def test_documents_without_references_and_foreign_ids_stay(document):
    before = copy.deepcopy(document)
    NewIds("copy").relink(document, registry().types["/Users"])
    assert document == before
