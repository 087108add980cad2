"""Reading clients' documents."""

import pytest
from hypothesis import given
from scim2_models import EnterpriseUser, User

from muster.scim.dialects import Dialect
from muster.scim.document import read
from muster.scim.errors import ScimError
from muster.scim.schema.model import ENTERPRISE_USER, GROUP, USER, registry
from tests.support.strategies import EVERYTHING, everything, plain_users, users

USER_TYPE = registry().types["/Users"]


def _read(document, strict=True):
    return read(document, USER_TYPE, Dialect(strict))


def user(**attributes):
    return {"schemas": [USER], "userName": "a", "active": True, **attributes}


@given(users())
def test_reading_is_idempotent(document):
    canonical = _read(document)
    assert _read(canonical) == canonical


@given(plain_users())
def test_canonical_documents_are_valid_for_scim2_models(document):
    canonical = _read(document)
    User[EnterpriseUser].model_validate(canonical)


def test_names_take_the_spelling_of_the_schema_and_unknown_ones_are_ignored():
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
        "active": True,
        ENTERPRISE_USER: {"department": "x"},
    }


def test_read_only_attributes_are_ignored():
    assert _read(user(id="mine", meta={"version": "x"}, groups=[{"value": "g"}])) == user()


@pytest.mark.parametrize("value", [None, [], {}])
def test_unassigned_values_are_omitted(value):
    assert _read(user(name=value, **{ENTERPRISE_USER: value})) == user()
    assert _read(user(title=value or None, active=value or None)) == user()


@pytest.mark.parametrize("value", [{}, [None], [[]], [{}], {"value": None}, {"id": 1}, ["a", "b"]])
def test_an_empty_single_value_is_refused(value):
    with pytest.raises(ScimError) as caught:
        _read(user(title=value), strict=False)
    assert (caught.value.scim_type, "title" in caught.value.detail) == ("invalidValue", True)


@pytest.mark.parametrize("value", [None, []])
def test_unassigned_multi_valued_attributes_are_omitted(value):
    assert _read(user(emails=value)) == user()


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("element", [None, {}, "", [], {"value": None}, {"id": "x"}, {"$ref": "x"}])
def test_an_empty_element_is_refused(element, strict):
    """It must not be read as "no element": the client meant something else."""
    for elements in ([element], [{"value": "a@x.com"}, element]):
        with pytest.raises(ScimError) as caught:
            read(user(emails=elements), USER_TYPE, Dialect(strict))
        assert (caught.value.status, caught.value.scim_type) == (400, "invalidValue")
        assert "emails[" in caught.value.detail


@pytest.mark.parametrize("value", [{"fullName": "Ada"}, {"id": 1}])
def test_an_object_with_unknown_keys_alone_is_refused(value):
    with pytest.raises(ScimError) as caught:
        _read(user(name=value))
    assert (caught.value.scim_type, "name" in caught.value.detail) == ("invalidValue", True)


def test_elements_of_the_same_value_and_type_are_merged():
    given = [
        {"value": "A@x.com", "type": "work"},
        {"value": "a@X.com", "type": "Work", "display": "A", "primary": True},
        {"value": "a@x.com", "type": "home"},
    ]
    kept = [{"value": "A@x.com", "type": "work", "display": "A", "primary": True}, given[2]]
    assert _read(user(emails=given)) == user(emails=kept)


@pytest.mark.parametrize("strict", [False, True])
def test_schemas_of_another_resource_type_are_refused(strict):
    for urn in (GROUP, "urn:ietf:params:scim:schemas:core:2.0:Schema"):
        with pytest.raises(ScimError) as caught:
            read(user(schemas=[urn]), USER_TYPE, Dialect(strict))
        assert (caught.value.status, caught.value.scim_type) == (400, "invalidValue")


def test_a_user_is_active_by_default():
    assert _read({"schemas": [USER], "userName": "a"})["active"] is True
    assert _read(user(active=False))["active"] is False


def test_schemas_are_derived_from_the_document():
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
def test_an_error_names_the_attribute(attributes, names):
    with pytest.raises(ScimError) as caught:
        _read(user(**attributes))
    assert caught.value.scim_type == "invalidValue"
    assert names in caught.value.detail


@pytest.mark.parametrize("document", [None, [], "x", 1, True])
def test_a_body_that_is_no_object_is_invalid_syntax(document):
    with pytest.raises(ScimError) as caught:
        _read(document)
    assert caught.value.scim_type == "invalidSyntax"


def test_a_name_in_two_cases_is_invalid_syntax():
    with pytest.raises(ScimError) as caught:
        _read(user(USERNAME="b"))
    assert caught.value.scim_type == "invalidSyntax"
    assert "twice" in caught.value.detail


@pytest.mark.parametrize(
    ("name", "taken", "refused"),
    [
        ("ainteger", [0, -1, 2**63 - 1, -(2**63)], [True, "1", 1.5, 2**63, -(2**63) - 1, [1]]),
        ("adecimal", [0, 1.5, -2, 1e9], [True, "1.5", [1.5]]),
        ("aboolean", [True, False], ["yes", 1, 0, [True]]),
        ("astring", ["", "x"], [1, True, {}, ["x"]]),
    ],
)
def test_each_type_has_its_values_and_no_other(name, taken, refused):
    def reading(value):
        document = user(**{EVERYTHING: {name: value}})
        document["schemas"] = [USER, EVERYTHING]
        return read(document, everything(), Dialect(strict=True))[EVERYTHING][name]

    for value in taken:
        found = reading(value)
        assert found == value
        assert isinstance(found, bool) == isinstance(value, bool)
    for value in refused:
        with pytest.raises(ScimError) as caught:
            reading(value)
        assert caught.value.scim_type == "invalidValue"
        assert f"{EVERYTHING}:{name}" in caught.value.detail
