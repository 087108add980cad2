"""The field that sortBy names, and the value that a document sorts by."""

import pytest

from muster.scim.errors import ScimError
from muster.scim.schema.model import ENTERPRISE_USER, registry
from muster.scim.sorting import sort_field, sort_value

USERS, GROUPS = registry().types["/Users"], registry().types["/Groups"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("userName", "userName"),
        (" USERNAME ", "userName"),
        ("name.familyName", "name.familyName"),
        ("emails", "emails.value"),
        ("emails.type", "emails.type"),
        ("meta.lastModified", "meta.lastModified"),
        (f"{ENTERPRISE_USER}:department", f"{ENTERPRISE_USER}:department"),
        (f"{ENTERPRISE_USER}:manager", f"{ENTERPRISE_USER}:manager.value"),
        ("active", "active"),
    ],
)
def test_a_path_names_a_field_and_a_complex_attribute_its_value(path, name):
    assert sort_field(USERS, path).name == name


@pytest.mark.parametrize(
    "path", ["", "nothing", "name", "password", "groups", "groups.display", "emails[0]", "meta"]
)
def test_a_path_without_a_single_value_is_refused(path):
    with pytest.raises(ScimError) as caught:
        sort_field(USERS, path)
    assert (caught.value.status, caught.value.scim_type) == (400, "invalidPath")
    assert "sortBy" in caught.value.detail


def test_an_attribute_of_another_searched_type_has_no_value_here():
    assert sort_field(GROUPS, "userName", (USERS, GROUPS)) is None
    for among in ((), (GROUPS,)):
        with pytest.raises(ScimError):
            sort_field(GROUPS, "userName", among)


@pytest.mark.parametrize(
    ("path", "document", "value"),
    [
        ("title", {"title": "Dr"}, "Dr"),
        ("title", {}, None),
        ("name.familyName", {"name": {"familyName": "Ada"}}, "Ada"),
        ("name.familyName", {"name": {}}, None),
        ("emails", {"emails": [{"value": "a"}, {"value": "b", "primary": True}]}, "b"),
        ("emails", {"emails": [{"value": "a"}, {"value": "b", "primary": False}]}, "a"),
        ("emails", {"emails": [{"type": "work"}, {"value": "b"}]}, None),
        ("emails", {"emails": [{"value": "a"}, {"type": "work", "primary": True}]}, None),
        ("emails", {"emails": []}, None),
        ("emails", {}, None),
        ("emails.type", {"emails": [{"value": "a"}, {"type": "x", "primary": True}]}, "x"),
        (f"{ENTERPRISE_USER}:department", {ENTERPRISE_USER: {"department": "R"}}, "R"),
        (f"{ENTERPRISE_USER}:department", {}, None),
        ("active", {"active": False}, False),
    ],
)
def test_a_document_sorts_by_the_primary_element_or_else_the_first(path, document, value):
    assert sort_value(sort_field(USERS, path), document) == value
