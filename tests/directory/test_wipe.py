"""Wiping a workspace."""

import asyncio

from muster.directory.caller import Caller
from muster.directory.service import Directory, Search
from muster.directory.wipe import wipe
from muster.scim.schema.model import registry
from muster.storage.port.errors import PageTooLarge
from tests.support.people import person

USERS = registry().types["/Users"]


class Refilled:
    """A storage in which a client creates another user during each deletion."""

    def __init__(self, storage, create) -> None:
        self._storage, self._create = storage, create

    def __getattr__(self, name):
        return getattr(self._storage, name)

    async def write_all(self, workspace, writes):
        await self._create()
        return await self._storage.write_all(workspace, writes)


def test_wipe_ends_although_a_client_keeps_creating_users(bench):
    caller, directory = Caller(bench.new_workspace(), "actor", "request"), Directory(bench.storage)

    async def create():
        return await directory.create(caller, USERS, person())

    async def run():
        there = [await create() for _ in range(3)]
        async with asyncio.timeout(20):
            assert await wipe(Refilled(bench.storage, create), caller) == 3
        left = await directory.find(caller, USERS, Search())
        assert left.count == 1
        assert not any(gone.id.encode() in left.documents for gone in there)

    bench.run(run())


def test_resources_that_do_not_fit_in_one_page_are_deleted_all_the_same(bench, monkeypatch):
    caller, directory = Caller(bench.new_workspace(), "actor", "request"), Directory(bench.storage)
    find = bench.storage.find

    async def find_little(query):
        """Answer as if three resources were more than a page holds."""
        if query.limit > 2:
            raise PageTooLarge
        return await find(query)

    monkeypatch.setattr(bench.storage, "find", find_little)

    async def run():
        for _ in range(5):
            await directory.create(caller, USERS, person())
        assert await wipe(bench.storage, caller) == 5

    bench.run(run())
