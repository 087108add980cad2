"""Trimming deletes old changes, and keeps the newest change of each resource."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from muster.storage.records.usage import UsageDay, UsageStore
from tests.support.clock import StoppedClock
from tests.support.people import group, person, replace
from tests.support.tenant import Tenant, problem
from tests.upkeep.test_audit_verification import tampered


def trim(tenant, ahead=timedelta(days=91), every=False):
    """Trim the workspace, or every one, as if it were so much later."""
    import muster
    from muster.storage.engines import open_storage
    from muster.storage.records.leases import Leases
    from muster.upkeep.trimmer import Trimmer

    async def run():
        storage = open_storage(
            muster.Settings(database=tenant.server.environment["MUSTER_DATABASE"])
        )
        await storage.start()
        try:
            workspace = await storage.find_workspace(tenant.name)
            trimmer = Trimmer(storage, Leases(storage), 0 if every else 90)
            with StoppedClock(datetime.now(UTC) + ahead):
                await (trimmer.trim_all() if every else trimmer.trim(workspace.id, 90))
        finally:
            await storage.close()

    asyncio.run(run())


def history(tenant, resource):
    return [row["action"] for row in tenant.api.get(f"/history/{resource['id']}").json()["items"]]


def rows(tenant):
    return tenant.api.get("/audit", params={"limit": 500}).json()["rows"]


def verified(server):
    return server.muster("audit", "verify", check=False).stdout


def test_trimming_deletes_old_changes_and_keeps_the_newest_of_each_resource(server, fresh):
    ann, ben, cyd = fresh.user(title="0"), fresh.user(), fresh.user()
    for n in range(1, 4):
        fresh.scim.patch(f"/Users/{ann['id']}", json=replace("title", str(n)))
    early = fresh.api.get("/changes", params={"limit": 2}).json()["cursor"]
    crew = fresh.scim.post("/Groups", json=group("Crew", ann, ben)).json()
    fresh.scim.delete(f"/Users/{ben['id']}")
    fresh.api.post("/keys", json={"name": "k"})
    fresh.user()
    trim(fresh, timedelta(days=89))
    assert history(fresh, ann) == ["update"] * 3 + ["create"]
    trim(fresh)
    assert (history(fresh, ann), history(fresh, cyd), history(fresh, crew)) == (
        ["update"],
        ["create"],
        ["update"],
    )
    assert fresh.api.get(f"/history/{ben['id']}").status_code == 404
    assert not [row for row in rows(fresh) if row["type"] == "ApiKey"]
    assert verified(server).endswith("0 breaks\n")
    assert "deleted after their retention time" in problem(
        fresh.api.get("/changes", params={"cursor": early}), 410
    )
    problem(fresh.api.get("/audit", params={"cursor": early}), 410)
    told = fresh.api.get("/changes").json()
    assert [event["type"] for event in told["events"]] == ["user.created"]
    page = fresh.api.get("/changes", params={"limit": 1}).json()
    assert fresh.api.get("/changes", params={"cursor": page["cursor"]}).status_code == 200
    fresh.scim.patch(f"/Users/{ann['id']}", json=replace("active", False))
    after = fresh.api.get("/changes", params={"cursor": told["cursor"]}).json()["events"]
    assert [(event["type"], event.get("attributes")) for event in after] == [
        ("user.updated", ["active"]),
        ("user.deactivated", None),
    ]
    trim(fresh)
    assert history(fresh, ann) in (["update"], ["update", "update"])
    assert verified(server).endswith("0 breaks\n")
    fresh.scim.post("/Users", json=person())
    tampered(
        server,
        f"UPDATE changes SET actor = 'nobody' WHERE workspace = $1 AND sequence = {NEWEST}",
        fresh.name,
    )
    assert f"{fresh.name}: the chain breaks" in verified(server)
    tampered(server, "DELETE FROM changes WHERE workspace = $1", fresh.name)


def test_workspace_retention_overrides_the_installation_retention(server, fresh):
    with Tenant(server) as other:
        for tenant in (fresh, other):
            user = tenant.user()
            tenant.scim.patch(f"/Users/{user['id']}", json=replace("title", "x"))
            tenant.ann = user
        fresh.api.patch("/settings", json={"changesDays": 30})
        trim(fresh, timedelta(days=29), every=True)
        assert history(fresh, fresh.ann) == ["update", "create"]
        trim(fresh, timedelta(days=31), every=True)  # where the installation keeps them for ever
        assert history(fresh, fresh.ann) == ["update"]
        assert history(other, other.ann) == ["update", "create"]


NEWEST = "(SELECT max(sequence) FROM changes WHERE workspace = $1)"


def test_mark_proves_the_first_row_after_it(server, fresh):
    for _ in range(3):
        fresh.user()
    trim(fresh)
    fresh.user()
    first = "(SELECT min(sequence) FROM changes WHERE workspace = $1 AND action = 'trim')"
    tampered(
        server,
        f"UPDATE changes SET actor = 'nobody' WHERE workspace = $1 AND sequence = {first}",
        fresh.name,
    )
    assert f"{fresh.name}: the chain breaks" in verified(server)
    tampered(server, "DELETE FROM changes WHERE workspace = $1", fresh.name)


def test_trimming_keeps_changes_that_a_webhook_has_not_sent(fresh):
    fresh.api.post("/webhooks", json={"url": "http://127.0.0.1:1/nobody"})
    user = fresh.user(title="0")
    fresh.scim.patch(f"/Users/{user['id']}", json=replace("title", "1"))
    fresh.user()
    trim(fresh)
    assert history(fresh, user) == ["update", "create"]
    hook = fresh.api.get("/webhooks").json()["items"][0]
    fresh.api.delete(f"/webhooks/{hook['id']}")
    trim(fresh)
    assert history(fresh, user) == ["update"]


def test_trimming_continues_after_an_interruption(server, fresh, monkeypatch):
    from muster.upkeep import trimmer

    user = fresh.user(title="0")
    for n in range(1, 8):
        fresh.scim.patch(f"/Users/{user['id']}", json=replace("title", str(n)))
    fresh.user()
    monkeypatch.setattr(trimmer, "_CHUNK", 3)
    whole = trimmer._delete_superseded
    calls = []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyError("interrupted")
        return whole(*arguments)

    monkeypatch.setattr(trimmer, "_delete_superseded", interrupted)
    with pytest.raises(KeyError):
        trim(fresh)
    assert 1 < len(history(fresh, user)) < 8
    assert f"{fresh.name}: the chain breaks" not in verified(server)
    trim(fresh)
    assert history(fresh, user) == ["update"]
    assert f"{fresh.name}: the chain breaks" not in verified(server)


def test_links_that_are_over_and_old_usage_figures_are_deleted(server, fresh):
    old = fresh.api.post("/setup-links", json={"expiresInDays": 1}).json()["id"]
    fresh.api.patch("/settings", json={"changesDays": 30})
    today = datetime.now(UTC).date()

    async def fill(storage):
        workspace = (await storage.find_workspace(fresh.name)).id
        days = [
            UsageDay(workspace, (today - timedelta(days=n)).isoformat(), "c", 1, 0, "")
            for n in (371, 369)
        ]
        await UsageStore(storage).add(days)
        return workspace

    workspace = server.administer(fill)

    def kept():
        links = [link["id"] for link in fresh.api.get("/setup-links").json()["items"]]

        async def days(storage):
            return [day.connection for day in await UsageStore(storage).days([workspace], "", "9")]

        return old in links, len([one for one in server.administer(days) if one == "c"])

    assert kept() == (True, 2)
    trim(fresh, timedelta(days=30), every=True)
    assert kept() == (True, 1)  # 401 days, and 29 days after the end of the link
    trim(fresh, timedelta(days=31, hours=1), every=True)
    assert kept() == (False, 1)
