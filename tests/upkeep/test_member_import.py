"""Memberships of imported groups, stored after all resources."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muster.directory.caller import Caller
from muster.directory.groups.members import all_members
from muster.directory.service import Directory
from muster.scim.schema.model import registry
from muster.upkeep.member_import import MemberImport
from muster.upkeep.new_ids import NewIds
from tests.support.people import group, person

TYPES = registry().types
UNKNOWN = "0190163d-8694-739b-aea5-966c26f8ad91"


class Copy:
    """A workspace with users and groups, into which memberships are imported."""

    def __init__(self, bench, users=3, groups=2):
        self._bench = bench
        self.workspace = bench.new_workspace()
        self._directory = Directory(bench.storage)
        self.users = [self._create("/Users", person()) for _ in range(users)]
        self.groups = [self._create("/Groups", group()) for _ in range(groups)]

    def _create(self, endpoint, document):
        caller = Caller(self.workspace, "key:k", "r")
        made = self._directory.create(caller, TYPES[endpoint], document)
        return self._bench.run(made).id

    def take(self, *lines, rehearse=False, new_ids=None, others=()):
        """Import lines of a group, the id on the line and its members. Returns the refusals.

        Args:
            others: Lines of other resources: the type, the id on the line and the id it gets.
        """
        refused = []
        storage, kind = self._bench.storage, TYPES["/Groups"]
        with MemberImport(storage, self.workspace, kind, rehearse, refused, new_ids) as taken:
            for number, (name, given, resource_id) in enumerate(others, 101):
                taken.add_line(number, name, given, resource_id, ())
            for number, (resource_id, given, members) in enumerate(lines, 1):
                taken.add_line(number, "Group", given, resource_id, tuple(members))
            self._bench.run(taken.join())
        return refused

    def members(self, group_id):
        async def collect():
            found = all_members(self._bench.storage, self.workspace.id, group_id)
            return [member.id async for member in found]

        return self._bench.run(collect())

    def version(self, group_id):
        found = self._bench.storage.get(self.workspace.id, "Group", group_id)
        return self._bench.run(found).version


def test_members_may_come_after_their_group_and_be_groups(bench):
    copy = Copy(bench)
    first, second = copy.groups
    assert copy.take((first, first, [second, *copy.users]), (second, second, [copy.users[0]])) == []
    assert copy.members(first) == sorted([second, *copy.users])
    assert copy.members(second) == [copy.users[0]]
    assert copy.version(first) == copy.version(second) == 1


def test_importing_memberships_again_changes_nothing(bench):
    copy = Copy(bench)
    line = (copy.groups[0], copy.groups[0], copy.users)
    copy.take(line)
    before = bench.run(bench.storage.latest_change(copy.workspace.id))
    assert copy.take(line) == []
    assert bench.run(bench.storage.latest_change(copy.workspace.id)) == before


def test_members_that_do_not_exist_are_named_and_left_out(bench):
    copy = Copy(bench)
    missing = [UNKNOWN, "nobody", "x" * 60, "y"]
    refused = copy.take((copy.groups[0], "g", [missing[0], copy.users[1], *missing[1:]]))
    named = f"{UNKNOWN}, nobody, {'x' * 40}"
    assert refused == [
        (1, f"members: 4 do not exist as users or groups and were left out: {named}")
    ]
    assert copy.members(copy.groups[0]) == [copy.users[1]]


def test_a_group_that_has_other_members_is_refused(bench):
    copy = Copy(bench)
    target = copy.groups[0]
    copy.take((target, target, copy.users[:2]))
    refused = copy.take((target, target, copy.users[1:]))
    assert refused == [(1, f"id: {target} exists already, with other members")]
    assert copy.members(target) == sorted(copy.users[:2])


def test_ids_on_the_lines_that_are_not_ours_stand_for_the_new_resources(bench):
    copy = Copy(bench)
    others = [("User", "okta-1", copy.users[0]), ("Group", "okta-2", copy.groups[1])]
    line = (copy.groups[0], "okta-3", ["okta-1", "okta-2", copy.users[2]])
    assert copy.take(line, others=others) == []
    assert copy.members(copy.groups[0]) == sorted([copy.users[0], copy.groups[1], copy.users[2]])


def test_members_of_a_copy_are_the_copies(bench):
    """Beside its original, every resource has a new id that depends on its id."""
    copy, new_ids = Copy(bench), NewIds("copy")
    original = copy.users[0]
    copied = new_ids.of(original)
    refused = copy.take((copy.groups[0], "g", [original]), new_ids=new_ids)
    assert copied != original
    assert refused == [
        (1, f"members: 1 do not exist as users or groups and were left out: {copied}")
    ]


def test_a_rehearsal_knows_the_resources_that_the_import_would_create(bench):
    copy = Copy(bench, users=0, groups=0)
    others = [("User", UNKNOWN, UNKNOWN), ("Lamp", "lamp", "lamp")]
    line = (UNKNOWN[:-1] + "0", "g", [UNKNOWN, "lamp", "nobody"])
    refused = copy.take(line, rehearse=True, others=others)
    assert refused == [
        (1, "members: 2 do not exist as users or groups and were left out: lamp, nobody")
    ]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.integers(0, 6), max_size=4, unique=True), min_size=2, max_size=3))
def test_a_rehearsal_reports_the_same_as_the_import_and_stores_nothing(bench, lines):
    copy = Copy(bench)
    pool = [*copy.users, *copy.groups, UNKNOWN, "nobody"]
    given = [
        (copy.groups[number % 2], copy.groups[number % 2], [pool[member] for member in members])
        for number, members in enumerate(lines[:2])
    ]
    before = bench.run(bench.storage.latest_change(copy.workspace.id))
    rehearsed = copy.take(*given, rehearse=True)
    assert bench.run(bench.storage.latest_change(copy.workspace.id)) == before
    assert copy.take(*given) == rehearsed
    for group_id, _, members in given:
        assert copy.members(group_id) == sorted(set(members) & set(pool[:5]))


@pytest.mark.parametrize("members", [(), []])
def test_a_group_without_members_is_left_as_it_is(bench, members):
    copy = Copy(bench)
    before = bench.run(bench.storage.latest_change(copy.workspace.id))
    assert copy.take((copy.groups[0], "g", members)) == []
    assert bench.run(bench.storage.latest_change(copy.workspace.id)) == before
