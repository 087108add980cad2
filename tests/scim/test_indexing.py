"""The search form and look-ups agree with the values that filters compare."""

import dataclasses

from hypothesis import given

from muster.scim.dialects import Dialect
from muster.scim.document import read
from muster.scim.filter.evaluate import comparable, values_at
from muster.scim.filter.predicate import field_at
from muster.scim.indexing import LookupEntry, entries, entries_of_next, index_of, search_form
from muster.scim.schema.model import ENTERPRISE_USER, Attribute, Schema, registry
from muster.scim.sorting import sort_value
from tests.support.strategies import users

USER_TYPE = registry().types["/Users"]
INDEXED = dataclasses.replace(
    USER_TYPE, building=("title", f"{ENTERPRISE_USER}:manager.value"), constrained=("nickName",)
)
"""Users with indexes of a workspace's own, one of them three levels deep."""


def fields():
    """Yield every field of a user that a filter can name."""
    for extension, attribute in USER_TYPE.attributes():
        prefix = "" if extension is None else f"{extension}:"
        for name in (
            attribute.name,
            *(f"{attribute.name}.{sub.name}" for sub in attribute.sub_attributes.values()),
        ):
            field = field_at(USER_TYPE, prefix + name)
            if field is not None and not field.attribute.is_complex:
                yield field


@given(users())
def test_a_search_form_has_each_value_as_it_compares(document):
    canonical = read(document, USER_TYPE, Dialect())
    found = search_form(canonical, USER_TYPE)
    for field in fields():
        compared = [comparable(field.attribute, value) for value in values_at(field, canonical)]
        assert sorted(map(str, values_at(field, found))) == sorted(map(str, compared)), field.name
        if compared:
            assert sort_value(field, found) == comparable(
                field.attribute, sort_value(field, canonical)
            ), field.name


@given(users(), users())
def test_entries_of_the_next_version_are_those_of_its_document(first, changed):
    before = read(first, INDEXED, Dialect())
    whole, part = read(changed, INDEXED, Dialect()), {**before}
    for name in ("emails", "userName", "title"):
        part.pop(name, None)
        part |= {name: whole[name]} if name in whole else {}
        for document in (whole, part):
            found = entries_of_next(document, before, entries(before, INDEXED), INDEXED)
            assert found == entries(document, INDEXED)


@given(users())
def test_look_ups_are_the_values_as_they_compare(document):
    canonical = read(document, USER_TYPE, Dialect())
    lookups, unique = entries(canonical, INDEXED)
    index = index_of(INDEXED)
    for name, field in {**index.fields, **index.building, **index.constrained}.items():
        values = {comparable(field.attribute, value) for value in values_at(field, canonical)}
        kept = unique if name in index.unique or name in index.constrained else lookups
        assert {entry.value for entry in kept if entry.attribute == name} == values, name
        if values:
            first = comparable(field.attribute, sort_value(field, canonical))
            assert LookupEntry(name, first) in kept or first is None, name
    assert {entry.attribute for entry in unique} <= {"userName", "nickName"}


def test_a_value_of_the_wrong_type_is_left_unchanged():
    wrong = {
        "schemas": [],
        "userName": 7,
        "name": "Ada",
        "emails": "a@b",
        "roles": ["x", {"value": "Y"}],
    }
    assert search_form(wrong, USER_TYPE) == {
        "schemas": [],
        "userName": 7,
        "name": "Ada",
        "emails": "a@b",
        "roles": ["x", {"value": "y"}],
    }


def test_the_search_form_omits_location_and_version_of_meta_only():
    sub = {
        "multiValued": False,
        "required": False,
        "caseExact": False,
        "mutability": "readWrite",
        "returned": "default",
    }
    sub |= {"uniqueness": "none", "description": "", "type": "string"}
    raw = {
        **sub,
        "name": "printer",
        "type": "complex",
        "subAttributes": [{**sub, "name": "location"}, {**sub, "name": "version"}],
    }
    schema = Schema("urn:example:printer", {"printer": Attribute.from_json(raw)}, {})
    kind = dataclasses.replace(USER_TYPE, extensions={schema.id: schema})
    document = {
        schema.id: {"printer": {"location": "Basement", "version": "V"}},
        "meta": {"location": "L", "version": "V"},
    }
    assert search_form(document, kind) == {
        schema.id: {"printer": {"location": "basement", "version": "v"}},
        "meta": {},
    }
