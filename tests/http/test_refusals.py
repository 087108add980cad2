"""Rejected requests leave nothing in memory: no exceptions, frames or bodies."""

import asyncio
import gc
import importlib
import inspect
import logging
import pkgutil
import sqlite3
import types

import httpx
import pytest

import muster
from muster.directory.caller import Caller
from muster.http.wire.message import Request
from muster.scim.bulk import BULK_REQUEST
from muster.scim.errors import ScimError
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.errors import (
    Conflict,
    Held,
    NoSuchMember,
    Outdated,
    StorageError,
    StorageFull,
    TooExpensive,
    copy_exception,
)
from muster.storage.port.resources import Keep, Stored, Write
from muster.storage.postgres.loader import Loader
from muster.storage.sqlite import SqliteStorage
from tests.storage.conftest import ENGINES, Bench
from tests.support import databases
from tests.support.people import group, patch, person, replace

KEPT = (BaseException, types.TracebackType, types.FrameType, Caller, Request, asyncio.Future)
TIMES = 40


def modules():
    for found in pkgutil.walk_packages(muster.__path__, "muster."):
        if not found.name.endswith("__main__") and ".migrations." not in found.name:
            yield importlib.import_module(found.name)


def test_no_module_or_class_holds_an_exception():
    """One that is raised again and again keeps the frames of everyone who saw it."""
    held = []
    for module in modules():
        classes = [
            value
            for value in vars(module).values()
            if inspect.isclass(value) and value.__module__ == module.__name__
        ]
        for owner in (module, *classes):
            held += [
                f"{owner.__name__}.{name}"
                for name, value in vars(owner).items()
                if isinstance(value, BaseException)
            ]
    assert held == []


def _counts():
    counts = dict.fromkeys(KEPT, 0)
    for item in gc.get_objects():
        if isinstance(item, KEPT):
            counts[next(kind for kind in KEPT if isinstance(item, kind))] += 1
    return counts


class Refused:
    """A service in this process, and the requests that it refuses."""

    def __init__(self, app, client, user):
        self.app, self.client, self.user = app, client, user
        self.path = f"/scim/v2/Users/{user['id']}"

    async def unknown_path(self):
        return await self.client.get("/scim/v2/nothing/here")

    async def unknown_user(self):
        return await self.client.get("/scim/v2/Users/0190163d-8694-739b-aea5-966c26f8ad91")

    async def unknown_users_changed(self):
        return await self.client.patch(
            "/scim/v2/Users/0190163d-8694-739b-aea5-966c26f8ad91", json=replace("title", "x")
        )

    async def wrong_filter(self):
        return await self.client.get("/scim/v2/Users", params={"filter": "nosuch eq 1"})

    async def too_expensive(self):
        return await self.client.get(
            "/scim/v2/Users", params={"filter": 'title co "a" or nickName co "b"'}
        )

    async def too_expensive_over_types(self):
        return await self.client.get(
            "/scim/v2", params={"filter": 'displayName co "a"', "sortBy": "displayName"}
        )

    async def taken_name(self):
        return await self.client.post("/scim/v2/Users", json=person(self.user["userName"]))

    async def taken_names_together(self):
        return (await asyncio.gather(*(self.taken_name() for _ in range(5))))[0]

    async def wrong_document(self):
        return await self.client.post("/scim/v2/Users", json=person(active="perhaps"))

    async def wrong_json(self):
        return await self.client.post(
            "/scim/v2/Users", content=b"{", headers={"content-type": "application/scim+json"}
        )

    async def wrong_patch(self):
        return await self.client.patch(
            self.path, json=patch({"op": "add", "path": "nosuch", "value": 1})
        )

    async def wrong_member(self):
        return await self.client.post("/scim/v2/Groups", json=group(None, {"id": "nobody"}))

    async def wrong_version(self):
        return await self.client.delete(self.path, headers={"if-match": 'W/"77"'})

    async def wrong_method(self):
        return await self.client.put("/scim/v2/Users", json={})

    async def wrong_type(self):
        return await self.client.post(
            "/scim/v2/Users", content=b"x", headers={"content-type": "text/plain"}
        )

    async def wrong_key(self):
        return await self.client.get(self.path, headers={"authorization": "Bearer a.b.c"})

    async def wrong_setting(self):
        return await self.client.patch("/api/v1/settings", json={"nosuch": 1})

    async def wrong_bulk(self):
        operations = [{"method": "DELETE", "path": "/Users/x"}] * 3
        answer = await self.client.post(
            "/scim/v2/Bulk", json={"schemas": [BULK_REQUEST], "Operations": operations}
        )
        assert answer.json()["Operations"][0]["status"] == "404"
        return httpx.Response(400)

    async def storage_that_fails(self):
        return await self._failing(StorageError("the database is away"))

    async def storage_that_is_full(self):
        return await self._failing(StorageFull("the disk is full"))

    async def _failing(self, error):
        async def fail(*_):
            raise type(error)(*error.args)

        standing, self.app.storage.write = self.app.storage.write, fail
        try:
            return await self.client.patch(self.path, json=replace("title", "x"))
        finally:
            self.app.storage.write = standing


KINDS = [name for name in vars(Refused) if not name.startswith("_")]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def service(request, tmp_path_factory):
    database = (
        f"sqlite:///{tmp_path_factory.mktemp('refusals')}/m.db"
        if request.param == "sqlite"
        else databases.migrated_database()
    )
    options = {"request_log": False, "scan_seconds": 10.0, "rate_limit": 0, "requests_kept": 0}
    app = muster.create_app(muster.Settings(database=database, **options))
    with asyncio.Runner() as runner:
        runner.run(app.start())

        async def begin():
            token, _ = await app.keys.create(await app.storage.find_workspace("default"), "k")
            transport = httpx.ASGITransport(app)
            client = httpx.AsyncClient(
                transport=transport,
                base_url="http://x",
                headers={"authorization": f"Bearer {token}"},
            )
            return Refused(app, client, (await client.post("/scim/v2/Users", json=person())).json())

        made = runner.run(begin())
        gc.collect()
        gc.freeze()  # each test visits only the objects that are made from here on
        yield runner, made
        runner.run(app.close())


@pytest.mark.parametrize("kind", KINDS)
def test_rejected_requests_keep_no_objects_alive(service, kind, monkeypatch, caplog):
    runner, refused = service
    caplog.set_level(
        logging.CRITICAL + 1
    )  # what pytest keeps of the log is not kept by the service
    if "expensive" in kind:
        monkeypatch.setattr(type(refused.app.storage), "find", _too_expensive)

    async def refuse():
        for _ in range(TIMES):
            assert 400 <= (await getattr(refused, kind)()).status_code < 600

    runner.run(refuse())
    gc.collect()
    before = _counts()
    runner.run(refuse())
    gc.collect()
    after = _counts()
    grown = {
        kept.__name__: after[kept] - before[kept]
        for kept in KEPT
        if after[kept] > before[kept] + TIMES // 4
    }
    assert grown == {}


async def _too_expensive(*_):
    raise TooExpensive


def test_a_copy_of_an_exception_has_its_cause_and_no_traceback():
    for error in (
        StorageFull("full"),
        Outdated(),
        Conflict("userName"),
        Held(1, 2),
        NoSuchMember("x"),
        ScimError(409, "d", "uniqueness"),
    ):
        try:
            raise error from KeyError("cause")
        except Exception as raised:
            copied = copy_exception(raised)
        assert copied is not error
        assert (type(copied), str(copied), vars(copied)) == (type(error), str(error), vars(error))
        assert copied.__traceback__ is None
        assert copied.__cause__ is error.__cause__


@pytest.fixture(params=list(ENGINES))
def bench(request, tmp_path):
    made = Bench(ENGINES[request.param](tmp_path))
    yield made
    made.close()


def test_each_waiter_of_a_batch_gets_its_own_exception(bench, monkeypatch):
    """Requests that share a failed statement raise a copy of the error each."""
    write = storage_write(bench)

    async def both():
        if isinstance(bench.storage, SqliteStorage):
            monkeypatch.setattr(
                bench.storage._writer,
                "_execute",
                _broken(lambda: sqlite3.OperationalError("disk I/O error")),
            )
            calls = [lambda: bench.storage.write(write)]
        else:
            monkeypatch.setattr(
                bench.storage._writer, "_attempt", _broken(lambda: StorageError("away"))
            )
            loader = Loader(_broken(lambda: StorageError("away")))
            calls = [lambda: bench.storage.write(write), lambda: loader.load(1, 2)]
        return [
            await asyncio.gather(*(call() for _ in range(9)), return_exceptions=True)
            for call in calls
        ]

    for told in bench.run(both()):
        assert all(isinstance(error, StorageError) for error in told)
        assert len({id(error) for error in told}) == len(told)


def _broken(make):
    async def fail(*_):
        await asyncio.sleep(0)
        raise make()

    return fail


def storage_write(bench):
    return Write(
        bench.workspace.id,
        "User",
        None,
        lambda standing: Keep(Stored("", 0, b"")),
        ChangeOrigin("a", "r", "2020-01-01T00:00:00Z"),
    )
