"""Reading all members of a group, in pages, while others change it."""

import pytest

from muster.directory.caller import Caller
from muster.directory.groups import members
from muster.directory.groups.members import all_members, first_members, member_pages
from muster.directory.service import Directory
from muster.scim.schema.model import GROUP, registry
from tests.support.people import person

USERS, GROUPS = registry().types["/Users"], registry().types["/Groups"]


class Group:
    """A group with some users in it."""

    def __init__(self, bench):
        self.bench, self.storage = bench, bench.storage
        self.caller = Caller(bench.new_workspace(), "actor", "request")
        self.directory = Directory(bench.storage)
        self.id = ""

    async def fill(self, count):
        users = [await self.directory.create(self.caller, USERS, person()) for _ in range(count)]
        values = [{"value": user.id} for user in users]
        body = {"schemas": [GROUP], "displayName": "g", "members": values}
        self.id = (await self.directory.create(self.caller, GROUPS, body)).id
        return [user.id for user in users]

    async def edit(self, op, *users):
        """Add or remove members."""
        values = [{"value": user} for user in users]
        patch = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": op, "path": "members", "value": values}],
        }
        await self.directory.patch(self.caller, GROUPS, self.id, patch, lambda _: None)

    @property
    def place(self):
        return self.storage, self.caller.workspace.id, self.id


@pytest.fixture
def group(bench, monkeypatch):
    monkeypatch.setattr(members, "_PAGE", 3)
    return Group(bench)


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (2, [2]), (3, [3]), (7, [3, 3, 1])])
def test_all_members_come_in_pages_in_the_order_of_their_ids(group, count, sizes):
    async def run():
        users = await group.fill(count)
        pages = [page async for page in member_pages(*group.place)]
        assert [len(page) for page in pages] == sizes
        assert [member.id for page in pages for member in page] == sorted(users)
        assert [member.id async for member in all_members(*group.place)] == sorted(users)

    group.bench.run(run())


def test_a_member_that_stays_is_yielded_once_while_others_come_and_go(group):
    async def run():
        users = await group.fill(9)
        late = await group.directory.create(group.caller, USERS, person())
        found = []
        async for page in member_pages(*group.place):
            found += [member.id for member in page]
            if len(found) == 3:  # some that were read, some that were not
                await group.edit("remove", users[0], users[2], users[4])
                await group.edit("add", late.id)
        assert found == [*users[:4], *users[5:], late.id]

    group.bench.run(run())


def test_a_group_of_another_workspace_has_no_members(group):
    async def run():
        await group.fill(4)
        other = group.bench.storage, group.caller.workspace.id + 1, group.id
        assert [member async for member in all_members(*other)] == []

    group.bench.run(run())


@pytest.mark.parametrize("most", [1, 4, 9])
def test_the_first_members_are_those_with_the_lowest_ids(group, most):
    async def run():
        users = await group.fill(5)
        assert [member.id for member in await first_members(*group.place, most)] == users[:most]

    group.bench.run(run())
