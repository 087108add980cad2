"""The switches and the guard as functions of documents and settings."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.directory.guard.policy import (
    WINDOW,
    Withheld,
    check_change,
    check_create,
    check_delete,
    deprovisions,
    guard_of,
    held_by_guard,
    reprovisions,
)
from muster.scim.schema.model import registry
from muster.storage.port.accounts import Workspace
from muster.storage.port.errors import Held

USER_TYPE, GROUP_TYPE = (registry().types[endpoint] for endpoint in ("/Users", "/Groups"))
NOW = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
OPEN = Workspace(1, "acme", "rfc7644", False, "2026-01-01T00:00:00+00:00")
documents = st.sampled_from([{}, {"active": True}, {"active": False}])
maybe = st.one_of(st.none(), documents)


def has_access(document):
    """A user without `active` is active, and one that does not exist has no access."""
    return document is not None and document.get("active", True)


@given(documents, maybe)
def test_a_user_is_deprovisioned_if_access_ends(before, after):
    ends = has_access(before) and not has_access(after)
    assert deprovisions(USER_TYPE, before, after) == ends
    assert not deprovisions(GROUP_TYPE, before, after)


@given(maybe, documents)
def test_a_user_is_reprovisioned_if_access_begins(before, after):
    begins = has_access(after) and not has_access(before)
    assert reprovisions(USER_TYPE, before, after) == begins
    assert not reprovisions(GROUP_TYPE, before, after)


def attempted(check, *arguments):
    """The error of a check that withholds an action; None if it allows it."""
    try:
        check(*arguments)
    except Withheld as withheld:
        return withheld.attempted, withheld.status, withheld.guarded
    return None


@given(st.booleans(), st.booleans(), documents, documents)
def test_each_switch_withholds_its_own_actions_on_users_alone(create, remove, before, after):
    workspace = replace(OPEN, automatic_provisioning=create, automatic_deprovisioning=remove)
    assert attempted(check_create, workspace, USER_TYPE) == (
        None if create else ("create", 403, False)
    )
    assert attempted(check_delete, workspace, USER_TYPE) == (
        None if remove else ("delete", 403, False)
    )
    deactivates = has_access(before) and not has_access(after)
    assert attempted(check_change, workspace, USER_TYPE, before, after) == (
        ("deactivate", 403, False) if deactivates and not remove else None
    )
    for check, *arguments in ((check_create,), (check_delete,), (check_change, before, after)):
        assert attempted(check, workspace, GROUP_TYPE, *arguments) is None


@pytest.mark.parametrize(("mode", "holds"), [("hold", True), ("watch", False)])
def test_the_guard_counts_over_the_last_hour(mode, holds):
    guard = guard_of(replace(OPEN, guard_mode=mode, guard_share=7, guard_least=3), NOW)
    assert (guard.share, guard.least, guard.holds) == (7, 3, holds)
    assert datetime.fromisoformat(guard.since) == NOW - WINDOW
    assert WINDOW.total_seconds() == 3600


def test_a_guard_that_is_off_is_none():
    assert guard_of(replace(OPEN, guard_mode="off"), NOW) is None


@given(st.integers(0, 100), st.integers(0, 50), st.integers(0, 5000), st.integers(0, 500))
def test_so_many_may_lose_access_as_share_and_least_allow(share, least, users, gone):
    guard = guard_of(replace(OPEN, guard_share=share, guard_least=least), NOW)
    allowed = guard.allowed(users, gone)
    assert allowed >= least
    assert allowed == least or allowed * 100 <= (users + gone) * share < (allowed + 1) * 100
    # Deleting a user moves it from `users` to `gone`: the limit does not shrink on the way.
    assert users == 0 or guard.allowed(users - 1, gone + 1) == allowed


@given(st.integers(0, 100), st.integers(0, 50), st.integers(0, 200_000), st.integers(0, 20_000))
def test_the_deleted_users_are_left_out_only_where_they_cannot_matter(share, least, users, done):
    guard = guard_of(replace(OPEN, guard_share=share, guard_least=least), NOW)
    if not guard.depends_on_gone(users, done):
        assert done + 1_000 < guard.allowed(users, 0) <= guard.allowed(users, done)
    assert guard.depends_on_gone(users, guard.allowed(users, 0))


def test_a_held_write_names_the_count_and_the_limit():
    withheld = held_by_guard(Held(done=21, allowed=20), "delete")
    assert (withheld.status, withheld.attempted, withheld.guarded) == (403, "delete", True)
    assert "21" in withheld.detail
    assert "20" in withheld.detail
