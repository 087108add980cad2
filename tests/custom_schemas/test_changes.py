"""The differences between two versions of a schema."""

from muster.custom_schemas.changes import changes_between
from muster.scim.schema.custom import read_schema
from muster.scim.schema.model import registry

URN = "urn:example:params:scim:schemas:extension:badge:2.0:User"


def schema(*attributes, **members):
    given = {"id": URN, "name": "Badge", "extends": ["User"], **members}
    return read_schema({**given, "attributes": list(attributes)}, registry())


def differences(before, after):
    return [
        (change.attribute, change.action, dict(change.values))
        for change in changes_between(before, after)
    ]


NUMBER, COLOUR = {"name": "number"}, {"name": "colour"}
LOCK = {"name": "lock", "type": "complex", "subAttributes": [{"name": "a"}, {"name": "b"}]}


def test_everything_of_a_new_schema_is_added():
    assert differences(None, schema(NUMBER, LOCK)) == [
        ("number", "add", {}),
        ("lock", "add", {}),
    ]


def test_equal_schemas_do_not_differ():
    assert differences(schema(NUMBER, LOCK), schema(NUMBER, LOCK)) == []


def test_attributes_are_added_removed_and_changed():
    after = {**COLOUR, "required": True, "indexed": True}
    assert differences(schema(NUMBER, COLOUR), schema(after, {"name": "shape"})) == [
        ("colour", "update", {"required": (False, True), "indexed": (False, True)}),
        ("shape", "add", {}),
        ("number", "remove", {}),
    ]


def test_sub_attributes_are_compared():
    after = {**LOCK, "subAttributes": [{"name": "b", "type": "integer"}, {"name": "c"}]}
    assert differences(schema(LOCK), schema(after)) == [
        ("lock.b", "update", {"type": ("string", "integer")}),
        ("lock.c", "add", {}),
        ("lock.a", "remove", {}),
    ]


def test_another_order_is_a_difference():
    swapped = {**LOCK, "subAttributes": LOCK["subAttributes"][::-1]}
    assert differences(schema(NUMBER, LOCK), schema(swapped, NUMBER)) == [
        ("lock", "reorder", {}),
        ("", "reorder", {}),
    ]


def test_the_schema_itself_is_compared():
    assert differences(schema(NUMBER), schema(NUMBER, required=True, extends=["Group"])) == [
        ("", "update", {"extends": (["User"], ["Group"]), "required": (False, True)})
    ]
