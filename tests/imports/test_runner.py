"""Runs of imports whose end is interrupted, or whose starter may no longer import."""

import asyncio
import uuid
from dataclasses import replace

import pytest

from muster.access.lifecycle import delete_workspace, suspend_workspace
from muster.access.permissions import SCIM, SETTINGS
from muster.app import build_services
from muster.base.clock import timestamp
from muster.config import Settings
from muster.imports import runner
from muster.imports.store import (
    DONE,
    IMPORTING,
    REHEARSED,
    REHEARSING,
    RUNNING,
    STOPPED,
)
from muster.imports.table import read_table
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.errors import StorageError
from tests.storage.conftest import bench

__all__ = ["bench"]
ORIGIN = ChangeOrigin("test", "request", timestamp(), "127.0.0.1")


class Imports:
    """A workspace, and an administrator who imports."""

    def __init__(self, bench, *permissions):
        self.run, self.storage = bench.run, bench.storage
        self.workspace = bench.new_workspace().id
        self.services = build_services(bench.storage, Settings())
        self.email = f"{uuid.uuid4().hex}@example.com"
        roles = {str(self.workspace): list(permissions)}
        self.admin = bench.run(
            self.services.administrators.create(self.email, "correct horse battery", roles, ORIGIN)
        )

    def begun(self, rows=450, **options):
        """An import that is due."""
        text = "userName\n" + "".join(f"u{number}\n" for number in range(rows))
        return self.begun_with(text, **options)

    def begun_with(self, text, **options):
        """An import of a text that is due; its headings are attributes."""
        store, table = self.services.imports, read_table(text.encode())
        actor = f"admin:{self.email}"
        made = self.run(
            store.create(self.workspace, table, "a.csv", table.headings, actor, "127.0.0.1")
        )
        return self.run(store.begin(made, replace(made, **{"state": IMPORTING, **options})))

    def look(self, services=None):
        importing = (services or self.services).importing

        async def work():
            await importing.look()
            await importing.idle()

        self.run(work())

    def now(self, found):
        return self.run(self.services.imports.get(self.workspace, found.id))

    def is_due(self, found):
        queued = self.run(self.services.imports.queued())
        return next(runs for _, import_id, runs, _ in queued if import_id == found.id)


@pytest.fixture
def imports(bench):
    return Imports(bench, SCIM)


def test_a_report_names_so_many_users_and_those_who_are_deactivated_first(imports, monkeypatch):
    monkeypatch.setattr(runner, "_MOST_CHANGED", 1)
    monkeypatch.setattr("muster.imports.store.CHUNK", 2)
    imports.begun(rows=5)
    imports.look()
    active = ("yes", "yes", "no", "no", "yes")
    rows = "".join(f"u{number},{word},x\n" for number, word in enumerate(active))
    found = imports.begun_with(f"userName,active,title\n{rows}", state=REHEARSING)
    imports.look()
    ended = imports.now(found)
    assert (ended.state, ended.counts) == (REHEARSED, {"updated": 5, "deactivated": 2})
    assert [(line, *rest) for line, _, *rest in ended.changed] == [
        (4, "u2", True, ["title", "active"]),
        (2, "u0", False, ["title"]),
    ]
    again = imports.run(imports.services.imports.begin(ended, replace(ended, state=IMPORTING)))
    assert again.changed == []


def test_the_end_of_an_import_and_its_place_in_the_queue_are_stored_together(
    imports, bench, monkeypatch
):
    found, administer = imports.begun(), bench.storage.administer
    lost = []

    async def interrupted(puts, *others):
        """Lose the connection once, at the first write that changes its place in the queue."""
        places = [item.id for item in puts if getattr(item, "kind", "") == "import-queue"]
        if (
            f"{found.workspace}/{found.id}" in places and not lost
        ):  # other tests may have left imports that are due
            lost.append(puts)
            raise StorageError("connection lost")
        await administer(puts, *others)

    monkeypatch.setattr(bench.storage, "administer", interrupted)
    imports.look()
    assert lost
    assert imports.now(found).state == IMPORTING
    imports.look()
    ended = imports.now(found)
    assert (ended.state, ended.counts, imports.is_due(found)) == (DONE, {"created": 450}, False)


def test_an_import_that_another_process_has_ended_is_not_run_again(imports, bench, monkeypatch):
    found = imports.begun(rows=3)
    queued = imports.run(imports.services.imports.queued())
    imports.look()
    ended = imports.now(found)
    late = build_services(bench.storage, Settings())

    async def stale():
        return [item for item in queued if item[1] == found.id]

    monkeypatch.setattr(late.imports, "queued", stale)
    imports.look(late)
    assert imports.now(found) == ended
    assert (ended.state, ended.state in RUNNING) == (DONE, False)
    assert not imports.is_due(found)


@pytest.mark.parametrize(
    ("held", "left", "overrides"),
    [((SCIM,), None, False), ((SCIM,), (), False), ((SCIM, SETTINGS), (SCIM,), True)],
    ids=["removed", "no permission", "no override"],
)
def test_an_import_stops_once_its_starter_may_no_longer_import(
    bench, monkeypatch, held, left, overrides
):
    imports = Imports(bench, *held)
    found = imports.begun(overrides=overrides)
    administrators, store = imports.services.administrators, imports.services.imports
    advance = store.advance

    async def advanced(current, *others):
        """Take the rights of the starter away after the first chunk."""
        kept = await advance(current, *others)
        if left is None:
            await administrators.remove(imports.admin, ORIGIN)
        else:
            roles = {str(imports.workspace): list(left)}
            await bench.storage.administer([replace(imports.admin, roles=roles).item()])
        return kept

    monkeypatch.setattr(store, "advance", advanced)
    imports.look()
    ended = imports.now(found)
    assert (ended.state, ended.counts, imports.is_due(found)) == (STOPPED, {"created": 200}, False)
    assert imports.email in ended.stopped
    assert (SETTINGS if overrides else SCIM) in ended.stopped


@pytest.mark.parametrize("close", [suspend_workspace, delete_workspace])
def test_an_import_stops_when_its_workspace_is_suspended_or_deleted(imports, monkeypatch, close):
    found, store = imports.begun(), imports.services.imports
    advance = store.advance

    async def advanced(current, *others):
        """Close the workspace after the first chunk."""
        kept = await advance(current, *others)
        workspace = await imports.storage.workspace(imports.workspace)
        reason = ["overdue"] if close is suspend_workspace else []
        await close(imports.storage, workspace, *reason, ORIGIN)
        return kept

    monkeypatch.setattr(store, "advance", advanced)
    imports.look()
    ended = imports.now(found)
    assert (ended.state, ended.counts, imports.is_due(found)) == (STOPPED, {"created": 200}, False)
    assert f"was {'suspended' if close is suspend_workspace else 'deleted'} at" in ended.stopped


def test_the_permissions_of_an_actor_are_those_of_no_other_administrator(imports, bench):
    administrators, mine = imports.services.administrators, imports.admin
    other = replace(mine, id="o" * 16, password=None, connector=imports.workspace)
    shared = replace(mine, id="s" * 16, password=None, connector=0)

    def permissions(actor):
        return bench.run(administrators.permissions_of(actor, imports.workspace))

    assert permissions(f"admin:{mine.email}") == (SCIM,)
    for admin, actor in ((other, "openid:any:"), (shared, "openid:*:")):
        assert permissions(actor + mine.email) == ()
        bench.run(bench.storage.administer([admin.item()]))
        assert permissions(actor + mine.email) == (SCIM,)
    assert permissions("visitor") == permissions("key:x") == ()


def test_a_lease_is_extended_during_a_chunk(imports, monkeypatch):
    found, store, leases = imports.begun(rows=3), imports.services.imports, imports.services.leases
    monkeypatch.setattr(runner, "_LEASE_SECONDS", 0.5)
    take, advance, taken = leases.take, store.advance, asyncio.Event()

    async def counted(*others):
        if chunk:
            taken.set()
        return await take(*others)

    async def slow(*others):
        """Finish the chunk once the lease was extended."""
        chunk.append(others)
        async with asyncio.timeout(20):
            await taken.wait()
        return await advance(*others)

    chunk = []
    monkeypatch.setattr(leases, "take", counted)
    monkeypatch.setattr(store, "advance", slow)
    imports.look()
    assert imports.now(found).state == DONE
