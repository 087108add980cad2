"""The paths of PATCH operations (RFC 7644 section 3.5.2)."""

import pytest

from muster.scim.dialects import Dialect
from muster.scim.errors import ScimError
from muster.scim.filter.path import parse_path
from muster.scim.schema.model import ENTERPRISE_USER, USER, registry
from tests.support.strategies import EVERYTHING, everything

USER_TYPE = registry().types["/Users"]


def target_of(text, resource_type=USER_TYPE, strict=True):
    return parse_path(text, resource_type, Dialect(strict=strict), "Operations[0]")


@pytest.mark.parametrize("spelt", [str, str.lower, str.upper, "  {}  ".format])
@pytest.mark.parametrize("prefix", ["", f"{USER}:"])
@pytest.mark.parametrize(
    ("path", "attribute", "sub"),
    [
        ("userName", "userName", None),
        ("name", "name", None),
        ("name.familyName", "name", "familyName"),
        ("emails", "emails", None),
        ("emails.value", "emails", "value"),
    ],
)
def test_a_path_names_an_attribute_in_any_case_and_with_its_schema(
    prefix, path, attribute, sub, spelt
):
    place = target_of(spelt(prefix + path)).place
    assert place.attribute.name == attribute
    assert (place.sub and place.sub.name) == sub


def test_the_urn_of_an_extension_names_all_of_it():
    target = target_of(ENTERPRISE_USER)
    assert (target.place.attribute, target.predicate) == (None, None)
    assert target.place.schema is not None
    assert target_of(f"{ENTERPRISE_USER}:manager.value").place.sub.name == "value"


@pytest.mark.parametrize("path", ['emails[type eq "work"]', 'EMAILS[TYPE eq "work"]'])
def test_a_value_path_chooses_elements(path):
    target = target_of(path)
    assert target.place.attribute.name == "emails"
    assert target.place.sub is None
    assert target.predicate is not None
    assert target.filter is not None


def test_a_value_path_may_go_on_to_a_sub_attribute():
    assert target_of('emails[type eq "work"].DISPLAY').place.sub.name == "display"


def test_the_values_of_a_simple_attribute_are_chosen_by_value():
    path = f'{EVERYTHING}:astrings[value eq "x"]'
    for text in (path, f"{path}.value", f"{path}.VALUE"):
        target = target_of(text, everything())
        assert target.place.attribute.name == "astrings"
        assert target.place.sub is None
    with pytest.raises(ScimError) as caught:
        target_of(f"{path}.display", everything())
    assert caught.value.scim_type == "invalidPath"


@pytest.mark.parametrize(
    ("path", "scim_type"),
    [
        ("nosuch", "invalidPath"),
        ("name.nosuch", "invalidPath"),
        ("emails.value.more", "invalidPath"),
        ('name[familyName eq "x"]', "invalidPath"),
        ('userName[value eq "x"]', "invalidPath"),
        ('emails.value[value eq "x"]', "invalidPath"),
        ('emails[type eq "work"].nosuch', "invalidPath"),
        ('emails[type eq "work"]value', "invalidFilter"),
        ('emails[type eq "work"].value.more', "invalidPath"),
        ('emails[type eq "work"', "invalidFilter"),
        ("emails[]", "invalidFilter"),
        ('emails[nosuch eq "work"]', "invalidFilter"),
        ("emails[type eq]", "invalidFilter"),
        ("", "invalidPath"),
        ("urn:example:nosuch", "invalidPath"),
    ],
)
def test_an_error_names_the_operation_and_its_kind(path, scim_type):
    with pytest.raises(ScimError) as caught:
        target_of(path)
    error = caught.value
    assert (error.status, error.scim_type) == (400, scim_type)
    assert error.detail.startswith("Operations[0]: ")
