"""`query` runs several statements at a time, and each gets its own rows."""

import asyncio

import pytest

from muster.storage.port.engine import Statement
from muster.storage.port.errors import StatementRejected


def test_concurrent_queries_get_their_own_rows(bench):
    """Threads on one connection may run a statement with each other's parameters."""
    workspaces = [bench.new_workspace() for _ in range(8)] * 200

    async def ask(workspace):
        return await bench.storage.query(
            Statement("SELECT name FROM workspaces WHERE id = $1", (workspace.id,))
        )

    async def together():
        return await asyncio.gather(*map(ask, workspaces))

    for workspace, rows in zip(workspaces, bench.run(together()), strict=True):
        assert [row[0] for row in rows] == [workspace.name]


def test_cancelled_read_does_not_affect_the_others(bench):
    workspaces = [bench.new_workspace() for _ in range(4)]

    async def ask(workspace, give_up):
        asking = asyncio.ensure_future(
            bench.storage.query(
                Statement("SELECT name FROM workspaces WHERE id = $1", (workspace.id,))
            )
        )
        if give_up:
            await asyncio.sleep(0)
            asking.cancel()
        try:
            return [row[0] for row in await asking] == [workspace.name]
        except asyncio.CancelledError:
            return None

    async def together():
        return await asyncio.gather(*(ask(workspaces[n % 4], n % 3 == 0) for n in range(600)))

    assert set(bench.run(together())) == {True, None}


@pytest.mark.parametrize(
    "statement",
    [
        Statement("SELECT nothing FROM nowhere", ()),
        Statement("SELECT count(* FROM workspaces", ()),
    ],
    ids=["unknown table", "syntax"],
)
def test_rejected_statement_is_a_defect_and_not_an_outage(bench, statement):
    with pytest.raises(StatementRejected) as caught:
        bench.run(bench.storage.query(statement))
    assert (caught.value.status, caught.value.retry_after) == (500, None)
    assert bench.run(
        bench.storage.query(
            Statement("SELECT name FROM workspaces WHERE id = $1", (bench.workspace.id,))
        )
    )


def test_violated_constraint_is_not_an_outage(bench):
    insert = Statement(
        "INSERT INTO counts (workspace, type, total) VALUES ($1, 'Thing', 1)",
        (bench.new_workspace().id,),
    )
    workspace = insert.parameters[0]
    bench.run(bench.storage.transact(workspace, [insert]))
    with pytest.raises(StatementRejected):
        bench.run(bench.storage.transact(workspace, [insert]))
