"""The use cases under an unreliable clock and with large bodies."""

import asyncio
import threading
from datetime import UTC, datetime

import pytest

from muster.directory.caller import Caller
from muster.directory.service import Directory, Search
from muster.scim import document as documents
from muster.scim import patch
from muster.scim.errors import ScimError
from muster.scim.schema.model import registry
from muster.storage.ids import key_of
from muster.storage.sqlite import SqliteStorage
from tests.support.databases import migrated_file
from tests.support.people import person, replace

USER_TYPE = registry().types["/Users"]


def test_times_and_ids_never_go_back_although_the_clock_does(tmp_path, clock):
    """Ids keep growing, lastModified never decreases, and lists keep their order."""
    clock.moment = datetime(2030, 1, 1, tzinfo=UTC)

    async def run():
        storage = SqliteStorage(migrated_file(tmp_path / "m.db"))
        await storage.start()
        caller = Caller(
            await storage.add_workspace("w", "rfc7644", False, "now"), "actor", "request"
        )
        directory = Directory(storage)
        first = await directory.create(caller, USER_TYPE, person())
        clock.advance(days=-400)
        second = await directory.create(caller, USER_TYPE, person())
        assert key_of(second.id) > key_of(first.id)
        changed = await directory.patch(
            caller, USER_TYPE, first.id, replace("title", "later"), lambda _: None
        )
        assert changed.version == 2
        assert b'"lastModified":"2030-01-01T00:00:00.000Z"' in changed.document
        listed = await directory.find(caller, USER_TYPE, Search())
        assert listed.documents.index(first.id.encode()) < listed.documents.index(
            second.id.encode()
        )
        assert [change.action for change in await storage.changes(caller.workspace.id, 0, 9)] == [
            "create",
            "create",
            "update",
        ]
        await storage.close()

    asyncio.run(run())


def test_a_large_body_is_parsed_on_a_thread_with_the_same_result(tmp_path, monkeypatch):
    threads = []

    def noted(read):
        def call(*given):
            threads.append(threading.current_thread())
            return read(*given)

        return call

    for module, name in ((documents, "read"), (patch, "prepare")):
        monkeypatch.setattr(module, name, noted(getattr(module, name)))

    async def run():
        storage = SqliteStorage(migrated_file(tmp_path / "m.db"))
        await storage.start()
        caller = Caller(
            await storage.add_workspace("w", "rfc7644", False, "now"), "actor", "request"
        )
        directory = Directory(storage)
        for caller.body_bytes in (0, 10**9):
            made = await directory.create(caller, USER_TYPE, person())
            changed = await directory.patch(
                caller, USER_TYPE, made.id, replace("title", "x"), lambda _: None
            )
            assert b'"title":"x"' in changed.document
            replaced = await directory.replace(
                caller, USER_TYPE, made.id, person(title="y"), lambda _: None
            )
            assert b'"title":"y"' in replaced.document
            with pytest.raises(ScimError, match="emails"):
                await directory.create(caller, USER_TYPE, person(emails=7))
        await storage.close()

    asyncio.run(run())
    assert [thread is threading.main_thread() for thread in threads] == [True] * 4 + [False] * 4
