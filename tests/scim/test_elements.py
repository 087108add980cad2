"""The identity of elements: look-up, merging and removal of duplicates."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from muster.scim.elements import Elements, distinct, drop_stale_reference, key_of, merged
from muster.scim.schema.model import ENTERPRISE_USER, registry
from muster.scim.values import fold

USERS = registry().types["/Users"]
EMAILS = USERS.place("emails").attribute
ADDRESSES = USERS.place("addresses").attribute
SCHEMAS = USERS.place("schemas").attribute
MANAGER = USERS.place(f"{ENTERPRISE_USER}:manager").attribute

ELEMENTS = st.fixed_dictionaries(
    {"value": st.sampled_from(("a@x", "A@X", "é@x", "e\u0301@x"))},
    optional={
        "type": st.sampled_from(("work", "Work", "home")),
        "display": st.sampled_from(("A", "B")),
        "primary": st.booleans(),
    },
)


def identity(element):
    """The rule of RFC 7643 section 2.4, for elements with a value."""
    kind = element.get("type")
    return fold(element["value"]), None if kind is None else fold(kind)


@given(st.lists(ELEMENTS, max_size=6), ELEMENTS)
@example([{"value": "a@x", "type": "work"}], {"value": "A@X", "type": "Work"})
@example([{"value": "a@x", "type": "work"}, {"value": "a@x"}], {"value": "a@x"})
@example([{"value": "a@x"}], {"value": "a@x", "type": "work"})
def test_a_value_means_the_elements_with_its_value_and_its_type_if_it_has_one(elements, wanted):
    found = Elements(EMAILS, elements)
    matching = [
        number
        for number, element in enumerate(elements)
        if identity(element) == identity(wanted)
        or ("type" not in wanted and fold(element["value"]) == fold(wanted["value"]))
    ]
    assert found.matching(wanted) == matching
    assert found.first_match(wanted) == (matching[0] if matching else None)


@given(st.lists(ELEMENTS, max_size=6))
@example([{"value": "a@x", "primary": True}, {"value": "A@x", "primary": False}])
@example([{"value": "é@x"}, {"value": "e\u0301@x"}])
def test_distinct_elements_have_one_identity_each_and_lose_no_primary(elements):
    kept = distinct(EMAILS, elements)
    identities = [identity(element) for element in kept]
    assert identities == list(dict.fromkeys(map(identity, elements)))
    assert distinct(EMAILS, kept) == kept
    for element in kept:
        same = [each for each in elements if identity(each) == identity(element)]
        assert element["value"] == same[0]["value"]
        assert (element.get("primary") is True) == any(each.get("primary") for each in same)
        displays = [each["display"] for each in same if "display" in each]
        assert element.get("display") == (displays[-1] if displays else None)


@given(ELEMENTS, ELEMENTS)
def test_a_merge_replaces_named_sub_attributes_and_keeps_the_rest(element, named):
    named = {**named, "value": element["value"].swapcase()}
    after = merged(EMAILS, element, named)
    assert merged(EMAILS, after, named) == after
    assert merged(EMAILS, element, element) is element
    for name in ("display", "primary"):
        assert after.get(name, False) == named.get(name, element.get(name, False))
    assert after["value"] == element["value"]
    assert merged(EMAILS, element, {"primary": False, **element}) is element


def test_elements_without_a_value_are_the_same_if_all_their_content_is():
    home = {"locality": "Paris", "type": "home"}
    assert key_of(ADDRESSES, home) == key_of(ADDRESSES, {"type": "HOME", "locality": "paris"})
    assert key_of(ADDRESSES, home) == key_of(ADDRESSES, {**home, "primary": False})
    for other in ({"locality": "Paris"}, {**home, "primary": True}, {**home, "country": "FR"}):
        assert key_of(ADDRESSES, home) != key_of(ADDRESSES, other)
        assert len(distinct(ADDRESSES, [home, other])) == 2


def test_plain_elements_are_the_same_if_they_compare_equal():
    plain = Elements(SCHEMAS, ["urn:a", "urn:b"])
    assert plain.matching("urn:b") == [1]
    assert plain.first_match("urn:c") is None
    assert merged(SCHEMAS, "urn:a", "urn:a") == "urn:a"


def test_an_appended_element_is_found():
    found = Elements(EMAILS, [])
    found.append({"value": "a@x", "type": "work"})
    assert found.first_match({"value": "A@x"}) == 0
    assert found.first_match({"value": "a@x", "type": "home"}) is None


BEFORE = {"value": "1", "$ref": "https://x/Users/1", "displayName": "Ann"}


@pytest.mark.parametrize(
    ("change", "after"),
    [
        ({"value": "2"}, {"value": "2"}),
        ({"value": "1"}, BEFORE),
        ({"value": "2", "displayName": "Eve"}, {"value": "2", "displayName": "Eve"}),
        ({"value": "2", "$ref": "other"}, {"value": "2", "$ref": "other"}),
        ({"value": None}, {"value": None}),
    ],
)
def test_a_new_value_drops_the_reference_and_the_name_of_the_one_before(change, after):
    changed = {**BEFORE, **change}
    drop_stale_reference(MANAGER, BEFORE, changed, change)
    assert changed == after


def test_a_reference_that_leads_to_the_new_value_stays():
    before = {"value": "1", "$ref": "https://x/Users/2/"}
    changed = {**before, "value": "2"}
    drop_stale_reference(MANAGER, before, changed, ["value"])
    assert changed["$ref"] == "https://x/Users/2/"
    other = {"value": "2", "$ref": "https://x/Users/12"}
    drop_stale_reference(MANAGER, before, other, ["value"])
    assert "$ref" not in other
