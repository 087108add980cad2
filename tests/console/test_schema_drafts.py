"""Drafts of schemas: reading, moving, and the positions that errors name."""

import pytest

from muster.console import schema_drafts as drafts
from muster.scim.errors import ScimError
from muster.scim.schema.custom import read_schema
from muster.scim.schema.model import registry

URN = "urn:example:params:scim:schemas:extension:badge:2.0:User"
SIMPLE = {"name": "number"}
COMPLEX = {"name": "lock", "type": "complex", "subAttributes": [{"name": "a"}, {"name": "b"}]}


def draft(*attributes, **members):
    given = {"id": URN, "name": "Badge", "extends": ["User"], **members}
    return drafts.read_draft({**given, "attributes": list(attributes)})


def names(made):
    return [row.path for row in drafts.rows(made)]


def test_a_draft_is_read_as_the_schema_that_it_defines():
    made = draft(SIMPLE, COMPLEX, required=True)
    kept = read_schema(made, registry())
    assert drafts.draft_of(kept) == made
    assert drafts.read_draft(drafts.compact(made)) == made
    assert "mutability" not in str(drafts.compact(made))


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (5, "definition: expected a JSON object"),
        ({"name": 5}, "name: expected a string"),
        ({"extends": "User"}, "extends: expected an array"),
        ({"extends": [1]}, "extends: expected an array of strings"),
        ({"attributes": [5]}, "attributes[0]: expected a JSON object"),
        ({"attributes": [{"required": "yes"}]}, "attributes[0].required: expected a boolean"),
        ({"attributes": [{"canonicalValues": [1]}]}, "attributes[0].canonicalValues: expected"),
        (
            {"attributes": [{"subAttributes": [{"type": 1}]}]},
            "attributes[0].subAttributes[0].type: expected a string",
        ),
    ],
)
def test_a_draft_of_wrong_types_is_refused(raw, says):
    with pytest.raises(ScimError) as refused:
        drafts.read_draft(raw)
    assert refused.value.detail.startswith(says)


def test_attributes_are_added_replaced_moved_and_removed():
    made = draft(SIMPLE, COMPLEX)
    assert names(made) == ["number", "lock", "lock.a", "lock.b"]
    drafts.put_attribute(made, "+", drafts.read_attribute({"name": "last"}, ""))
    drafts.put_attribute(made, "1+", drafts.read_attribute({"name": "c"}, "", nested=True))
    drafts.move_attribute(made, "1.2", -1)
    drafts.move_attribute(made, "1", -1)
    assert names(made) == ["lock", "lock.a", "lock.c", "lock.b", "number", "last"]
    drafts.move_attribute(made, "0", -1)  # the first stays the first
    drafts.move_attribute(made, "2", 1)
    drafts.remove_attribute(made, "0.0")
    drafts.remove_attribute(made, "1")
    assert names(made) == ["lock", "lock.c", "lock.b", "last"]
    renamed = drafts.attribute_at(made, "0") | {"name": "door"}
    drafts.put_attribute(made, "0", renamed)
    assert names(made) == ["door", "door.c", "door.b", "last"]


def test_an_attribute_that_is_complex_no_longer_loses_its_sub_attributes():
    made = draft(COMPLEX)
    drafts.put_attribute(made, "0", drafts.read_attribute({"name": "lock"}, ""))
    assert names(made) == ["lock"]


@pytest.mark.parametrize("place", ["2", "0.0", "0+", "1.2", "7+"])
def test_a_place_that_the_draft_does_not_have(place):
    with pytest.raises(ScimError):
        drafts.attribute_at(draft(SIMPLE, COMPLEX), place)


@pytest.mark.parametrize(
    ("place", "attribute", "fault"),
    [
        ("+", {"name": "9"}, ("2", "name")),
        ("0", {"name": "x", "type": "y"}, ("0", "type")),
        ("+", {"name": "NUMBER"}, ("2", "name")),
        ("1+", {"name": "A"}, ("1.2", "name")),
        ("1.0", {"name": "a", "returned": "x"}, ("1.0", "returned")),
        ("0", {"name": "x", "multiValued": True, "uniqueness": "server"}, ("0", "uniqueness")),
        ("0", {"name": "x", "type": "complex", "returned": "never"}, ("0", "")),
    ],
)
def test_an_attribute_is_checked_before_it_is_put(place, attribute, fault):
    made = draft(SIMPLE, COMPLEX)
    raw = drafts.read_attribute(attribute, "", drafts.is_nested(place))
    with pytest.raises(ScimError) as refused:
        drafts.check_attribute(made, place, raw)
    found = drafts.fault(refused.value)
    assert (found.place, found.field) == fault
    assert found.text


def test_a_complex_attribute_may_lack_its_sub_attributes_until_the_review():
    raw = drafts.read_attribute({"name": "x", "type": "complex"}, "")
    drafts.check_attribute(draft(), "+", raw)
    with pytest.raises(ScimError) as refused:
        read_schema(draft(raw), registry())
    found = drafts.fault(refused.value)
    assert (found.place, found.field) == ("0", "subAttributes")


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"id": "x"}, ("", "id")),
        ({"name": ""}, ("", "name")),
        ({"extends": ["Nobody"]}, ("", "extends")),
        ({"attributes": []}, ("", "attributes")),
        ({"attributes": [SIMPLE, SIMPLE]}, ("1", "")),
        ({"attributes": [{"name": "x", "type": "integer", "indexed": True}]}, ("0", "indexed")),
    ],
)
def test_errors_of_a_definition_name_their_place(given, fault):
    with pytest.raises(ScimError) as refused:
        read_schema({"id": URN, "name": "B", "attributes": [SIMPLE], **given}, registry())
    found = drafts.fault(refused.value)
    assert (found.place, found.field) == fault
