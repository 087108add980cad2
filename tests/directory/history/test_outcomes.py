"""The decisions of restoring, rolling back and wiping: pure functions of the current state."""

from dataclasses import replace

import pytest
from hypothesis import given

from muster.directory.documents import parse
from muster.directory.guard.policy import Withheld
from muster.directory.history import outcomes
from muster.directory.versions import index_of_document, make_put
from muster.scim.dialects import Dialect
from muster.scim.document import read
from muster.scim.schema.model import GROUP, USER, registry
from muster.storage.ids import id_of
from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import Change, ChangeOrigin
from muster.storage.port.members import MemberDelta
from muster.storage.port.resources import Keep, Put, Remove
from tests.support.strategies import users

USERS, GROUPS = (registry().types[endpoint] for endpoint in ("/Users", "/Groups"))
OLD, NOW = "2020-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z"
ID = id_of(7 << 40, 5)
ON = Workspace(1, "w", "rfc7644", False, "")
OFF = replace(ON, automatic_provisioning=False, automatic_deprovisioning=False)


def stored(document, version=1, kind=USERS, time=OLD):
    canonical = read(document, kind, Dialect())
    return make_put(canonical, kind, ID, version, time, time, None, {}).stored


def user(**attributes):
    return {"schemas": [USER], "userName": "ann", **attributes}


def change(state, action="update"):
    origin = ChangeOrigin("key:k", "r", OLD)
    return Change(1, origin, "User", ID, action, state.version, state.document)


def content(found):
    """A document without its meta."""
    document = parse(found.document)
    document.pop("meta")
    return document


def restore(past, current, switches=None, version=9):
    decide = outcomes.restore_to(change(past), USERS, ID, version, NOW, switches)
    first, second = decide(current), decide(current)
    assert first == second  # the storage may decide again
    return first


@given(users(), users())
def test_a_restored_document_is_the_past_one_at_the_next_version(before, after):
    past, current = stored(before), stored(after, version=4)
    outcome = restore(past, current)
    if content(past) == content(current):
        assert outcome == Keep(current)
        return
    assert isinstance(outcome, Put)
    assert content(outcome.stored) == content(past)
    assert outcome.stored.version == 5
    meta = parse(outcome.stored.document)["meta"]
    assert (meta["created"], meta["lastModified"]) == (OLD, NOW)
    whole = parse(outcome.stored.document)
    assert outcome.index == index_of_document(whole, USERS)
    assert outcome.before == index_of_document(parse(current.document), USERS)
    was, becomes = (content(found).get("active") is not False for found in (current, past))
    assert (outcome.deprovisions, outcome.reprovisions) == (
        was and not becomes,
        becomes and not was,
    )


@given(users())
def test_a_deleted_resource_keeps_its_id_and_time_of_creation(document):
    outcome = restore(stored(document), None)
    assert (outcome.stored.id, outcome.stored.version, outcome.before) == (ID, 9, None)
    assert content(outcome.stored) == content(stored(document))
    assert parse(outcome.stored.document)["meta"]["created"] == OLD
    assert outcome.reprovisions == (content(outcome.stored).get("active") is not False)


@pytest.mark.parametrize(
    ("past", "current"),
    [
        (user(), None),
        (user(active=False), user(active=True)),
    ],
)
def test_the_switches_withhold_what_they_forbid(past, current):
    given = None if current is None else stored(current, 2)
    assert isinstance(restore(stored(past), given, ON), Put)
    with pytest.raises(Withheld):
        restore(stored(past), given, OFF)


def test_the_switches_allow_other_changes():
    assert isinstance(restore(stored(user(title="a")), stored(user(title="b"), 2), OFF), Put)


def test_a_deletion_names_the_values_and_the_loss_of_access():
    for active in (True, False):
        current = stored(user(active=active))
        outcome = outcomes.delete_if_present(USERS, None)(current)
        assert outcome == Remove(
            current, index_of_document(parse(current.document), USERS), deprovisions=active
        )
    with pytest.raises(Withheld):
        outcomes.delete_if_present(USERS, OFF)(stored(user()))
    assert isinstance(outcomes.delete_if_present(USERS, OFF)(None), Keep)


def test_a_group_gets_a_version_only_if_its_members_change():
    current = stored({"schemas": [GROUP], "displayName": "Crew"}, 3, GROUPS)
    decide = outcomes.bump_if_members_change(GROUPS, NOW)
    assert decide(current) == Keep(current)
    assert isinstance(decide(None), Keep)
    current.delta = MemberDelta(("a",), ())
    bumped = decide(current)
    assert bumped.stored.version == 4
    assert content(bumped.stored) == content(current)
    assert parse(bumped.stored.document)["meta"]["lastModified"] == NOW
    assert outcomes.bump(GROUPS, NOW)(current).stored == bumped.stored
