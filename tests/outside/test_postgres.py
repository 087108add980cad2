"""PostgreSQL goes away in the middle of things, and ten replicas start at once."""

import asyncio
import random
import subprocess
import sys
import threading
import time

import asyncpg
import httpx
import pytest

from muster.storage.postgres import PostgresStorage
from tests.conftest import client_of
from tests.outside.test_durability import ROUNDS, check, write_until
from tests.support.people import error_of, person
from tests.support.postgres import create_database, new_database, own
from tests.support.server import Server
from tests.support.waiting import until


@pytest.fixture
def postgres():
    """A server of the test's own, to be killed."""
    with own() as made:
        yield made


def test_kill_9_of_postgres_loses_nothing_acknowledged(tmp_path, postgres):
    kept = {}
    with Server(
        tmp_path, MUSTER_RATE_LIMIT="0", MUSTER_DATABASE=create_database(postgres.url)
    ) as server:
        token = server.key("torture")
        stop = threading.Event()
        threads = [
            threading.Thread(target=write_until, args=(stop, server, token, kept)) for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for _ in range(ROUNDS):
            time.sleep(random.uniform(0.3, 0.8))
            postgres.kill()
            time.sleep(random.uniform(0, 0.3))
            postgres.start()
        time.sleep(1)
        stop.set()
        for thread in threads:
            thread.join()
        check(server, token, kept)
        assert "the writer failed" not in server.logged()
        assert '"status":500' not in server.logged()
    print(
        f"{len(kept)} users acknowledged over {ROUNDS} kills of PostgreSQL, all as they were answered"
    )


def test_a_lost_server_is_503_and_comes_back(tmp_path, postgres):
    with Server(
        tmp_path, MUSTER_RATE_LIMIT="0", MUSTER_DATABASE=create_database(postgres.url)
    ) as server:
        token = server.key("lost")
        with client_of(server, token) as client:
            user = client.post("/Users", json=person()).json()
            postgres.stop()
            for answer in (
                client.get(f"/Users/{user['id']}"),
                client.get("/Users"),
                client.post("/Users", json=person()),
            ):
                assert answer.headers["retry-after"] == "1"
                error_of(answer, 503)
            assert httpx.get(f"{server.url}/readyz").status_code == 503
            assert httpx.get(f"{server.url}/healthz").status_code == 200
            postgres.start()
            assert client.get(f"/Users/{user['id']}").json() == user
            assert client.post("/Users", json=person()).status_code == 201
            assert httpx.get(f"{server.url}/readyz").status_code == 200


def test_a_host_that_is_not_known_is_named(tmp_path):
    command = [
        sys.executable,
        "-m",
        "muster",
        "serve",
        "--database",
        "postgresql://u@nosuch.invalid/x",
    ]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("muster: cannot connect to PostgreSQL at nosuch.invalid:5432: ")
    assert "Check that the server is running" in done.stderr


def test_ten_replicas_that_start_at_once_migrate_once():
    url = new_database()

    async def migrate():
        return await asyncio.gather(*(PostgresStorage(url).migrate() for _ in range(10)))

    revisions = asyncio.run(migrate())
    assert sorted(before is None for before, _ in revisions) == [False] * 9 + [True]


def test_a_revoked_key_ends_though_the_notice_was_lost(tmp_path):
    """If the listening connections are cut, polling still finds changed keys."""
    url = new_database()
    with Server(tmp_path, MUSTER_RATE_LIMIT="0", MUSTER_DATABASE=url) as server:
        token = server.key("k")
        key_id = server.muster("keys", "list").stdout.split("\t")[0]
        with client_of(server, token) as client:
            assert client.get("/Users?count=0").status_code == 200
            asyncio.run(_cut_listeners(url))
            server.muster("keys", "revoke", key_id)
            assert until(lambda: client.get("/Users?count=0").status_code == 401)


async def _cut_listeners(url):
    connection = await asyncpg.connect(url)
    name = url.rpartition("/")[2]
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
        name,
    )
    await connection.close()
