"""Keyed reads that wait together share a statement."""

import asyncio

import pytest

from muster.storage.port.errors import StorageError
from muster.storage.postgres.loader import Loader


class Server:
    """A server that answers each statement when told to, with its data at that moment."""

    def __init__(self) -> None:
        self.asked = []
        self.has = {}

    async def fetch(self, scope, keys):
        answered = asyncio.get_running_loop().create_future()
        self.asked.append((scope, sorted(keys), answered))
        await answered
        return {key: self.has[key] for key in keys if key in self.has}

    def answer(self, nth):
        self.asked[nth][2].set_result(None)

    @property
    def keys(self):
        return [keys for _, keys, _ in self.asked]


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


def test_waiting_reads_share_one_statement():
    async def run():
        server = Server()
        loader = Loader(server.fetch)
        server.has = {key: f"v{key}" for key in range(6)}
        loads = [asyncio.ensure_future(loader.load("w", key)) for key in (0, 1, 2, 3, 2, 9)]
        await settle()
        assert server.keys == [[0], [1]]  # the first go at once, each by itself
        server.answer(0)
        await settle()
        assert server.keys[2:] == [[2, 3, 9]]
        server.answer(1)
        server.answer(2)
        assert await asyncio.gather(*loads) == ["v0", "v1", "v2", "v3", "v2", None]
        assert not loader._lanes

    asyncio.run(run())


def test_reads_during_a_statement_go_with_the_next_one():
    async def run():
        server = Server()
        loader = Loader(server.fetch)
        before = [asyncio.ensure_future(loader.load("w", "a")) for _ in range(2)]
        await settle()
        server.has["a"] = "written"
        after = asyncio.ensure_future(loader.load("w", "a"))
        await settle()
        assert len(server.asked) == 2
        server.answer(0)
        await settle()
        server.answer(1)
        server.answer(2)
        assert await after == "written"
        await asyncio.gather(*before)

    asyncio.run(run())


def test_scopes_do_not_share_statements_or_wait_for_each_other():
    async def run():
        server = Server()
        loader = Loader(server.fetch)
        loads = [
            asyncio.ensure_future(loader.load(scope, key))
            for scope in ("v", "w")
            for key in range(3)
        ]
        await settle()
        assert [(scope, keys) for scope, keys, _ in server.asked] == [
            ("v", [0]),
            ("v", [1]),
            ("w", [0]),
            ("w", [1]),
        ]
        for nth in range(4):
            server.answer(nth)
        await settle()
        assert [(scope, keys) for scope, keys, _ in server.asked[4:]] == [("v", [2]), ("w", [2])]
        server.answer(4)
        server.answer(5)
        await asyncio.gather(*loads)

    asyncio.run(run())


def test_failed_statement_fails_only_its_own_reads():
    async def run():
        server = Server()
        failing = True

        async def fetch(scope, keys):
            found = await server.fetch(scope, keys)
            if failing:
                raise StorageError("gone")
            return found

        loader = Loader(fetch)
        loads = [asyncio.ensure_future(loader.load("w", key)) for key in range(4)]
        await settle()
        for nth in (0, 1, 2):
            server.answer(nth)
            await settle()
        results = await asyncio.gather(*loads, return_exceptions=True)
        assert [type(result) for result in results] == [StorageError] * 4
        failing = False
        server.has = {5: "there"}
        late = asyncio.ensure_future(loader.load("w", 5))
        await settle()
        server.answer(3)
        assert await late == "there"
        assert not loader._lanes

    asyncio.run(run())


@pytest.mark.parametrize("who", [0, 2])
def test_cancelled_load_leaves_the_other_loads_intact(who):
    async def run():
        server = Server()
        server.has = dict.fromkeys(range(5), "there")
        loader = Loader(server.fetch)
        loads = [asyncio.ensure_future(loader.load("w", key)) for key in range(5)]
        await settle()
        loads[who].cancel()
        await settle()
        for nth in range(len(server.asked)):
            if not server.asked[nth][2].done():
                server.answer(nth)
        await settle()
        for asked in server.asked:
            if not asked[2].done():
                asked[2].set_result(None)
        results = await asyncio.gather(*loads, return_exceptions=True)
        assert [result for nth, result in enumerate(results) if nth != who] == ["there"] * 4
        assert isinstance(results[who], asyncio.CancelledError)
        assert not loader._lanes

    asyncio.run(run())
