"""Protected users: who they are, since when and why; a limited number of each workspace."""

import pytest

from muster.access import protection
from muster.access.protection import (
    MOST_PROTECTED,
    ProtectedUser,
    Protection,
    protected_users,
)
from muster.scim.errors import ScimError


@pytest.fixture
def here(bench, administrator):
    return Here(bench, administrator)


class Here:
    """The protected users of a workspace."""

    def __init__(self, bench, administrator):
        self._run, self._storage, self.by = bench.run, bench.storage, administrator
        self.workspace = administrator.workspace.id
        self.protection = Protection(bench.storage)

    def protect(self, user, reason=""):
        return self._run(self.protection.protect(self.by, user, reason))

    def end(self, user):
        self._run(self.protection.end(self.by, user))

    def all(self):
        return self._run(self.protection.all(self.workspace))

    def ids(self):
        return self._run(protected_users(self._storage, self.workspace))

    def notes(self):
        changes = self._run(self._storage.changes(self.workspace, 0, 100))
        return [(change.type, change.id, change.action) for change in changes]


def test_a_user_is_protected_until_the_protection_ends(here):
    made = here.protect("u1", " the last administrator ")
    origin = here.by.origin
    assert made == ProtectedUser("u1", "the last administrator", origin.actor, origin.time)
    assert here.all() == [made]
    assert here.ids() == {"u1"}
    here.end("u1")
    assert (here.all(), here.ids()) == ([], frozenset())
    assert here.notes() == [("User", "u1", "protect"), ("User", "u1", "unprotect")]
    with pytest.raises(ScimError) as refused:
        here.end("u1")
    assert refused.value.status == 404


def test_the_same_reason_again_writes_nothing_and_another_one_replaces_it(here):
    first = here.protect("u1", "a")
    assert here.protect("u1", "a") == first
    assert len(here.notes()) == 1
    assert here.protect("u1", "b").reason == "b"
    assert [user.reason for user in here.all()] == ["b"]
    assert len(here.notes()) == 2


def test_users_of_another_workspace_are_not_protected(bench, here):
    here.protect("u1")
    other = bench.new_workspace().id
    assert bench.run(protected_users(bench.storage, other)) == frozenset()
    assert bench.run(here.protection.find(other, "u1")) is None


@pytest.mark.slow
def test_so_many_users_are_protected_and_no_more(bench, administrator):
    protected = Protection(bench.storage)
    for number in range(MOST_PROTECTED):
        bench.run(protected.protect(administrator, f"user-{number}", ""))
    with pytest.raises(ScimError) as refused:
        bench.run(protected.protect(administrator, "one-more", ""))
    assert (refused.value.status, f"{MOST_PROTECTED:,}" in refused.value.detail) == (409, True)
    changed = bench.run(protected.protect(administrator, "user-1", "a reason"))
    assert changed.reason == "a reason"
    assert len(bench.run(protected.all(administrator.workspace.id))) == MOST_PROTECTED


def test_a_reason_has_so_many_characters_and_no_more(bench, administrator):
    protected = Protection(bench.storage)
    longest = "x" * protection._MAX_REASON
    assert bench.run(protected.protect(administrator, "a", longest)).reason == longest
    with pytest.raises(ScimError) as refused:
        bench.run(protected.protect(administrator, "b", longest + "x"))
    assert refused.value.status == 400
    assert bench.run(protected.find(administrator.workspace.id, "b")) is None
