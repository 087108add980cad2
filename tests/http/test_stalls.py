"""The largest requests do not block the event loop."""

import asyncio
import json
import time
from asyncio.events import Handle

import httpx
import pytest

from muster.access.keys import Keys
from muster.access.permissions import ADMIN
from muster.app import Muster
from muster.config import Settings
from muster.scim.bulk import BULK_REQUEST
from tests.support import postgres
from tests.support.people import error_of, patch, person

MOST_SECONDS = 0.06
"""Of processor time. Each request here took 0.1 to 0.6 s of it in the event loop before it was moved to a thread."""


class Loop:
    """A service in a loop whose callbacks are timed."""

    def __init__(self, database, monkeypatch):
        self.runner = asyncio.Runner()
        self.app = Muster(
            Settings(database=database, rate_limit=0, request_log=False, requests_kept=0)
        )
        self._lifespan = self.app.lifespan()
        self.longest = 0.0
        run = Handle._run

        def timed(handle):
            began = time.thread_time()
            run(handle)
            self.longest = max(self.longest, time.thread_time() - began)

        monkeypatch.setattr(Handle, "_run", timed)
        self.runner.run(self._begin())

    async def _begin(self):
        await self._lifespan.__aenter__()
        workspace = await self.app.storage.find_workspace("default")
        token = (await Keys(self.app.storage).create(workspace, "k", (ADMIN,)))[0]
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app),
            base_url="http://test/scim/v2",
            headers=headers,
            timeout=60,
        )

    def ask(self, method, path, body=None):
        """The answer to a request, once it is checked that no callback kept the loop for long."""
        content = None if body is None else json.dumps(body, separators=(",", ":")).encode()

        async def asked():
            await asyncio.sleep(0)
            self.longest = 0.0
            response = await asyncio.create_task(self.client.request(method, path, content=content))
            await asyncio.sleep(0)
            return response

        response = self.runner.run(asked())
        assert self.longest < MOST_SECONDS, f"{method} kept the loop for {self.longest:.3f} s"
        return response

    def close(self):
        self.runner.run(self._lifespan.__aexit__(None, None, None))
        self.runner.close()


@pytest.fixture(params=["sqlite", "postgres"])
def loop(request, tmp_path, monkeypatch):
    made = Loop(
        f"sqlite:///{tmp_path / 'muster.db'}"
        if request.param == "sqlite"
        else postgres.new_database(),
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
