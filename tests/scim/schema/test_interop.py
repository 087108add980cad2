"""The schemas of workspaces with the interoperability profile."""

import pytest

from muster.scim.schema.discovery import SERVICE_PROVIDER_CONFIG
from muster.scim.schema.interop import interoperable, secret_attribute
from muster.scim.schema.model import USER, registry

MADE = interoperable(registry())


def test_no_attribute_is_never_returned():
    assert MADE.types["/Users"].place("password") is None
    assert registry().types["/Users"].place("password") is not None
    for schema in MADE.schemas.values():
        assert secret_attribute(schema.definition["attributes"]) is None


def test_every_type_of_a_list_has_canonical_values_and_the_standard_ones_stay():
    for schema in MADE.schemas.values():
        for attribute in schema.attributes.values():
            kind = attribute.sub("type")
            if attribute.multi_valued and kind is not None and schema.id == USER:
                assert kind.canonical_values, attribute.name
    phones = MADE.types["/Users"].top("phoneNumbers").sub("type")
    assert phones == registry().types["/Users"].top("phoneNumbers").sub("type")


def test_the_configuration_has_the_attribute_of_the_profile():
    [flag] = [
        attribute
        for attribute in MADE.schemas[SERVICE_PROVIDER_CONFIG.lower()].attributes.values()
        if attribute.name == "interopProfileConformant"
    ]
    assert (flag.type, flag.multi_valued, flag.required) == ("boolean", False, False)
    assert (flag.mutability, flag.returned) == ("readOnly", "default")


def test_everything_else_stays():
    for endpoint, found in registry().types.items():
        made = MADE.types[endpoint]
        assert (made.name, made.indexed, made.computed) == (
            found.name,
            found.indexed,
            found.computed,
        )
        names = [attribute.name for _, attribute in found.attributes() if not attribute.secret]
        assert [attribute.name for _, attribute in made.attributes()] == names


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ([], None),
        ([{"name": "badge", "returned": "default"}], None),
        ([{"name": "badge"}, {"name": "pin", "returned": "never"}], "pin"),
        ([{"name": "pin", "mutability": "writeOnly"}], "pin"),
        ([{"name": "card", "subAttributes": [{"name": "pin", "returned": "never"}]}], "card.pin"),
    ],
)
def test_the_first_secret_attribute_is_named(attributes, name):
    assert secret_attribute(attributes) == name
