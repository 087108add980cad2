"""Schemas, checked against independent definitions."""

import pytest
from scim2_models import EnterpriseUser, Group, User

from muster.scim.schema.model import ENTERPRISE_USER, USER, registry

USER_TYPE = registry().types["/Users"]


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("username", "userName"),
        ("NAME.FAMILYNAME", "name.familyName"),
        (USER + ":name.givenName", "name.givenName"),
        (USER.upper() + ":EMAILS.value", "emails.value"),
        (ENTERPRISE_USER, ENTERPRISE_USER),
        (ENTERPRISE_USER.lower() + ":manager.$REF", ENTERPRISE_USER + ":manager.$ref"),
        ("groups.$ref", "groups.$ref"),
        ("meta.lastmodified", "meta.lastModified"),
        ("externalid", "externalId"),
    ],
)
def test_a_path_resolves_in_any_spelling(spelling, name):
    place = USER_TYPE.place(spelling)
    assert place is not None
    assert place.name == name


@pytest.mark.parametrize(
    "path", ["", ".", "name.", "name.x", "userName.value", "urn:x:y", USER, "department", "a.b.c"]
)
def test_an_unknown_path_resolves_to_nothing(path):
    assert USER_TYPE.place(path) is None


@pytest.mark.parametrize(
    ("model", "urn"),
    [(User, USER), (EnterpriseUser, ENTERPRISE_USER), (Group, USER.replace("User", "Group"))],
)
def test_the_definitions_agree_with_scim2_models(model, urn):
    ours = registry().schemas[urn.lower()]
    for theirs in model.to_schema().attributes:
        attribute = ours.attribute(theirs.name)
        assert attribute is not None, theirs.name
        assert attribute.multi_valued == bool(theirs.multi_valued), theirs.name
        assert attribute.type == theirs.type.value, theirs.name
        assert {sub.name for sub in attribute.sub_attributes.values()} == {
            sub.name for sub in theirs.sub_attributes or ()
        }


def test_every_attribute_has_every_characteristic():
    wanted = {
        "name",
        "type",
        "multiValued",
        "description",
        "required",
        "caseExact",
        "mutability",
        "returned",
        "uniqueness",
    }

    def check(raw):
        assert wanted <= set(raw), raw["name"]
        for sub in raw.get("subAttributes", ()):
            check(sub)

    for schema in registry().schemas.values():
        for raw in schema.definition["attributes"]:
            check(raw)
