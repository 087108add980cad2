"""Deleted workspaces are erased after their time of grace: whole, alone, and after a restart too."""

import asyncio

import pytest

from muster.access.administrators import Administrators
from muster.access.audit_notes import Administrator
from muster.access.connections import Connection, Connections
from muster.access.keys import Keys
from muster.access.lifecycle import delete_workspace
from muster.access.setup_links import TOKEN_KIND, NewLink, SetupLinks
from muster.access.workspaces import create_workspace, find_workspace, rename_workspace
from muster.directory.caller import Caller
from muster.directory.service import Directory
from muster.scim.schema.model import registry
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.engine import Statement
from muster.storage.port.items import ERASING_KIND, IDEMPOTENT_KIND, INSTALLATION, Item
from muster.storage.records.leases import Leases
from muster.storage.tables import metadata
from muster.upkeep import eraser as erasers
from muster.upkeep.eraser import Eraser
from tests.storage.conftest import bench
from tests.support.people import group, name, person

__all__ = ["bench"]
ORIGIN = ChangeOrigin("platform:x", "r", "2026-01-01T00:00:00.000Z", "192.0.2.1")
USERS = 7


def eraser(bench):
    return Eraser(bench.storage, Leases(bench.storage), Administrators(bench.storage))


def filled(bench):
    """Create a workspace with a row in most tables."""
    storage, label = bench.storage, name("w").partition("@")[0].lower()
    made = bench.run(create_workspace(storage, f"{label}-former", "rfc7644", ORIGIN))
    made = bench.run(rename_workspace(storage, made, label, ORIGIN))
    directory, caller = Directory(storage), Caller(made, "actor", "request")
    types = registry().types
    users = [
        bench.run(directory.create(caller, types["/Users"], person())).id for _ in range(USERS)
    ]
    members = [{"value": user} for user in users]
    bench.run(directory.create(caller, types["/Groups"], {**group(), "members": members}))
    bench.run(Keys(storage).create(made, "okta"))
    links = SetupLinks(storage, Connections(storage))
    bench.run(links.create(Administrator(made, ORIGIN, ()), NewLink(Connection())))
    return made


def rows(bench, workspace):
    """The number of rows of a workspace in each table that has some."""
    found = {}
    for table in metadata.tables.values():
        if "workspace" in table.columns:
            sql = f"SELECT count(*) FROM {table.name} WHERE workspace = $1"
            found[table.name] = bench.run(bench.storage.query(Statement(sql, (workspace.id,))))[0][
                0
            ]
    return {table: number for table, number in found.items() if number}


def test_a_workspace_is_erased_whole_and_no_other(bench, clock):
    gone, kept = filled(bench), filled(bench)
    before = rows(bench, kept)
    assert len(rows(bench, gone)) >= 8
    bench.run(delete_workspace(bench.storage, gone, ORIGIN))
    clock.advance(days=6, hours=23)
    bench.run(eraser(bench).erase_due())
    assert rows(bench, gone)["resources"] == USERS + 1
    clock.advance(hours=2)
    bench.run(eraser(bench).erase_due())
    assert rows(bench, gone) == {}
    tokens = bench.run(bench.storage.items(INSTALLATION, TOKEN_KIND))
    assert [token.body["workspace"] for token in tokens].count(gone.id) == 0
    assert [token.body["workspace"] for token in tokens].count(kept.id) == 1
    assert bench.run(bench.storage.workspace(gone.id)) is None
    assert bench.run(find_workspace(bench.storage, f"{gone.name}-former")) is None
    assert rows(bench, kept) == before
    bench.run(eraser(bench).erase_due())  # the sweep
    assert bench.run(bench.storage.items(INSTALLATION, ERASING_KIND)) == []
    notes = bench.run(bench.storage.changes(INSTALLATION, 0, 1000))
    acts = [row.action for row in notes if row.id == str(gone.id)]
    assert acts == ["create", "rename", "delete", "erase", "erased"]
    again = bench.run(create_workspace(bench.storage, gone.name, "rfc7644", ORIGIN))
    assert again.id > gone.id


def test_the_id_of_the_newest_workspace_is_not_given_again(bench, clock):
    gone = filled(bench)
    bench.run(delete_workspace(bench.storage, gone, ORIGIN))
    clock.advance(days=8)
    bench.run(eraser(bench).erase_due())
    assert bench.run(bench.storage.workspace(gone.id)) is None
    assert filled(bench).id > gone.id


def test_another_process_continues_where_one_has_died(bench, clock, monkeypatch):
    gone = filled(bench)
    bench.run(delete_workspace(bench.storage, gone, ORIGIN))
    clock.advance(days=8)
    monkeypatch.setattr(erasers, "CHUNK", 3)
    dying = eraser(bench)
    delete, calls = bench.storage.transact, []

    async def dies(workspace, statements):
        calls.append(statements)
        if len(calls) > 8:
            raise asyncio.CancelledError
        await delete(workspace, statements)

    monkeypatch.setattr(bench.storage, "transact", dies)
    with pytest.raises(asyncio.CancelledError):
        bench.run(dying.erase_due())
    monkeypatch.undo()
    monkeypatch.setattr(erasers, "CHUNK", 3)
    progress = bench.run(bench.storage.item(INSTALLATION, ERASING_KIND, str(gone.id))).body
    assert 0 < progress["done"] < progress["total"]
    assert rows(bench, gone)
    bench.run(eraser(bench).erase_due())
    assert rows(bench, gone)  # the lease of the dead process lasts
    clock.advance(minutes=2)
    bench.run(eraser(bench).erase_due())
    assert rows(bench, gone) == {}


def test_rows_that_come_late_are_swept(bench, clock):
    gone = filled(bench)
    bench.run(delete_workspace(bench.storage, gone, ORIGIN))
    clock.advance(days=8)
    bench.run(eraser(bench).erase_due())
    late = "INSERT INTO counts (workspace, type, total) VALUES ($1, 'User', 1)"
    bench.run(bench.storage.transact(INSTALLATION, [Statement(late, (gone.id,))]))
    bench.run(eraser(bench).erase_due())
    assert rows(bench, gone) == {}


def test_answers_that_are_a_day_old_are_forgotten(bench, clock):
    clock.advance(days=1000)
    days = [f"{clock.moment.date()}:x", "2020-01-01:x"]
    bench.run(
        bench.storage.administer([Item(INSTALLATION, IDEMPOTENT_KIND, day, {}) for day in days])
    )
    bench.run(eraser(bench)._forget_answers())
    left = bench.run(bench.storage.items(INSTALLATION, IDEMPOTENT_KIND))
    assert [item.id for item in left] == days[:1]


def test_administrators_lose_their_role_there(bench, clock):
    gone, kept = filled(bench), filled(bench)
    administrators = Administrators(bench.storage)

    def administrator(*workspaces):
        roles = {str(workspace.id): ["Admin"] for workspace in workspaces}
        made = bench.run(administrators.prepare(name("a"), "correct horse battery", roles))
        bench.run(bench.storage.administer([made.item()]))
        return made

    alone, both = administrator(gone), administrator(gone, kept)
    bench.run(delete_workspace(bench.storage, gone, ORIGIN))
    clock.advance(days=8)
    bench.run(eraser(bench).erase_due())
    assert bench.run(administrators.get(alone.id)) is None
    assert bench.run(administrators.get(both.id)).roles == {str(kept.id): ["Admin"]}
