"""Roles: their names, who may grant and change them, and keys that have them."""

import asyncio
import unicodedata
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.access.audit_notes import Administrator
from muster.access.keys import KeyOptions, Keys
from muster.access.permissions import ADMIN, AUDIT, EDIT_ROLES, PERMISSIONS, READ, SCIM, SETTINGS
from muster.access.role_mappings import RoleMappings, mapping_of
from muster.access.roles import ROLE_KIND, Role, Roles, check_permissions
from muster.http.management.models.roles import NewRole
from muster.scim.errors import ScimError
from muster.storage.port.items import Item
from tests.access.conftest import HERE


@pytest.fixture
def roles(bench):
    return Roles(bench.storage)


def refused(bench, work):
    with pytest.raises(ScimError) as caught:
        bench.run(work)
    return caught.value


def names(bench, roles, administrator):
    return [role.name for role in bench.run(roles.all(administrator.workspace.id))]


def test_the_built_in_role_comes_first_and_the_others_by_name(bench, roles, administrator):
    for name in ("zulu", "Auditor", "auditors", "Ärzte", "Z"):
        bench.run(roles.create(administrator, name, [AUDIT]))
    assert names(bench, roles, administrator) == [
        ADMIN,
        *sorted(["zulu", "Auditor", "auditors", "Ärzte", "Z"]),
    ]
    first = bench.run(roles.all(administrator.workspace.id))[0]
    assert first == Role(ADMIN, PERMISSIONS)


def is_name(text):
    """The rule of the documentation, without a regular expression."""
    return (
        0 < len(text) <= 100
        and text == text.strip()
        and text not in (".", "..")
        and not any(
            char == "/" or (unicodedata.category(char) == "Cc" and char < "\x80") for char in text
        )
    )


NAMES = st.one_of(
    st.text(st.sampled_from("aZ. /\t\n\x00\x7f\u00a0é"), max_size=4),
    st.sampled_from((".", "..", "...", ".a", "a.")),
    st.integers(98, 102).map("x".__mul__),
    st.text(max_size=5),
)


@given(NAMES)
def test_a_name_is_as_documented_for_commands_and_requests_alike(bench, name):
    by = Administrator(bench.new_workspace(), HERE, (ADMIN,))
    roles = Roles(bench.storage)
    if is_name(name):
        made = bench.run(roles.create(by, name, [AUDIT]))
        assert bench.run(roles.get(by.workspace.id, name)) == made
    else:
        error = refused(bench, roles.create(by, name, [AUDIT]))
        assert (error.status, error.scim_type) == (400, "invalidValue")
    body = orjson.dumps({"name": name, "permissions": [AUDIT]})
    assert is_name(name) == _is_accepted(NewRole.model_validate_json, body)


def _is_accepted(read, *arguments):
    try:
        read(*arguments)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("name", [None, 7, ["x"], {}])
def test_a_name_must_be_a_string(bench, roles, administrator, name):
    assert refused(bench, roles.create(administrator, name, [AUDIT])).status == 400


@pytest.mark.parametrize("taken", ["auditor", "AUDITOR", "admin", ADMIN])
def test_names_are_unique_whatever_their_case(bench, roles, administrator, taken):
    bench.run(roles.create(administrator, "Auditor", [AUDIT]))
    error = refused(bench, roles.create(administrator, taken, [AUDIT]))
    assert (error.status, error.scim_type) == (409, "uniqueness")


def test_roles_of_another_workspace_are_out_of_sight(bench, roles, administrator):
    other = replace(administrator, workspace=bench.new_workspace())
    bench.run(roles.create(other, "Auditor", [AUDIT]))
    assert names(bench, roles, administrator) == [ADMIN]
    assert refused(bench, roles.get(administrator.workspace.id, "Auditor")).status == 404
    assert refused(bench, roles.delete(administrator, "Auditor")).status == 404
    bench.run(roles.create(administrator, "Auditor", [SCIM]))
    assert bench.run(roles.get(other.workspace.id, "Auditor")).permissions == (AUDIT,)


def test_a_workspace_has_at_most_200_roles(bench, roles, administrator):
    workspace = administrator.workspace.id
    items = [Item(workspace, ROLE_KIND, f"r{n}", {"permissions": [AUDIT]}) for n in range(199)]
    bench.run(bench.storage.administer(items))
    bench.run(roles.create(administrator, "the 200th", [AUDIT]))
    error = refused(bench, roles.create(administrator, "one too many", [AUDIT]))
    assert (error.status, "200" in error.detail) == (409, True)


def test_permissions_are_replaced_and_each_change_is_audited(bench, roles, administrator):
    workspace = administrator.workspace.id
    bench.run(roles.create(administrator, "Auditor", [AUDIT, SCIM, AUDIT]))
    assert bench.run(roles.get(workspace, "Auditor")).permissions == (AUDIT, SCIM)
    bench.run(roles.replace(administrator, "Auditor", [SETTINGS]))
    assert bench.run(roles.get(workspace, "Auditor")).permissions == (SETTINGS,)
    bench.run(roles.delete(administrator, "Auditor"))
    assert names(bench, roles, administrator) == [ADMIN]
    changes = bench.run(bench.storage.changes(workspace, 0, 10))
    assert [(change.type, change.id, change.action) for change in changes] == [
        ("Role", "Auditor", action) for action in ("create", "update", "delete")
    ]
    assert all(change.origin == HERE for change in changes)


@pytest.mark.parametrize("action", ["replace", "delete"])
def test_nobody_changes_the_built_in_role_or_one_beyond_their_own_permissions(
    bench, roles, administrator, action
):
    bench.run(roles.create(administrator, "Both", [AUDIT, SCIM]))
    lesser = replace(administrator, permissions=(AUDIT, EDIT_ROLES))

    def attempt(by, name):
        return roles.delete(by, name) if action == "delete" else roles.replace(by, name, [AUDIT])

    error = refused(bench, attempt(lesser, "Both"))
    assert (error.status, SCIM in error.detail, AUDIT in error.detail) == (403, True, False)
    assert refused(bench, attempt(administrator, ADMIN)).status == 403
    assert refused(bench, attempt(administrator, "Nothing")).status == 404
    assert bench.run(roles.get(administrator.workspace.id, "Both")).permissions == (AUDIT, SCIM)


def test_a_renamed_role_keeps_its_keys_and_the_mappings_that_grant_it(bench, roles, administrator):
    keys, workspace = Keys(bench.storage), administrator.workspace
    mappings = RoleMappings(bench.storage)
    for name in ("Auditor", "Other"):
        bench.run(roles.create(administrator, name, [AUDIT]))
    for name in ("nightly", "revoked"):
        _, made = bench.run(keys.create(workspace, name, KeyOptions((SCIM,), role="Auditor")))
        if name == "revoked":
            bench.run(keys.revoke(workspace, made))
    bench.run(keys.create(workspace, "else", KeyOptions((), role="Other")))
    for value, role, tag in (
        ("a", "Auditor", None),
        ("b", "Auditor", "eu"),
        ("c", "Other", None),
        ("a", "Auditors", None),
    ):
        bench.run(mappings.create(administrator, value, role, tag))
    renamed = bench.run(roles.change(administrator, "Auditor", "Auditors"))
    assert renamed == Role("Auditors", (AUDIT,))
    assert names(bench, roles, administrator) == [ADMIN, "Auditors", "Other"]
    held = {key.name: key.role for key in bench.run(bench.storage.keys(workspace.id))}
    assert held == {"nightly": "Auditors", "revoked": "Auditors", "else": "Other"}
    found = bench.run(mappings.all(workspace.id))
    assert [(each.idp_value, each.role, each.tag) for each in found] == [
        ("a", "Auditors", None),
        ("b", "Auditors", "eu"),
        ("c", "Other", None),
    ]
    assert [each.id for each in found] == [
        mapping_of(each.idp_value, each.role, each.tag).id for each in found
    ]
    last = bench.run(bench.storage.changes(workspace.id, 0, 100))[-1]
    assert (last.type, last.id, last.action, last.origin) == ("Role", "Auditors", "rename", HERE)
    detail = orjson.loads(last.document)
    assert (detail["before"], detail["keys"], detail["mappings"]) == ("Auditor", 2, 3 - 1)


def test_a_role_gets_a_name_and_permissions_in_one_change_or_none(bench, roles, administrator):
    workspace = administrator.workspace.id
    made = bench.run(roles.create(administrator, "auditor", [AUDIT]))
    assert bench.run(roles.change(administrator, "auditor", "Auditor", [SCIM])) == Role(
        "Auditor", (SCIM,)
    )
    before = len(bench.run(bench.storage.changes(workspace, 0, 100)))
    assert bench.run(roles.change(administrator, "Auditor")) == Role("Auditor", (SCIM,))
    assert bench.run(roles.change(administrator, "Auditor", "Auditor", [SCIM])).name == "Auditor"
    assert len(bench.run(bench.storage.changes(workspace, 0, 100))) == before
    bench.run(roles.change(administrator, "Auditor", permissions=[AUDIT]))
    assert bench.run(roles.get(workspace, "Auditor")).permissions == made.permissions


@pytest.mark.parametrize(
    ("name", "new_name", "status"),
    [
        ("Auditor", "OTHER", 409),
        ("Auditor", ADMIN.lower(), 409),
        ("Auditor", "a/b", 400),
        ("Auditor", 7, 400),
        (ADMIN, "Root", 403),
        ("Nothing", "Something", 404),
        ("Beyond", "Within", 403),
    ],
)
def test_a_rename_that_cannot_be(bench, roles, administrator, name, new_name, status):
    for role, permissions in (("Auditor", [AUDIT]), ("Other", [AUDIT]), ("Beyond", [SCIM])):
        bench.run(roles.create(administrator, role, permissions))
    lesser = replace(administrator, permissions=(AUDIT, EDIT_ROLES))
    assert refused(bench, roles.change(lesser, name, new_name)).status == status
    assert names(bench, roles, administrator) == [ADMIN, "Auditor", "Beyond", "Other"]


def test_simultaneous_keys_mappings_and_renames_leave_no_key_without_its_role(
    bench, roles, administrator
):
    keys, workspace = Keys(bench.storage), administrator.workspace
    mappings = RoleMappings(bench.storage)
    bench.run(roles.create(administrator, "Auditor", [AUDIT]))
    _, first = bench.run(keys.create(workspace, "first", KeyOptions((), role="Auditor")))

    async def together():
        return await asyncio.gather(
            *(
                keys.create_named(workspace, f"k{n}", KeyOptions((), role="Auditor"), administrator)
                for n in range(3)
            ),
            keys.rotate(workspace, first, timedelta(0), administrator),
            *(roles.change(administrator, "Auditor", f"Auditor {n}") for n in range(2)),
            *(mappings.create(administrator, f"v{n}", "Auditor", None) for n in range(2)),
            return_exceptions=True,
        )

    done = bench.run(together())
    assert all(error.status in (404, 409) for error in done if isinstance(error, BaseException)), (
        done
    )
    (name,) = names(bench, roles, administrator)[1:]
    assert name.startswith("Auditor ")
    made = bench.run(bench.storage.keys(workspace.id))
    assert {key.role for key in made} <= {name}


def test_a_key_cannot_have_a_role_that_does_not_exist(bench, administrator):
    keys = Keys(bench.storage)
    error = refused(bench, keys.create(administrator.workspace, "k", KeyOptions((), role="No")))
    assert error.status == 404


def test_a_role_that_valid_keys_have_stays(bench, roles, administrator):
    keys, workspace = Keys(bench.storage), administrator.workspace
    bench.run(roles.create(administrator, "Auditor", [AUDIT]))
    _, record = bench.run(keys.create(workspace, "nightly", KeyOptions((), role="Auditor")))
    error = refused(bench, roles.delete(administrator, "Auditor"))
    assert (error.status, "nightly" in error.detail) == (409, True)
    bench.run(keys.revoke(workspace, record))
    bench.run(roles.delete(administrator, "Auditor"))
    assert names(bench, roles, administrator) == [ADMIN]


def test_a_role_is_granted_by_those_who_have_all_of_it(bench, roles, administrator):
    workspace = administrator.workspace.id
    bench.run(roles.create(administrator, "Both", [AUDIT, SCIM]))
    bench.run(roles.check_grantable(workspace, (SCIM, AUDIT), "Both"))
    bench.run(roles.check_grantable(workspace, (ADMIN,), ADMIN))
    error = refused(bench, roles.check_grantable(workspace, (AUDIT,), "Both"))
    assert (error.status, SCIM in error.detail) == (403, True)
    assert refused(bench, roles.check_grantable(workspace, PERMISSIONS[:-1], ADMIN)).status == 403
    assert refused(bench, roles.check_grantable(workspace, (ADMIN,), "Nothing")).status == 404


def test_a_key_is_within_reach_of_those_who_have_its_permissions_and_its_roles(
    bench, roles, administrator
):
    workspace = administrator.workspace
    bench.run(roles.create(administrator, "Auditor", [AUDIT]))
    _, key = bench.run(
        Keys(bench.storage).create(workspace, "k", KeyOptions((SCIM,), role="Auditor"))
    )
    assert bench.run(roles.beyond_reach((SCIM,), key)) == [AUDIT]
    assert bench.run(roles.beyond_reach((AUDIT, SCIM), key)) == []
    assert bench.run(roles.beyond_reach((), key)) == [SCIM, AUDIT]
    assert bench.run(roles.beyond_reach((ADMIN,), key)) == []
    bench.run(roles.replace(administrator, "Auditor", [SETTINGS]))
    assert bench.run(roles.beyond_reach((SCIM,), key)) == [SETTINGS]
    assert bench.run(roles.beyond_reach((SCIM,), replace(key, role="Deleted"))) == []


@given(
    st.lists(st.sampled_from(PERMISSIONS), unique=True).map(tuple),
    st.lists(st.sampled_from((*PERMISSIONS, ADMIN, "Fly", 7, None)), max_size=4),
)
def test_granted_permissions_are_known_held_and_without_duplicates(held, given_ones):
    known = bool(given_ones) and set(given_ones) <= set(PERMISSIONS)
    included = {READ} if SCIM in held else set()
    if known and set(given_ones) <= {*held, *included}:
        granted = check_permissions(held, given_ones)
        assert set(granted) == set(given_ones)
        assert len(granted) == len(set(granted))
        assert check_permissions((ADMIN,), given_ones) == granted
    else:
        with pytest.raises(ScimError) as caught:
            check_permissions(held, given_ones)
        assert caught.value.status == (403 if known else 400)


def test_the_permission_admin_is_granted_only_if_it_is_allowed_here():
    assert check_permissions((ADMIN,), [ADMIN], (ADMIN,)) == (ADMIN,)
    for held, also, status in (((ADMIN,), (), 400), (PERMISSIONS, (ADMIN,), 403)):
        with pytest.raises(ScimError) as caught:
            check_permissions(held, [ADMIN], also)
        assert caught.value.status == status
