"""Restoring one resource to a former state, with its memberships."""

import pytest

from muster.base.clock import timestamp
from muster.directory.caller import Caller
from muster.directory.documents import parse
from muster.directory.groups.members import all_members
from muster.directory.history.restore import Restorer
from muster.directory.service import Directory
from muster.scim.errors import ScimError
from muster.scim.schema.model import registry
from tests.support.people import group, person, replace

USERS, GROUPS = (registry().types[endpoint] for endpoint in ("/Users", "/Groups"))


class Past:
    """A workspace whose clock moves by a second before each change."""

    def __init__(self, bench, clock):
        self._bench, self._clock = bench, clock
        self.caller = Caller(bench.new_workspace(), "admin:ann", "r")
        self.directory = Directory(bench.storage)
        self.restorer = Restorer(bench.storage)

    def _do(self, work):
        self._clock.advance(seconds=1)
        return self._bench.run(work)

    def create(self, kind, document):
        return self._do(self.directory.create(self.caller, kind, document)).id

    def put(self, kind, resource_id, document):
        self._do(self.directory.replace(self.caller, kind, resource_id, document, lambda _: None))

    def patch(self, kind, resource_id, message):
        self._do(self.directory.patch(self.caller, kind, resource_id, message, lambda _: None))

    def delete(self, kind, resource_id):
        self._do(self.directory.delete(self.caller, kind, resource_id, lambda _: None))

    def now(self):
        self._clock.advance(seconds=1)
        return timestamp()

    def sequence(self, resource_id, number):
        """The sequence number of a change of a resource, counted from 0."""
        found = self._bench.storage.history(self.caller.workspace.id, resource_id, None, 100)
        return self._bench.run(found)[-1 - number].sequence

    def restore(self, kind, resource_id, number):
        sequence = self.sequence(resource_id, number)
        return self._do(self.restorer.restore(self.caller, kind, resource_id, sequence))

    def restore_to(self, kind, resource_id, time):
        return self._do(self.restorer.restore_to(self.caller, kind, resource_id, time))

    def get(self, kind, resource_id):
        return parse(self._do(self.directory.get(self.caller, kind, resource_id)).document)

    def members(self, group_id):
        async def collect():
            found = all_members(self._bench.storage, self.caller.workspace.id, group_id)
            return {member.id async for member in found}

        return self._bench.run(collect())


@pytest.fixture
def past(bench, clock):
    return Past(bench, clock)


def test_a_user_returns_to_the_state_after_a_change(past):
    user = past.create(USERS, person(title="a"))
    first = past.get(USERS, user)
    past.patch(USERS, user, replace("title", "b"))
    back = past.restore(USERS, user, 0)
    assert (back.stored.version, back.left_out) == (3, [])
    found = past.get(USERS, user)
    assert {**found, "meta": 0} == {**first, "meta": 0}
    assert past.restore(USERS, user, 0).stored.version == 3  # it is there already


def test_a_deleted_user_rejoins_the_groups_that_the_deletion_took(past):
    user, other = past.create(USERS, person()), past.create(USERS, person())
    crew = past.create(GROUPS, group("Crew", {"id": user}, {"id": other}))
    former = past.create(GROUPS, group("Former", {"id": user}))
    past.put(GROUPS, former, group("Former"))
    past.delete(USERS, user)
    assert past.members(crew) == {other}
    past.restore(USERS, user, 0)
    assert past.members(crew) == {user, other}
    assert past.members(former) == set()


def test_a_time_restores_the_memberships_of_that_time(past):
    user = past.create(USERS, person(title="a"))
    crew = past.create(GROUPS, group("Crew", {"id": user}))
    then = past.now()
    past.patch(USERS, user, replace("title", "b"))
    past.put(GROUPS, crew, group("Crew"))
    later = past.create(GROUPS, group("Later", {"id": user}))
    past.restore_to(USERS, user, then)
    assert past.get(USERS, user)["title"] == "a"
    assert (past.members(crew), past.members(later)) == ({user}, set())


def test_a_group_regains_its_members_without_those_that_are_gone(past):
    user, gone = past.create(USERS, person()), past.create(USERS, person())
    crew = past.create(GROUPS, group("Crew", {"id": user}, {"id": gone}))
    past.put(GROUPS, crew, group("Other"))
    past.delete(USERS, gone)
    back = past.restore(GROUPS, crew, 0)
    assert back.left_out == [gone]
    assert past.members(crew) == {user}
    assert past.get(GROUPS, crew)["displayName"] == "Crew"


def test_a_value_that_another_resource_has_taken_is_named(past):
    user = past.create(USERS, person("ann@x.example"))
    past.delete(USERS, user)
    past.create(USERS, person("ann@x.example"))
    with pytest.raises(ScimError, match=r"userName: another User has taken this value") as refused:
        past.restore(USERS, user, 0)
    assert refused.value.status == 409


def test_changes_and_times_of_other_resources_are_unknown(past):
    early = past.now()
    user, other = past.create(USERS, person()), past.create(USERS, person())
    strange = past.sequence(other, 0)
    asked = [
        past.restorer.restore(past.caller, USERS, user, strange),
        past.restorer.restore(past.caller, GROUPS, user, past.sequence(user, 0)),
        past.restorer.restore_to(past.caller, USERS, user, early),
        past.restorer.restore_to(past.caller, GROUPS, user, timestamp()),
    ]
    for work in asked:
        with pytest.raises(ScimError) as refused:
            past._do(work)
        assert refused.value.status == 404
