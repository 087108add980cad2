"""Stored documents: the placeholder of the base URL, and the location."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from muster.directory import documents
from muster.scim.schema.model import registry
from muster.storage.port.resources import BASE

_texts = st.text(max_size=8)  # with control characters, which JSON escapes
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=6,
)
_plain = st.dictionaries(_texts.filter(lambda name: name != "meta"), _values, max_size=4)
BASES = ("", "https://x.example/scim/v2", "http://[::1]:8080/a/scim/v2")


def stored(document, location):
    """A document as the storage keeps it, with a location in its meta."""
    whole = orjson.dumps({**document, "meta": {"version": 'W/"1"'}})
    return documents.with_location(whole, location)


@given(_plain, st.sampled_from(BASES))
def test_a_stored_document_is_read_back_with_any_base_url(document, base):
    expected = {
        **document,
        "meta": {"version": 'W/"1"', "location": f"{base}/Users/7"},
    }
    raw = stored(document, f"{BASE}/Users/7")
    assert documents.parse(raw, base) == expected
    assert orjson.loads(documents.with_base_url(raw, base)) == expected


@given(st.lists(_plain, max_size=4))
def test_the_documents_of_a_page_are_read_one_by_one(several):
    raw = [stored(document, f"{BASE}/Users/{n}") for n, document in enumerate(several)]
    assert documents.parse_all(b",".join(raw)) == [documents.parse(one) for one in raw]


def test_a_location_is_the_prefix_of_its_type_and_the_id():
    kind = registry().types["/Groups"]
    assert documents.location_prefix(kind, "https://x.example/scim/v2") == (
        "https://x.example/scim/v2/Groups/"
    )
    assert documents.location_prefix(kind, BASE) == f"{BASE}/Groups/"
