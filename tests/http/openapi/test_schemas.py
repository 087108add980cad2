"""The schemas of resource types in the OpenAPI document, against documents of the types."""

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.http.openapi.schemas import schemas
from muster.scim.dialects import Dialect
from muster.scim.document import read
from muster.scim.schema.model import registry
from tests.support.strategies import EVERYTHING, everything, users_of

KIND = everything()
SCHEMAS = schemas([KIND])
SENT = jsonschema_rs.validator_for(SCHEMAS["User"])
SHOWN = jsonschema_rs.validator_for(SCHEMAS["ShownUser"])


@given(users_of(KIND))
def test_a_document_of_any_attributes_matches_the_schema_of_its_type(document):
    canonical = read(document, KIND, Dialect())
    assert SENT.is_valid(canonical), [error.message for error in SENT.iter_errors(canonical)]
    assert SHOWN.is_valid(canonical | {"id": "x"})
    assert not SHOWN.is_valid(canonical)


@given(
    st.sampled_from(sorted(KIND.extension(EVERYTHING).attributes.values(), key=lambda a: a.name))
)
def test_a_value_of_another_type_does_not_match(attribute):
    wrong = {"x": 1} if attribute.multi_valued or not attribute.is_complex else ["x"]
    document = {"schemas": [], "userName": "a", EVERYTHING: {attribute.name: wrong}}
    assert not SENT.is_valid(document)


def test_every_attribute_of_every_type_is_described():
    types = registry().types.values()
    for kind in types:
        properties = schemas(types)[kind.name]["properties"]
        for urn, attribute in kind.attributes():
            holder = properties if urn is None else properties[urn]["properties"]
            shown = holder[attribute.name]
            assert shown["description"] == attribute.description
            assert shown.get("readOnly", False) == attribute.read_only
            inner = shown["items"] if attribute.multi_valued else shown
            assert set(inner.get("properties", ())) == {
                sub.name for sub in attribute.sub_attributes.values()
            }


@pytest.mark.parametrize("name", ["User", "Group"])
def test_required_attributes_are_required_of_what_is_sent_alone(name):
    found = schemas(registry().types.values())
    required = {"User": "userName", "Group": "displayName"}[name]
    assert found[name]["required"] == ["schemas", required]
    assert found[f"Shown{name}"]["required"] == ["schemas", "id"]
