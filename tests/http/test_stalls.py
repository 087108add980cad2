"""The largest requests do not block the event loop."""

import asyncio
import json
import sys
from asyncio.events import Handle

import httpx
import pytest

from muster.access.keys import Keys
from muster.app import Muster
from muster.config import Settings
from muster.scim.bulk import BULK_REQUEST
from tests.support import databases
from tests.support.people import error_of, patch, person

MOST_CALLS = 60_000
"""Calls of one callback: about 20 ms. Calls are counted because times depend on the machine.

The requests here cost at most 48,000, and 90,000 to 5,000,000 before their work moved to a thread.
"""


class Loop:
    """A service in an event loop that counts the function calls of each callback."""

    def __init__(self, database, monkeypatch):
        self.runner = asyncio.Runner()
        self.app = Muster(
            Settings(database=database, rate_limit=0, request_log=False, requests_kept=0)
        )
        self._lifespan = self.app.lifespan()
        self.most = 0
        run = Handle._run

        def counted(handle):
            calls = 0

            def count(_frame, event, _argument):
                nonlocal calls
                calls += event in ("call", "c_call")

            sys.setprofile(count)
            try:
                run(handle)
            finally:
                sys.setprofile(None)
            self.most = max(self.most, calls)

        monkeypatch.setattr(Handle, "_run", counted)
        self.runner.run(self._begin())

    async def _begin(self):
        await self._lifespan.__aenter__()
        workspace = await self.app.storage.find_workspace("default")
        token = (await Keys(self.app.storage).create(workspace, "k"))[0]
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app),
            base_url="http://test/scim/v2",
            headers=headers,
            timeout=60,
        )

    def ask(self, method, path, body=None):
        """The answer to a request, once it is checked that no callback was long."""
        content = None if body is None else json.dumps(body, separators=(",", ":")).encode()

        async def asked():
            await asyncio.sleep(0)
            self.most = 0
            response = await asyncio.create_task(self.client.request(method, path, content=content))
            await asyncio.sleep(0)
            return response

        response = self.runner.run(asked())
        assert self.most < MOST_CALLS, f"{method} made {self.most:,} calls in one callback"
        return response

    def close(self):
        self.runner.run(self._lifespan.__aexit__(None, None, None))
        self.runner.close()


@pytest.fixture(params=["sqlite", "postgres"])
def loop(request, tmp_path, monkeypatch):
    made = Loop(
        f"sqlite:///{databases.migrated_file(tmp_path / 'muster.db')}"
        if request.param == "sqlite"
        else databases.migrated_database(),
        monkeypatch,
    )
    yield made
    made.close()


def emails(number):
    return [
        {"value": f"u{n}@example.com", "type": "work", "display": "x" * 200} for n in range(number)
    ]


def large_person():
    """As many elements as a body may have values."""
    others = {
        name: [{"value": f"{n}"} for n in range(4_900)]
        for name in ("ims", "photos", "phoneNumbers")
    }
    return person(emails=emails(4_900), **others)


@pytest.mark.slow
def test_large_documents(loop):
    large = large_person()
    user = loop.ask("POST", "/Users", large).json()
    assert len(user["emails"]) == 4_900
    path = f"/Users/{user['id']}"
    assert loop.ask("PUT", path, {**large, "title": "x"}).status_code == 200
    assert (
        loop.ask("PATCH", path, patch({"op": "replace", "path": "title", "value": "y"})).json()[
            "title"
        ]
        == "y"
    )
    assert loop.ask("GET", path).json()["title"] == "y"
    assert loop.ask("DELETE", path).status_code == 204


def test_many_values(loop):
    assert loop.ask("POST", "/Users", person(unknown=[{}] * 49_000)).status_code == 201
    assert loop.ask("POST", "/Users", person(emails=[None] * 90_000)).status_code == 400


@pytest.mark.slow
def test_many_comparisons(loop):
    user = loop.ask("POST", "/Users", person(emails=emails(1_000))).json()
    path = f"/Users/{user['id']}"

    def change(*operations):
        return loop.ask("PATCH", path, patch(*operations))

    display = {"op": "replace", "value": "y"}
    one = [{**display, "path": f'emails[value eq "u{n}@example.com"].display'} for n in range(100)]
    assert change(*one).status_code == 200
    assert (
        change(
            *[{**display, "path": "emails.display", "value": f"{n}"} for n in range(100)]
        ).status_code
        == 200
    )
    assert (
        change(
            *[
                {"op": "add", "path": "emails", "value": [{"value": f"n{n}@x.org"}]}
                for n in range(90)
            ]
        ).status_code
        == 200
    )
    assert (
        change(
            *[{"op": "remove", "path": f'emails[value eq "u{n}@example.com"]'} for n in range(90)]
        ).status_code
        == 200
    )
    error_of(change(*one, *one), 400, "tooMany")


def test_one_large_operation_of_a_bulk_request(loop):
    operations = [{"method": "POST", "path": "/Users", "bulkId": "a", "data": large_person()}]
    operations += [
        {"method": "POST", "path": "/Users", "bulkId": f"b{n}", "data": person()}
        for n in range(100)
    ]
    answer = loop.ask("POST", "/Bulk", {"schemas": [BULK_REQUEST], "Operations": operations})
    assert {result["status"] for result in answer.json()["Operations"]} == {"201"}


@pytest.mark.slow
def test_large_pages_of_changes(loop):
    """The feed, the audit log and the history encode their rows in turns."""
    user = loop.ask("POST", "/Users", person(title="x")).json()
    title = {"op": "replace", "path": "title"}
    for number in range(20):
        operations = [
            {"method": "PATCH", "path": f"/Users/{user['id']}", "data": patch({**title, "value": f"{number}.{n}"})}
            for n in range(50)
        ]  # fmt: skip
        loop.ask("POST", "/Bulk", {"schemas": [BULK_REQUEST], "Operations": operations})
    for path, rows in ((f"/history/{user['id']}", 200), ("/audit", 900), ("/changes", 900)):
        answer = loop.ask("GET", f"http://test/api/v1{path}?limit={rows}").json()
        assert len(answer["items"]) > rows - 2, path
        assert loop.most < MOST_CALLS / 2, path
