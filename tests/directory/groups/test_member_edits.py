"""Folding the member steps of a PATCH, against a model that uses a set."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from muster.directory.groups.member_edits import fold, split, take
from muster.scim.dialects import Dialect
from muster.scim.errors import ScimError
from muster.scim.patch import PATCH_OP, prepare
from muster.scim.schema.model import registry
from muster.storage.port.members import Member, MemberEdit

GROUP_TYPE = registry().types["/Groups"]
IDS = [f"0190a8c0-0000-7000-8000-00000000000{n}" for n in range(6)]
GROUPS = set(IDS[4:])
KNOWN = {
    one: Member(n, one, "Group" if one in GROUPS else "User", f"m{n}") for n, one in enumerate(IDS)
}
ids = st.sampled_from(IDS)
lists = st.lists(ids, max_size=3)
operations = st.one_of(
    st.tuples(st.sampled_from(["add", "replace", "remove-listed"]), lists),
    st.tuples(st.just("remove-one"), ids.map(lambda one: [one])),
    st.tuples(st.just("remove-either"), st.lists(ids, min_size=2, max_size=2, unique=True)),
    st.tuples(st.just("remove-all"), st.just([])),
)
groups_too = st.one_of(operations, st.tuples(st.just("remove-groups"), st.just([])))


def operation(kind, named):
    values = [{"value": one} for one in named]
    if kind in ("add", "replace"):
        return {"op": kind, "path": "members", "value": values}
    path = {
        "remove-one": f'members[value eq "{"".join(named)}"]',
        "remove-either": "members[" + " or ".join(f'value eq "{one}"' for one in named) + "]",
        "remove-groups": 'members[type eq "Group"]',
    }.get(kind, "members")
    made = {"op": "remove", "path": path}
    return made | {"value": values} if kind == "remove-listed" and named else made


def steps_of(chosen, strict=False):
    message = {"schemas": [PATCH_OP], "Operations": [operation(*one) for one in chosen]}
    others, steps = split(prepare(message, GROUP_TYPE, Dialect(strict=strict)))
    assert others == []
    return steps


class Refused(Exception):
    """The model refuses an operation."""


def modelled(chosen, current, strict=False):
    """Return the members afterwards; raise Refused if an operation has no meaning."""
    members = set(current)
    for kind, named in chosen:
        leaving = GROUPS & members if kind == "remove-groups" else set(named)
        if kind == "remove-groups" and not leaving:
            raise Refused
        if kind == "remove-either" and strict:
            leaving &= members
        by_filter = kind in ("remove-one", "remove-either")
        if strict and by_filter and (not leaving or not leaving <= members):
            raise Refused
        if kind == "add":
            members |= set(named)
        elif kind == "replace":
            members = set(named)
        elif kind == "remove-all" or (kind == "remove-listed" and not named):
            members = set()
        else:
            members -= leaving
    return members


def applied(edit, current):
    assert not set(edit.add) & set(edit.remove)
    return (set() if edit.clear else set(current) - set(edit.remove)) | set(edit.add)


def edit_of(change, current):
    """The edit that a change comes to; None if it is refused."""
    if isinstance(change, MemberEdit):
        return change
    members = [KNOWN[one] for one in sorted(current)]
    try:
        return change.edit(members, {one: KNOWN[one] for one in change.named})
    except ScimError:
        return None


def outcome(chosen, current, strict=False):
    """The members that a PATCH leaves; None if it is refused."""
    try:
        change, passing = fold(steps_of(chosen, strict), strict)
    except ScimError:
        return None
    edit = edit_of(change, current)
    if edit is None:
        return None
    # An edit cannot tell by itself who is a member: the storage reports those that were not.
    absent = set(edit.remove) - set(current) - passing
    return None if strict and absent else applied(edit, current)


def expected(chosen, current, strict=False):
    try:
        return modelled(chosen, current, strict)
    except Refused:
        return None


@given(st.lists(groups_too, min_size=1, max_size=6), st.sets(ids))
def test_a_folded_change_has_the_effect_of_its_steps_in_order(chosen, current):
    assert outcome(chosen, current) == expected(chosen, current)


@given(st.lists(operations, min_size=1, max_size=6))
def test_steps_that_name_members_by_id_become_an_edit(chosen):
    change, _ = fold(steps_of(chosen), strict=False)
    assert isinstance(change, MemberEdit)


@example([("remove-one", [IDS[0]]), ("add", [IDS[0]])], set())
@given(st.lists(groups_too.filter(lambda one: one[0] != "remove-listed"), max_size=5), st.sets(ids))
def test_a_strict_workspace_refuses_the_removal_of_a_stranger(chosen, current):
    chosen = chosen or [("remove-all", [])]
    assert outcome(chosen, current, strict=True) == expected(chosen, current, strict=True)


@given(st.lists(groups_too, min_size=1, max_size=5), st.sets(ids))
def test_a_change_is_pure(chosen, current):
    change, _ = fold(steps_of(chosen), strict=False)
    assert edit_of(change, current) == edit_of(change, current)


@given(lists)
def test_take_moves_the_members_of_a_document_into_an_edit(named):
    document = {"displayName": "g", "members": [{"value": one} for one in named]}
    edit = take(document)
    assert document == {"displayName": "g"}
    assert edit.clear
    assert set(edit.add) == set(named)


@pytest.mark.parametrize("path", ['members[value eq "x"].display', 'members[type eq "Group"]'])
def test_an_attribute_of_a_member_cannot_be_changed(path):
    message = {
        "schemas": [PATCH_OP],
        "Operations": [{"op": "replace", "path": path, "value": {"display": "other"}}],
    }
    if path.endswith("display"):
        message["Operations"][0]["value"] = "other"
    with pytest.raises(ScimError) as caught:
        fold(split(prepare(message, GROUP_TYPE, Dialect()))[1], strict=False)
    assert caught.value.scim_type == "mutability"
