"""Role mappings: which roles they grant to whom, and who created and removed them."""

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.access.role_mappings import MAPPING_KIND, RoleMapping, RoleMappings, granted, order
from muster.scim.errors import ScimError
from muster.storage.port.items import Item
from tests.access.conftest import HERE

VALUES = ("admins", "Admins", "users", "")
MAPPINGS = st.builds(
    RoleMapping,
    st.uuids().map(str),
    st.sampled_from(VALUES),
    st.sampled_from(("Admin", "Viewer")),
    st.sampled_from((None, "eu")),
)
ROLES = st.one_of(
    st.none(),
    st.lists(
        st.one_of(
            st.builds(dict, value=st.sampled_from(VALUES)),
            st.sampled_from(({"display": "admins"}, {"value": 7}, "admins", None)),
        ),
        max_size=4,
    ),
)


@pytest.fixture
def mappings(bench):
    return RoleMappings(bench.storage)


@given(ROLES, st.lists(MAPPINGS, max_size=6))
def test_each_granted_role_has_all_mappings_that_grant_it_as_its_reasons(roles, mappings):
    values = [role.get("value") for role in roles or () if isinstance(role, dict)]
    matching = [mapping for mapping in mappings if mapping.idp_value in values]
    found = granted(roles, mappings)
    assert [(role["role"], role["tag"]) for role in found] == list(
        dict.fromkeys((mapping.role, mapping.tag) for mapping in matching)
    )
    for role in found:
        assert role["because"] == [
            {"mapping": mapping.id, "idpValue": mapping.idp_value}
            for mapping in matching
            if (mapping.role, mapping.tag) == (role["role"], role["tag"])
        ]


def test_mappings_are_listed_by_value_then_role_then_tag(bench, mappings, administrator):
    given_ones = [("b", "x", None), ("a", "y", "eu"), ("a", "y", None), ("a", "x", "us")]
    for each in given_ones:
        bench.run(mappings.create(administrator, *each))
    listed = bench.run(mappings.all(administrator.workspace.id))
    assert [(each.idp_value, each.role, each.tag) for each in listed] == [
        ("a", "x", "us"),
        ("a", "y", None),
        ("a", "y", "eu"),
        ("b", "x", None),
    ]
    assert listed == sorted(listed, key=order)


def test_creating_a_mapping_again_changes_nothing(bench, mappings, administrator):
    workspace = administrator.workspace.id
    first, is_new = bench.run(mappings.create(administrator, "admins", "Admin", "eu"))
    assert is_new
    latest = bench.run(bench.storage.latest_change(workspace))
    assert bench.run(mappings.create(administrator, "admins", "Admin", "eu")) == (first, False)
    assert bench.run(bench.storage.latest_change(workspace)) == latest
    for other in (("admins", "Admin", None), ("Admins", "Admin", "eu"), ("admins", "admin", "eu")):
        made, is_new = bench.run(mappings.create(administrator, *other))
        assert is_new
        assert made.id != first.id
    assert len(bench.run(mappings.all(workspace))) == 4


@pytest.mark.parametrize("text", ["", "  ", "x" * 201, "a\0b"])
@pytest.mark.parametrize("place", ["idpValue", "role.role", "role.tag"])
def test_a_text_that_is_blank_too_long_or_unstorable_is_refused(
    bench, mappings, administrator, text, place
):
    texts = {"idpValue": "v", "role.role": "r", "role.tag": "t", place: text}
    with pytest.raises(ScimError, match=place) as caught:
        bench.run(mappings.create(administrator, *texts.values()))
    assert (caught.value.status, caught.value.scim_type) == (400, "invalidValue")
    longest = {**texts, place: "x" * 200}
    assert bench.run(mappings.create(administrator, *longest.values()))[1]


def test_a_workspace_has_at_most_10_000_mappings(bench, mappings, administrator):
    workspace = administrator.workspace.id
    body = {"idp_value": "v", "role": "r", "tag": None}
    items = [Item(workspace, MAPPING_KIND, f"m{n}", body) for n in range(9_999)]
    bench.run(bench.storage.administer(items))
    last, _ = bench.run(mappings.create(administrator, "the last", "r", None))
    with pytest.raises(ScimError, match="10,000") as caught:
        bench.run(mappings.create(administrator, "one too many", "r", None))
    assert caught.value.status == 409
    assert bench.run(mappings.create(administrator, "the last", "r", None)) == (last, False)


def test_a_mapping_is_deleted_from_its_own_workspace_only(bench, mappings, administrator):
    other = replace(administrator, workspace=bench.new_workspace())
    mapping, _ = bench.run(mappings.create(administrator, "admins", "Admin", None))
    for by, mapping_id in ((other, mapping.id), (administrator, "nothing")):
        with pytest.raises(ScimError) as caught:
            bench.run(mappings.delete(by, mapping_id))
        assert caught.value.status == 404
    assert bench.run(mappings.delete(administrator, mapping.id)) == mapping
    assert bench.run(mappings.all(administrator.workspace.id)) == []
    changes = bench.run(bench.storage.changes(administrator.workspace.id, 0, 10))
    assert [(c.type, c.id, c.action, c.origin) for c in changes] == [
        ("RoleMapping", mapping.id, action, HERE) for action in ("create", "delete")
    ]
    detail = {"idpValue": "admins", "role": {"role": "Admin", "tag": None}}
    assert [orjson.loads(change.document) for change in changes] == [detail, detail]
