"""Verification of the audit log's chain: any alteration breaks it."""

import asyncio
import re

import pytest

from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.repair.derived import bound
from muster.upkeep.audit_verification import verify
from tests.support.people import person, replace
from tests.support.tenant import Tenant


@pytest.fixture
def filled(server):
    with Tenant(server) as made:
        for n in range(5):
            user = made.user(title=f"t{n}")
            made.scim.patch(f"/Users/{user['id']}", json=replace("title", "x"))
        made.api.post("/keys", json={"name": "k"})
        made.scim.post("/Bulk", json={
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": [{"method": "POST", "path": "/Users", "bulkId": str(n), "data": person()} for n in range(20)],
        })  # fmt: skip
        yield made


def tampered(server, sql, *values):
    """Change the database behind muster's back."""
    import muster
    from muster.storage.engines import open_storage

    async def run():
        storage = open_storage(muster.Settings(database=server.environment["MUSTER_DATABASE"]))
        await storage.start()
        rows = await storage.query(bound("SELECT id FROM workspaces WHERE name = $1", values[0]))
        await storage.transact(rows[0][0], [bound(sql, rows[0][0], *values[1:])])
        await storage.close()

    asyncio.run(run())


def test_verification_finds_the_first_altered_change(server, filled):
    whole = server.muster("audit", "verify")
    assert whole.stdout.endswith("0 breaks\n")
    third = "(SELECT sequence FROM changes WHERE workspace = $1 ORDER BY sequence LIMIT 1 OFFSET 3)"
    tampered(
        server,
        f"UPDATE changes SET actor = 'nobody' WHERE workspace = $1 AND sequence = {third}",
        filled.name,
    )
    broken = server.muster("audit", "verify", check=False)
    assert broken.returncode == 1
    assert broken.stdout.startswith(f"{filled.name}: the chain breaks at change")
    assert broken.stdout.endswith("1 breaks\n")
    tampered(server, "DELETE FROM changes WHERE workspace = $1", filled.name)
    assert server.muster("audit", "verify").stdout.endswith("0 breaks\n")


@pytest.fixture
def logged(bench):
    """A workspace with five rows in its audit log, on each engine."""
    workspace = bench.new_workspace()
    origin = ChangeOrigin("admin:a", "r", "2026-01-01T00:00:00.000Z")
    for number in range(5):
        note = Note(workspace.id, origin, "Role", f"r{number}", "create", b"{}")
        bench.run(bench.storage.record([note]))
    return workspace


def breaks(bench, workspace, *harm):
    """Damage the log. Returns the breaks that are found in this workspace, as positions."""

    def sequences():
        return [change.sequence for change in bench.run(bench.storage.changes(workspace.id, 0, 9))]

    before = sequences()
    statements = [
        bound(sql, workspace.id, *(before[position] for position in positions))
        for sql, *positions in harm
    ]
    bench.run(bench.storage.transact(workspace.id, statements))
    said = []
    bench.run(verify(bench.storage, said.append))
    found = [line for line in said if line.startswith(f"{workspace.name}:")]
    return [before.index(int(re.search(r"change (\d+)", line)[1])) for line in found]


ALTER = "UPDATE changes SET actor = 'nobody' WHERE workspace = $1 AND sequence = $2"
REMOVE = "DELETE FROM changes WHERE workspace = $1 AND sequence = $2"
UNLINK = "UPDATE changes SET chain = NULL WHERE workspace = $1 AND sequence = $2"


@pytest.mark.parametrize("at", range(5))
def test_an_altered_row_is_found_wherever_it_is(bench, logged, at):
    assert breaks(bench, logged) == []
    assert breaks(bench, logged, (ALTER, at)) == [at]


@pytest.mark.parametrize("at", range(5))
def test_a_removed_row_is_found_unless_it_is_the_newest(bench, logged, at):
    assert breaks(bench, logged, (REMOVE, at)) == ([at + 1] if at < 4 else [])


@pytest.mark.parametrize("number", [1, 3])
def test_rows_before_the_chain_cannot_take_the_place_of_others(bench, logged, number):
    assert breaks(bench, logged, *((UNLINK, at) for at in range(number))) == [number]
    assert breaks(bench, logged, (UNLINK, 4)) == [number, 4]


def test_missing_row_breaks_the_chain(server, filled):
    third = "(SELECT sequence FROM changes WHERE workspace = $1 ORDER BY sequence LIMIT 1 OFFSET 3)"
    tampered(
        server, f"DELETE FROM changes WHERE workspace = $1 AND sequence = {third}", filled.name
    )
    assert server.muster("audit", "verify", check=False).stdout.endswith("1 breaks\n")
    tampered(server, "DELETE FROM changes WHERE workspace = $1", filled.name)
