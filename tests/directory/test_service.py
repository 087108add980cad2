"""The use cases on a clock that cannot be trusted."""

import asyncio
from datetime import UTC, datetime, timedelta

from muster.directory.service import Caller, Directory, Search
from muster.scim.schema import registry
from muster.storage.ids import key_of
from muster.storage.sqlite import SqliteStorage
from tests.people import person, replace

USER_TYPE = registry().types["/Users"]


def test_a_clock_that_jumps_back_makes_nothing_older(tmp_path):
    """Ids go on growing, lastModified never goes back, and lists keep their order."""
    moment = datetime(2030, 1, 1, tzinfo=UTC)

    async def run():
        nonlocal moment
        storage = SqliteStorage(str(tmp_path / "m.db"))
        await storage.migrate()
        await storage.start()
        caller = Caller(await storage.add_workspace("w", "rfc7644", False, "now"), "actor", "request")
        directory = Directory(storage, lambda: moment)
        first = await directory.create(caller, USER_TYPE, person())
        moment -= timedelta(days=400)
        second = await directory.create(caller, USER_TYPE, person())
        assert key_of(second.id) > key_of(first.id)
        changed = await directory.patch(caller, USER_TYPE, first.id, replace("title", "later"), lambda _: None)
        assert changed.version == 2
        assert b'"lastModified":"2030-01-01T00:00:00.000Z"' in changed.document
        listed = await directory.find(caller, USER_TYPE, Search())
        assert listed.documents.index(first.id.encode()) < listed.documents.index(second.id.encode())
        assert [change.action for change in await storage.changes(caller.workspace.id, 0, 9)] == ["create", "create", "update"]
        await storage.close()

    asyncio.run(run())
