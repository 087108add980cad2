"""Reading a client's document."""

import pytest
from hypothesis import given
from scim2_models import EnterpriseUser, User

from muster.scim.errors import ScimError
from muster.scim.quirks import Dialect
from muster.scim.resource import read
from muster.scim.schema import ENTERPRISE_USER, USER, registry
from tests.strategies import plain_users, users

USER_TYPE = registry().types["/Users"]


def _read(document, strict=True):
    return read(document, USER_TYPE, Dialect(strict))


def user(**attributes):
    return {"schemas": [USER], "userName": "a", **attributes}


@given(users())
def test_reading_is_idempotent(document):
    canonical = _read(document)
    assert _read(canonical) == canonical


@given(plain_users())
def test_scim2_models_takes_what_we_make_of_it(document):
    canonical = _read(document)
    User[EnterpriseUser].model_validate(canonical)


def test_names_take_the_schemas_spelling_and_what_no_schema_defines_is_left_out():
    document = {
        "SCHEMAS": [USER],
        "USERNAME": "a",
        "Name": {"FAMILYname": "J", "shoe": 1},
        "color": "red",
        ENTERPRISE_USER.upper(): {"DEPARTMENT": "x"},
    }
    assert _read(document) == {
        "schemas": [USER, ENTERPRISE_USER],
        "userName": "a",
        "name": {"familyName": "J"},
        ENTERPRISE_USER: {"department": "x"},
    }


def test_read_only_attributes_are_left_out():
    assert _read(user(id="mine", meta={"version": "x"}, groups=[{"value": "g"}])) == user()


@pytest.mark.parametrize("value", [None, [], {}])
def test_the_unassigned_is_left_out(value):
    assert _read(user(title=value, name=value, emails=value, active=value, **{ENTERPRISE_USER: value})) == user()


def test_an_element_that_is_empty_is_left_out():
    assert _read(user(emails=[{}, None, {"value": None}])) == user()


def test_schemas_are_made_to_agree():
    assert _read(user(schemas=[USER, ENTERPRISE_USER]))["schemas"] == [USER]
    assert _read(user(**{ENTERPRISE_USER: {"division": "x"}}))["schemas"] == [USER, ENTERPRISE_USER]


def test_an_external_id_of_digits_stays_text():
    assert _read(user(externalId="007"))["externalId"] == "007"


@pytest.mark.parametrize(
    ("attributes", "names"),
    [
        ({"userName": None}, "userName"),
        ({"userName": ""}, "userName"),
        ({"userName": " \t"}, "userName"),
        ({"userName": 7}, "userName"),
        ({"userName": ["a"]}, "userName"),
        ({"externalId": 7}, "externalId"),
        ({"active": 1}, "active"),
        ({"active": "yes"}, "active"),
        ({"name": "Barbara"}, "name"),
        ({"name": {"familyName": 1}}, "name.familyName"),
        ({"emails": "a@b.c"}, "emails"),
        ({"emails": {"value": "a@b.c"}}, "emails"),
        ({"emails": ["a@b.c"]}, "emails[0]"),
        ({"emails": [{"value": "a"}, {"value": 2}]}, "emails[1].value"),
        ({"emails": [{"value": "a", "primary": True}, {"value": "b", "primary": True}]}, "primary"),
        ({"x509Certificates": [{"value": "not base64!"}]}, "x509Certificates[0].value"),
        ({ENTERPRISE_USER: "x"}, ENTERPRISE_USER),
        ({ENTERPRISE_USER: {"department": 3}}, "department"),
        ({"schemas": USER}, "schemas"),
        ({"schemas": [1]}, "schemas"),
        ({"password": 1}, "password"),
    ],
)
def test_a_wrong_value_is_named(attributes, names):
    with pytest.raises(ScimError) as caught:
        _read(user(**attributes))
    assert caught.value.scim_type == "invalidValue"
    assert names in caught.value.detail


@pytest.mark.parametrize("document", [None, [], "x", 1, True])
def test_what_is_no_object_is_invalid_syntax(document):
    with pytest.raises(ScimError) as caught:
        _read(document)
    assert caught.value.scim_type == "invalidSyntax"


def test_a_name_in_two_cases_is_invalid_syntax():
    with pytest.raises(ScimError) as caught:
        _read(user(USERNAME="b"))
    assert caught.value.scim_type == "invalidSyntax"
    assert "twice" in caught.value.detail
