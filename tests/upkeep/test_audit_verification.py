"""Verification of the audit log's chain: any alteration breaks it."""

import asyncio

import pytest

from muster.storage.repair.derived import bound
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


def test_missing_row_breaks_the_chain(server, filled):
    third = "(SELECT sequence FROM changes WHERE workspace = $1 ORDER BY sequence LIMIT 1 OFFSET 3)"
    tampered(
        server, f"DELETE FROM changes WHERE workspace = $1 AND sequence = {third}", filled.name
    )
    assert server.muster("audit", "verify", check=False).stdout.endswith("1 breaks\n")
    tampered(server, "DELETE FROM changes WHERE workspace = $1", filled.name)
