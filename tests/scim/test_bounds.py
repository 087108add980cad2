"""The limit on elements of multi-valued attributes: below, at and above it."""

import pytest

from muster.scim import document as documents
from muster.scim import patch
from muster.scim.bounds import check_growth
from muster.scim.dialects import Dialect
from muster.scim.errors import ScimError
from muster.scim.schema.model import registry

USERS, GROUPS = registry().types["/Users"], registry().types["/Groups"]
MOST = 7
MANY_VALUED = [
    attribute
    for _, attribute in USERS.attributes()
    if attribute.multi_valued and not attribute.read_only and attribute.name != "schemas"
]


def document(**attributes):
    return {"schemas": [USERS.core.id], "userName": "x", **attributes}


def elements(attribute, count):
    if attribute.is_complex:
        name = "value" if "value" in attribute.sub_attributes else "formatted"
        return [
            {name: f"{number:08}" if attribute.name == "x509Certificates" else f"v{number}"}
            for number in range(count)
        ]
    return [f"v{number}" for number in range(count)]


@pytest.mark.parametrize("attribute", MANY_VALUED, ids=lambda attribute: attribute.name)
@pytest.mark.parametrize("strict", [False, True])
def test_a_document_accepts_the_limit_of_elements_and_no_more(attribute, strict):
    def read(count):
        return documents.read(
            document(**{attribute.name: elements(attribute, count)}),
            USERS,
            Dialect(strict, [], MOST),
        )

    for count in (MOST - 1, MOST):
        assert len(read(count)[attribute.name]) == count
    with pytest.raises(ScimError) as refused:
        read(MOST + 1)
    assert (refused.value.status, refused.value.scim_type) == (400, "invalidValue")
    assert (
        refused.value.detail
        == f"{attribute.name} has 8 elements; the limit is 7 (MUSTER_MAX_ELEMENTS)"
    )


@pytest.mark.parametrize("attribute", MANY_VALUED, ids=lambda attribute: attribute.name)
@pytest.mark.parametrize("operation", ["add", "replace", "remove"])
def test_a_patch_operation_accepts_the_limit_of_elements_and_no_more(attribute, operation):
    def prepare(count):
        steps = {"op": operation, "path": attribute.name, "value": elements(attribute, count)}
        return patch.prepare(
            {"schemas": [patch.PATCH_OP], "Operations": [steps]}, USERS, Dialect(False, [], MOST)
        )

    assert prepare(MOST)
    with pytest.raises(ScimError, match=r"has 8 elements; the limit is 7 \(MUSTER_MAX_ELEMENTS\)"):
        prepare(MOST + 1)


@pytest.mark.parametrize("filler", [None, {}, [], "", 0])
def test_ignored_elements_count_towards_the_limit(filler):
    with pytest.raises(ScimError, match="emails has 8 elements"):
        documents.read(document(emails=[filler] * (MOST + 1)), USERS, Dialect(False, [], MOST))


def test_schemas_have_the_limit_of_elements_too():
    with pytest.raises(ScimError, match="schemas has 8 elements"):
        documents.read(
            document(schemas=[USERS.core.id] * (MOST + 1)), USERS, Dialect(False, [], MOST)
        )


def test_members_of_a_group_have_no_limit():
    group = {
        "schemas": [GROUPS.core.id],
        "displayName": "x",
        "members": [{"value": f"u{n}"} for n in range(50)],
    }
    assert len(documents.read(group, GROUPS, Dialect(False, [], MOST))["members"]) == 50


def test_a_change_cannot_grow_an_attribute_past_the_limit():
    urn = "urn:example:2.0:More"
    check_growth({"emails": [1] * 6}, {"emails": [1] * 7, "title": "x" * 50}, MOST)
    check_growth({"emails": [1] * 9}, {"emails": [1] * 9, "title": "x"}, MOST)
    check_growth({"emails": [1] * 9}, {"emails": [1] * 8}, MOST)
    check_growth({}, {"emails": [1] * 8}, None)
    for before, after, name in (
        ({"emails": [1] * 7}, {"emails": [1] * 8}, "emails"),
        ({"emails": [1] * 9}, {"emails": [1] * 10}, "emails"),
        ({}, {"emails": [1] * 8}, "emails"),
        ({}, {urn: {"codes": [1] * 8}}, f"{urn}:codes"),
        ({urn: {"codes": [1] * 7}}, {urn: {"codes": [1] * 8}}, f"{urn}:codes"),
    ):
        with pytest.raises(ScimError) as refused:
            check_growth(before, after, MOST)
        assert refused.value.detail.startswith(f"{name} has ")
