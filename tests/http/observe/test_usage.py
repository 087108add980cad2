"""The counter of requests: nothing is lost or counted twice if the storage fails."""

import asyncio
from types import SimpleNamespace

import pytest

from muster.http.observe.usage import UsageCounter
from muster.storage.port.errors import StorageError
from muster.storage.port.items import INSTALLATION


class Store:
    def __init__(self):
        self.rows, self.fails = [], 0

    async def add(self, counted):
        while counted:
            if self.fails:
                self.fails -= 1
                raise StorageError("busy")
            self.rows.append(counted.pop(0))


def grant(workspace, connection=None):
    return SimpleNamespace(
        workspace=SimpleNamespace(id=workspace), key=SimpleNamespace(connection=connection)
    )


def test_requests_are_counted_by_workspace_and_connection(clock):
    store = Store()
    counter = UsageCounter(store)
    for place, status in (
        ((1,), 200), ((1,), 404), ((1, "okta"), 503), ((2,), 201), ((INSTALLATION,), 401),
    ):  # fmt: skip
        counter.note(grant(*place), status)
    asyncio.run(counter.flush())
    asyncio.run(counter.flush())
    today = clock.moment.date().isoformat()
    assert [(row.workspace, row.connection, row.requests, row.refusals) for row in store.rows] == [
        (1, "default", 2, 1),
        (1, "okta", 1, 1),
        (2, "default", 1, 0),
    ]
    assert {row.day for row in store.rows} == {today}


def test_counts_that_cannot_be_stored_wait_for_the_next_time(clock):
    store = Store()
    counter = UsageCounter(store)
    counter.note(grant(1), 200)
    store.fails = 1
    with pytest.raises(StorageError):
        asyncio.run(counter.flush())
    counter.note(grant(1), 200)
    asyncio.run(counter.flush())
    assert [row.requests for row in store.rows] == [1, 1]
