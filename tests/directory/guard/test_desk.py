"""The changes that the guard holds: shown, approved and rejected."""

from dataclasses import replace

import pytest

from muster.directory.caller import Caller
from muster.directory.guard.desk import GuardDesk, HeldWrite
from muster.directory.guard.policy import Withheld
from muster.directory.service import Directory
from muster.scim.errors import ScimError
from muster.scim.schema.model import registry
from tests.support.people import person
from tests.support.people import replace as setting

USERS = registry().types["/Users"]
DEACTIVATE = setting("active", False)


def anything(_):
    """A precondition that holds."""


class Guarded:
    """A workspace of four users in which one user may lose access within an hour."""

    def __init__(self, bench):
        self.run, self.storage = bench.run, bench.storage
        self.directory = Directory(bench.storage)
        self.desk = GuardDesk(bench.storage, self.directory)
        workspace = replace(bench.new_workspace(), guard_mode="hold", guard_share=0, guard_least=1)
        self.caller = Caller(workspace, "key:provider", "request")
        self.admin = Caller(workspace, "admin:ann", "decision")
        self.users = [
            self.run(self.directory.create(self.caller, USERS, person(f"user{n}"))).id
            for n in range(4)
        ]

    def delete(self, user, caller=None):
        self.run(self.directory.delete(caller or self.caller, USERS, user, anything))

    def deactivate(self, user, caller=None):
        work = self.directory.patch(caller or self.caller, USERS, user, DEACTIVATE, anything)
        self.run(work)

    def hold(self, work, user):
        with pytest.raises(Withheld):
            work(user)

    def state(self):
        return self.run(self.desk.state(self.admin))

    def held(self):
        return [(held.id, held.attempted) for held in self.state().held]

    def exists(self, user):
        return self.run(self.storage.get(self.caller.workspace.id, "User", user)) is not None

    def is_active(self, user):
        stored = self.run(self.directory.get(self.caller, USERS, user))
        return b'"active":true' in stored.document

    def actions(self):
        changes = self.run(self.storage.changes(self.caller.workspace.id, 0, 100))
        return [(c.action, c.id, c.origin.actor) for c in changes if c.action in ("let", "keep")]


@pytest.fixture
def guarded(bench, clock):
    return Guarded(bench)


def test_the_state_shows_the_limit_and_each_held_change_oldest_first(guarded, clock):
    first, second, third, fourth = guarded.users
    assert (guarded.state().done, guarded.state().allowed, guarded.held()) == (0, 1, [])
    guarded.delete(first)
    guarded.hold(guarded.delete, third)
    clock.advance(seconds=1)
    guarded.hold(guarded.deactivate, second)
    state = guarded.state()
    assert (state.mode, state.done, state.allowed) == ("hold", 1, 1)
    assert guarded.held() == [(third, "delete"), (second, "deactivate")]
    shown = state.held[1]
    assert shown == HeldWrite(second, "user1", "deactivate", shown.time, "key:provider")
    assert guarded.exists(third)
    assert guarded.is_active(second)
    clock.advance(hours=1, seconds=1)
    assert (guarded.state().done, len(guarded.held())) == (0, 2)
    assert fourth not in dict(guarded.held())


def test_the_latest_attempt_on_a_user_is_the_one_that_is_held(guarded, clock):
    first, second, *_ = guarded.users
    guarded.delete(first)
    guarded.hold(guarded.deactivate, second)
    guarded.hold(guarded.delete, second)
    assert guarded.held() == [(second, "delete")]


def test_an_approved_change_is_executed_beyond_the_limit_and_audited(guarded):
    first, second, third, _ = guarded.users
    guarded.delete(first)
    guarded.hold(guarded.delete, second)
    guarded.hold(guarded.deactivate, third)
    guarded.run(guarded.desk.approve(guarded.admin, second))
    assert not guarded.exists(second)
    assert guarded.held() == [(third, "deactivate")]
    assert guarded.state().done == 1  # an administrator has decided, so it is not counted
    guarded.run(guarded.desk.approve(guarded.admin, third))
    assert not guarded.is_active(third)
    assert guarded.held() == []
    assert guarded.actions() == [("let", second, "admin:ann"), ("let", third, "admin:ann")]


def test_all_held_changes_can_be_approved_at_once(guarded):
    first, second, third, fourth = guarded.users
    guarded.delete(first)
    for user in (second, third):
        guarded.hold(guarded.delete, user)
    guarded.hold(guarded.deactivate, fourth)
    assert guarded.run(guarded.desk.approve_all(guarded.admin)) == 3
    assert [guarded.exists(user) for user in (second, third, fourth)] == [False, False, True]
    assert not guarded.is_active(fourth)
    assert guarded.run(guarded.desk.approve_all(guarded.admin)) == 0


def test_a_rejected_change_is_discarded_and_audited(guarded):
    first, second, *_ = guarded.users
    guarded.delete(first)
    guarded.hold(guarded.delete, second)
    guarded.run(guarded.desk.reject(guarded.admin, second))
    assert guarded.exists(second)
    assert guarded.held() == []
    assert guarded.actions() == [("keep", second, "admin:ann")]
    guarded.hold(guarded.delete, second)
    assert guarded.held() == [(second, "delete")]


def test_a_change_made_by_other_means_is_no_longer_shown(guarded):
    first, second, third, _ = guarded.users
    guarded.delete(first)
    guarded.hold(guarded.delete, second)
    guarded.hold(guarded.deactivate, third)
    unguarded = replace(guarded.admin, guarded=False)
    guarded.delete(second, unguarded)
    guarded.deactivate(third, unguarded)
    assert guarded.held() == []
    guarded.run(guarded.desk.approve(guarded.admin, second))
    assert guarded.actions() == [("let", second, "admin:ann")]


@pytest.mark.parametrize("decide", ["approve", "reject"])
def test_a_change_is_decided_once(guarded, decide):
    first, second, *_ = guarded.users
    guarded.delete(first)
    guarded.hold(guarded.delete, second)
    work = getattr(guarded.desk, decide)
    guarded.run(work(guarded.admin, second))
    for user in (second, first, "nobody"):
        with pytest.raises(ScimError) as caught:
            guarded.run(work(guarded.admin, user))
        assert caught.value.status == 404


def test_held_changes_of_another_workspace_are_out_of_reach(guarded, bench):
    other = Guarded(bench)
    first, second, *_ = guarded.users
    guarded.delete(first)
    guarded.hold(guarded.delete, second)
    assert other.held() == []
    with pytest.raises(ScimError) as caught:
        other.run(other.desk.approve(other.admin, second))
    assert caught.value.status == 404
    assert guarded.exists(second)


def test_the_limit_is_shown_as_if_the_guard_were_on(guarded):
    off = replace(guarded.caller.workspace, guard_mode="off", guard_share=50)
    state = guarded.run(guarded.desk.state(replace(guarded.admin, workspace=off)))
    assert (state.mode, state.done, state.allowed) == ("off", 0, 2)
