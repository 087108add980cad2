"""Unique group names hold from the transaction that sets them, for every writer."""

import asyncio
from dataclasses import replace

import pytest

from muster.directory.documents import parse
from muster.directory.versions import index_of_document, make_put, next_version
from muster.scim.schema.custom import extended
from muster.scim.schema.model import GROUP, registry
from muster.storage.ids import IdSource
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.errors import Conflict
from muster.storage.port.resources import Remove, Write
from muster.storage.repair.derived import bound

NOW = "2020-01-01T00:00:00.000Z"
ORIGIN = ChangeOrigin("a", "r", NOW)
KINDS = {unique: extended(registry(), [], [], unique).types["/Groups"] for unique in (False, True)}
"""Group as those know it who have heard of the setting, and those who have not."""
_ids = IdSource()


def group(name):
    return {"schemas": [GROUP], "displayName": name}


async def create(storage, workspace, name, kind):
    def decide(_):
        return make_put(group(name), kind, _ids(1_600_000_000_000), 1, NOW, NOW)

    return (await storage.write(Write(workspace.id, "Group", None, decide, ORIGIN))).stored


async def rename(storage, workspace, stored, name, kind):
    await storage.write(
        Write(
            workspace.id,
            "Group",
            stored.id,
            lambda now: next_version(now, group(name), kind, NOW),
            ORIGIN,
        )
    )


async def remove(storage, workspace, stored, kind):
    def decide(now):
        return Remove(now, index_of_document(parse(now.document), kind))

    await storage.write(Write(workspace.id, "Group", stored.id, decide, ORIGIN))


async def names(storage, workspace, table):
    sql = (
        f"SELECT value FROM {table} WHERE workspace = $1 AND type = 'Group'"
        " AND attribute = 'displayName' ORDER BY value"
    )
    return [row[0] for row in await storage.query(bound(sql, workspace.id))]


def change(bench, workspace, unique):
    bench.run(bench.storage.administer([replace(workspace, unique_group_names=unique)], [], []))


@pytest.mark.parametrize("known", [False, True])
def test_unique_names_hold_for_writers_that_know_the_old_setting(bench, known):
    workspace = bench.new_workspace()
    first = bench.run(create(bench.storage, workspace, "A", KINDS[False]))
    change(bench, workspace, unique=True)
    bench.run(create(bench.storage, workspace, "B", KINDS[known]))
    for name in ("a", "b"):
        with pytest.raises(Conflict) as caught:
            bench.run(create(bench.storage, workspace, name, KINDS[known]))
        assert caught.value.attribute == "displayName"
    with pytest.raises(Conflict):
        bench.run(rename(bench.storage, workspace, first, "b", KINDS[known]))
    bench.run(rename(bench.storage, workspace, first, "C", KINDS[known]))
    bench.run(create(bench.storage, workspace, "A", KINDS[known]))
    bench.run(remove(bench.storage, workspace, first, KINDS[known]))
    bench.run(create(bench.storage, workspace, "c", KINDS[known]))
    assert bench.run(names(bench.storage, workspace, "unique_values")) == ["a", "b", "c"]


@pytest.mark.parametrize("known", [False, True])
def test_names_may_be_shared_again_for_writers_that_know_the_old_setting(bench, known):
    workspace = bench.new_workspace()
    change(bench, workspace, unique=True)
    first = bench.run(create(bench.storage, workspace, "A", KINDS[True]))
    change(bench, workspace, unique=False)
    for _ in range(2):
        bench.run(create(bench.storage, workspace, "A", KINDS[not known]))
    bench.run(rename(bench.storage, workspace, first, "B", KINDS[not known]))
    assert bench.run(names(bench.storage, workspace, "unique_values")) == []
    assert bench.run(names(bench.storage, workspace, "lookups")) == ["a", "a", "b"]


def test_setting_is_refused_while_groups_share_a_name(bench):
    workspace = bench.new_workspace()
    for _ in range(2):
        bench.run(create(bench.storage, workspace, "A", KINDS[False]))

    async def at_once():
        changed = bench.storage.administer([replace(workspace, unique_group_names=True)], [], [])
        others = (
            create(bench.storage, workspace, f"B{number}", KINDS[False]) for number in range(5)
        )
        return await asyncio.gather(changed, *others, return_exceptions=True)

    outcomes = bench.run(at_once())
    assert isinstance(outcomes[0], Conflict)
    assert not [outcome for outcome in outcomes[1:] if isinstance(outcome, Exception)]
    assert bench.run(bench.storage.workspace(workspace.id)) == workspace
    assert bench.run(names(bench.storage, workspace, "unique_values")) == []


def test_unique_names_setting_may_change_during_writes(bench):
    """The setting changes while writers with the new and the old setting are at work."""
    workspace = bench.new_workspace()

    async def switch():
        for number in range(6):
            try:
                await bench.storage.administer(
                    [replace(workspace, unique_group_names=number % 2 == 0)], [], []
                )
            except Conflict:
                assert number % 2 == 0
            await asyncio.sleep(0.01)

    async def write(writer):
        mine = []
        for number in range(15):
            kind = KINDS[(number + writer) % 2 == 0]
            try:
                mine.append(await create(bench.storage, workspace, f"g{writer % 2}-{number}", kind))
                if number % 3 == 0:
                    await remove(bench.storage, workspace, mine.pop(0), KINDS[number % 2 == 0])
                elif number % 3 == 1:
                    await rename(bench.storage, workspace, mine[0], f"h{writer}-{number}", kind)
            except Conflict:
                continue

    async def together():
        await asyncio.gather(switch(), *map(write, range(4)))

    bench.run(together())
    unique = bench.run(bench.storage.workspace(workspace.id)).unique_group_names
    held, kept = (
        bench.run(names(bench.storage, workspace, table)) for table in ("unique_values", "lookups")
    )
    assert held == (kept if unique else [])
    assert not unique or len(set(kept)) == len(kept)
