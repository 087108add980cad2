"""Replicas of the former version serve while the present one migrates their database, and after."""

import threading
from types import SimpleNamespace

import httpx
import pytest

from muster.access.permissions import SCIM
from muster.storage.migrations import newest
from tests.conftest import client_of
from tests.http.management.test_connections import connect
from tests.support import former, postgres
from tests.support.in_process import InProcessServer
from tests.support.people import group, patch, person, replace
from tests.support.server import Server
from tests.support.waiting import until


def is_intact(server):
    """Check the database as an operator does."""
    checked = server.muster("check", check=False)
    assert (checked.returncode, checked.stdout.count(" 0 findings")) == (0, 1), checked.stdout
    assert server.muster("audit", "verify").stdout.endswith("0 breaks\n")


class Writer(threading.Thread):
    """Creates users with one client until it is stopped."""

    def __init__(self, client):
        super().__init__()
        self.client, self.statuses, self.stopped = client, [], threading.Event()

    def run(self):
        while not self.stopped.is_set():
            self.statuses.append(self.client.post("/Users", json=person()).status_code)

    def stop(self):
        """Stop it after one more user at least. Returns the statuses of all answers."""
        seen = len(self.statuses)
        assert until(lambda: len(self.statuses) > seen)
        self.stopped.set()
        self.join()
        return self.statuses


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_an_old_replica_serves_during_the_migration_and_beside_the_new_one(tmp_path, engine):
    source = former.source(tmp_path / "former")
    if source is None:  # an archive of the source, without the history
        former.database(tmp_path / "muster.db")
        with InProcessServer(tmp_path) as new:
            assert former.execute(tmp_path / "muster.db")
            is_intact(new)
        return
    options = {"MUSTER_RATE_LIMIT": "0"}
    if engine == "postgres":
        options["MUSTER_DATABASE"] = postgres.new_database()
    with Server(tmp_path, PYTHONPATH=str(source), **options) as old:
        token = old.command("keys", "create", "--name", "okta").stdout.strip()
        with client_of(old, token) as before:
            ada = before.post("/Users", json=person()).json()
            crew = before.post("/Groups", json=group("Crew", ada)).json()
            writer = Writer(before)
            writer.start()
            with InProcessServer(tmp_path, **options) as new:
                statuses = writer.stop()
                assert set(statuses) <= {201, 503}
                assert statuses[-1] == 201
                with client_of(new, token) as after:
                    agree(old, new, before, after, ada, crew)
                connections(old, new, token)
                is_intact(new)
        assert "Traceback" not in old.logged()


def agree(old, new, before, after, ada, crew):
    """Change what each has made through the other one."""
    place, crew = f"/Users/{ada['id']}", f"/Groups/{crew['id']}"
    assert after.get(place).json()["userName"] == ada["userName"]
    assert after.patch(place, json=replace("title", "new")).status_code == 200
    assert before.get(place).json()["title"] == "new"
    assert before.patch(place, json=replace("title", "old")).status_code == 200
    assert after.get(place).json()["title"] == "old"
    assert before.post("/Users", json=person(ada["userName"])).status_code == 409
    ben = after.post("/Users", json=person(active=False)).json()
    member = {"op": "add", "path": "members", "value": [{"value": ben["id"]}]}
    assert before.patch(crew, json=patch(member)).status_code == 200
    assert {found["value"] for found in after.get(crew).json()["members"]} == {ada["id"], ben["id"]}
    for client in (before, after):
        assert (
            client.get("/Users", params={"filter": "active eq false"}).json()["totalResults"] == 1
        )
    assert after.delete(f"/Users/{ben['id']}").status_code == 204
    assert [found["value"] for found in before.get(crew).json()["members"]] == [ada["id"]]
    totals = {
        client.get("/Users", params={"count": 0}).json()["totalResults"]
        for client in (before, after)
    }
    assert len(totals) == 1


def connections(old, new, token):
    """Use what the old one does not know: connections, their owners and a setting."""
    headers = {"Authorization": f"Bearer {token}"}
    tenant = SimpleNamespace(api=httpx.Client(base_url=f"{new.url}/api/v1", headers=headers))
    with client_of(new, token) as scim:
        [first, *_] = scim.get("/Users").json()["Resources"]
    owner = tenant.api.get(f"/resources/{first['id']}/connection").json()["connection"]
    assert owner["id"] == "default"
    entra = connect(tenant, name="Entra", ownership="exclusive")
    body = {"name": "entra", "permissions": [SCIM], "connection": entra["id"]}
    made = tenant.api.post("/keys", json=body).json()
    with client_of(old, made["token"]) as through_old, client_of(new, made["token"]) as through_new:
        by_new = through_new.post("/Users", json=person()).json()
        by_old = through_old.post("/Users", json=person()).json()
        owners = [
            tenant.api.get(f"/resources/{user['id']}/connection").json()["connection"]["id"]
            for user in (by_new, by_old)
        ]
        assert owners == [entra["id"], "default"]  # the old one knows no owners
        kept = {"scimCredentials": "keys", "requireSecondFactor": True}
        tenant.api.patch("/settings", json=kept).raise_for_status()
        changed = httpx.patch(
            f"{old.url}/api/v1/settings", json={"guardShare": 7}, headers=headers, timeout=30
        )
        assert changed.status_code == 200, changed.text
        found = tenant.api.get("/settings").json()
        assert {name: found[name] for name in kept} == kept
        assert found["guardShare"] == 7
        assert through_old.get(f"/Users/{by_new['id']}").status_code == 200
        assert tenant.api.delete(f"/keys/{made['id']}").status_code == 204
        assert until(lambda: through_old.get("/Users").status_code == 401)
    tenant.api.close()
    begun = old.command("keys", "list", check=False)  # those that run go on; none begins
    assert begun.returncode == 1
    assert f"revision {newest()}" in begun.stderr
