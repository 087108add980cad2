"""Durability: races, kill -9, a full disk, and a stop under load."""

import concurrent.futures
import contextlib
import json
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx

import muster
from tests.conftest import client_of
from tests.console.browsing import Visitor, invitation
from tests.support.people import patch, person, replace
from tests.support.server import Server
from tests.support.waiting import until

ROUNDS = int(os.environ.get("MUSTER_TEST_ROUNDS", "4"))
"""How often each kill -9 test kills; `make torture` has a hundred."""


OPEN = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/sign-in")
SEARCH = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "count": 1}


def test_two_processes_race_to_create_one_name(tmp_path, database):
    with Server(tmp_path, "--workers", "2", MUSTER_RATE_LIMIT="0", **database) as server:
        token = server.key("race")
        clients = [client_of(server, token) for _ in range(4)]
        with concurrent.futures.ThreadPoolExecutor(len(clients)) as pool:
            for _ in range(25):
                user = person()
                statuses = sorted(
                    pool.map(
                        lambda client, user=user: client.post("/Users", json=user).status_code,
                        clients,
                    )
                )
                assert statuses == [201, 409, 409, 409]
        assert clients[0].get("/Users?count=0").json()["totalResults"] == 25
        for client in clients:
            client.close()


def test_two_installed_servers_race_on_one_database(tmp_path, database):
    """Replicas: each a process tree of its own."""
    options = {"MUSTER_RATE_LIMIT": "0", **database}
    with Server(tmp_path, **options) as one, Server(tmp_path, **options) as other:
        token = one.key("race")
        with (
            client_of(one, token) as first,
            client_of(other, token) as second,
            concurrent.futures.ThreadPoolExecutor(2) as pool,
        ):
            for _ in range(25):
                user = person()
                statuses = sorted(
                    pool.map(
                        lambda c, user=user: c.post("/Users", json=user).status_code,
                        (first, second),
                    )
                )
                assert statuses == [201, 409]
            key_id = one.muster("keys", "list").stdout.split("\t")[0]
            one.muster("keys", "revoke", key_id)
            if database:  # PostgreSQL tells the replicas, within a second
                assert until(
                    lambda: {found.get("/Users").status_code for found in (first, second)} == {401}
                )
            assert first.get("/Users").status_code == second.get("/Users").status_code == 401


def test_32_clients_patch_one_user_and_nothing_is_lost(server, client, tokens):
    user = client.post("/Users", json=person()).json()
    at = f"/Users/{user['id']}"

    def work(number):
        with client_of(server, tokens["default"]) as mine:
            for turn in range(4):
                value = {"value": f"{number}-{turn}", "type": "other"}
                assert (
                    mine.patch(
                        at, json=patch({"op": "add", "path": "phoneNumbers", "value": [value]})
                    ).status_code
                    == 200
                )

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        list(pool.map(work, range(32)))
    after = client.get(at).json()
    assert {item["value"] for item in after["phoneNumbers"]} == {
        f"{n}-{t}" for n in range(32) for t in range(4)
    }
    assert after["meta"]["version"] == f'W/"{1 + 128}"'


def test_if_match_lets_one_of_many_through(server, client, tokens):
    user = client.post("/Users", json=person()).json()

    def work(number):
        with client_of(server, tokens["default"]) as mine:
            headers = {"If-Match": user["meta"]["version"]}
            return mine.patch(
                f"/Users/{user['id']}", json=replace("title", f"T{number}"), headers=headers
            ).status_code

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        statuses = sorted(pool.map(work, range(16)))
    assert statuses == [200] + [412] * 15


def write_until(stop, server, token, kept):
    """Run mixed writes; return the acknowledged states by id, None if deleted."""
    with client_of(server, token) as client, contextlib.suppress(httpx.TransportError):
        while not stop.is_set():
            user = person(title="created")
            created = client.post("/Users", json=user)
            if created.status_code != 201:
                continue
            resource_id = created.json()["id"]
            kept[resource_id] = {"created", "patched"}
            if random.random() < 0.5:
                if (
                    client.patch(
                        f"/Users/{resource_id}", json=replace("title", "patched")
                    ).status_code
                    == 200
                ):
                    kept[resource_id] = {"patched"}
            elif random.random() < 0.5:
                kept[resource_id] = {"created", None}
                if client.delete(f"/Users/{resource_id}").status_code == 204:
                    kept[resource_id] = {None}


def check(server, token, kept):
    """Check that acknowledged writes exist, and that counts and look-ups agree."""
    with client_of(server, token) as client:
        for resource_id, titles in kept.items():
            response = client.get(f"/Users/{resource_id}")
            title = response.json()["title"] if response.status_code == 200 else None
            assert title in titles, resource_id
            if title is not None:
                user_name = response.json()["userName"]
                found = client.get("/Users", params={"filter": f'userName eq "{user_name}"'}).json()
                assert [item["id"] for item in found["Resources"]] == [resource_id]
        counted = client.get("/Users?count=0").json()["totalResults"]
        listed = sum(
            len(
                client.get(
                    "/Users", params={"startIndex": start, "count": 1000, "attributes": "id"}
                ).json()["Resources"]
            )
            for start in range(1, counted + 1001, 1000)
        )
        filtered = client.get("/Users", params={"filter": "userName pr", "count": 0}).json()[
            "totalResults"
        ]
        assert counted == listed == filtered
        assert counted >= sum(None not in titles for titles in kept.values())
    assert server.muster("check").stdout.endswith("; 0 findings\n")


def test_kill_9_during_writes_loses_nothing_acknowledged(tmp_path, database):
    kept = {}
    server = Server(tmp_path, "--workers", "2", MUSTER_RATE_LIMIT="0", **database).start()
    token = server.key("torture")
    for number in range(ROUNDS):
        stop = threading.Event()
        threads = [
            threading.Thread(target=write_until, args=(stop, server, token, kept)) for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        time.sleep(random.uniform(0.4, 1.0))
        server.kill()
        stop.set()
        for thread in threads:
            thread.join()
        server.start()
        if number % 20 == 19:
            assert server.muster("check").stdout.endswith("; 0 findings\n")
    check(server, token, kept)
    server.stop()
    print(
        f"{len(kept)} users acknowledged over {ROUNDS} kills of the server, all as they were answered"
    )


def test_a_full_disk_refuses_writes_keeps_reads_and_recovers(tmp_path):
    """A limit on the size of files stands for a full disk; it holds for root too."""
    server = Server(tmp_path, MUSTER_RATE_LIMIT="2000")
    server.start()
    token, unused = server.key("full"), server.key("unused")
    with client_of(server, token) as client:
        user = client.post("/Users", json=person()).json()
        limit = 600_000
        for pid in server.workers():
            subprocess.run(["prlimit", f"--fsize={limit}:unlimited", "--pid", str(pid)], check=True)
        statuses, refused = [], None
        for _ in range(400):
            response = client.post("/Users", json=person(title="x" * 3000))
            statuses.append(response.status_code)
            if response.status_code != 201:
                refused = response
                break
        assert refused is not None, "the disk never filled"
        assert refused.status_code in (503, 507)
        assert refused.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
        created = statuses.count(201)
        assert client.get(f"/Users/{user['id']}").json() == user
        assert client.get("/Users?count=0").json()["totalResults"] == 1 + created
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        for pid in server.workers():
            subprocess.run(["prlimit", "--fsize=1:unlimited", "--pid", str(pid)], check=True)
        with client_of(
            server, unused
        ) as other:  # its first read leases a part of its rate limit, which is a write
            reads = [
                f"/Users/{user['id']}",
                "/Users",
                f'/Users?filter=userName eq "{user["userName"]}"',
                "/Schemas",
            ]
            assert [other.get(reads[number % len(reads)]).status_code for number in range(300)] == [
                200
            ] * 300
        for pid in server.workers():
            subprocess.run(
                ["prlimit", "--fsize=unlimited:unlimited", "--pid", str(pid)], check=True
            )
        assert client.post("/Users", json=person(title="x" * 3000)).status_code == 201
        assert client.get("/Users?count=0").json()["totalResults"] == 2 + created
    assert server.stop() == 0


def _fill(server):
    for pid in server.workers():
        subprocess.run(["prlimit", "--fsize=1:unlimited", "--pid", str(pid)], check=True)


def _pages(app, name, resource_id):
    """The paths of all pages of the console and all reads of the management REST."""
    values = {"workspace": name, "id": resource_id, "provider": "okta"}

    def filled(path):
        return re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], "none"), path)

    pages = [filled(route.path) for route in app.service._site.routes if route.method == "GET"]
    reads = [filled(route.path) for route in app.service._api.routes if route.method == "GET"]
    return [page for page in pages if not page.endswith("/live")], reads


def test_everything_that_reads_goes_on_while_the_disk_is_full(tmp_path):
    app = muster.create_app(muster.Settings(database=f"sqlite:///{tmp_path}/routes.db"))
    with Server(tmp_path, MUSTER_RATE_LIMIT="2000") as server:
        visitor = Visitor(server).accept(invitation(server), "full@example.com")
        visitor.get("/account")
        token = server.key("full")
        with client_of(server, token) as scim:
            user = scim.post("/Users", json=person(password="correct horse")).json()
            api = httpx.Client(base_url=f"{server.url}/api/v1", headers=scim.headers, timeout=30)
            _fill(server)
            pages, reads = _pages(app, "default", user["id"])
            found = {path: visitor.http.get(path).status_code for path in pages}
            found |= {path: api.get(path).status_code for path in reads}
            found |= {path: httpx.get(server.url + path).status_code for path in OPEN}
            for path in ("/.search", "/Users/.search", "/Groups/.search"):
                found[path] = scim.post(path, json=SEARCH).status_code
            for path in ("/Users", "/Groups", f"/Users/{user['id']}", "/Schemas", "/ResourceTypes"):
                found[path] = scim.get(path).status_code
            assert {path: status for path, status in found.items() if status >= 500} == {}
            asked = {"userName": user["userName"], "password": "correct horse"}
            wrong = {**asked, "password": "wrong"}
            assert api.post("/passwords/verify", json=asked).json()["valid"] is True
            tried = [api.post("/passwords/verify", json=wrong).status_code for _ in range(11)]
            assert tried == [200] * 9 + [429] * 2
            writes = [
                scim.post("/Users", json=person()),
                scim.delete(f"/Users/{user['id']}"),
                api.post("/keys", json={"name": "k"}),
                api.patch("/settings", json={"strict": True}),
                visitor.post("/w/default/keys", name="k", permission="Admin"),
                visitor.post("/administrators", name="Sam", workspace="*", role="owner"),
            ]
            assert [answer.status_code for answer in writes] == [507] * len(writes)
            for pid in server.workers():
                unlimited = ["prlimit", "--fsize=unlimited:unlimited", "--pid", str(pid)]
                subprocess.run(unlimited, check=True)
            assert scim.post("/Users", json=person()).status_code == 201
            api.close()
        visitor.close()


def test_a_locked_database_refuses_writes_keeps_reads_and_recovers(tmp_path):
    """Another program holds the write lock for longer than a write waits."""
    with (
        Server(tmp_path, MUSTER_RATE_LIMIT="0") as server,
        client_of(server, server.key("locked")) as client,
    ):
        user = client.post("/Users", json=person()).json()
        other = sqlite3.connect(tmp_path / "muster.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            refused = pool.submit(client.post, "/Users", json=person())
            while not refused.done():
                assert client.get(f"/Users/{user['id']}").json() == user
                time.sleep(0.2)
        assert (refused.result().status_code, refused.result().headers["retry-after"]) == (503, "1")
        assert refused.result().json()["detail"] == "the database is busy"
        other.execute("ROLLBACK")
        other.close()
        assert client.post("/Users", json=person()).status_code == 201
        assert client.get("/Users?count=0").json()["totalResults"] == 2


def test_a_file_that_may_not_be_written_is_named(tmp_path):
    """As root too, which may write everything until it gives that up."""
    path = tmp_path / "muster.db"
    command = [sys.executable, "-m", "muster", "serve", "--database", f"sqlite:///{path}"]
    subprocess.run([*command[:3], "migrate", *command[4:]], check=True, capture_output=True)
    path.chmod(0o400)
    if os.geteuid() == 0:
        command = ["setpriv", "--inh-caps=-dac_override", "--bounding-set=-dac_override", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == f"muster: cannot open {path}: permission denied\n"


def _request(port, token, method, path, body=b""):
    head = f"{method} /scim/v2{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
    return (
        f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


def _unread(port):
    """Return the bytes that clients have sent to a port and its server has not read."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(row[4].split(":")[1], 16) for row in rows if row[1].endswith(f":{port:04X}"))


def test_sigterm_finishes_requests_in_flight_and_exits_0(tmp_path, database):
    """A stopping server finishes sixteen users whose passwords are being hashed."""
    server = Server(tmp_path, MUSTER_RATE_LIMIT="0", **database).start()
    token = server.key("stop")
    sockets = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(16)]
    for connection in sockets:
        connection.sendall(_request(server.port, token, "GET", "/Users?count=0"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    for connection in sockets:
        body = json.dumps(person(password="correct horse")).encode()
        connection.sendall(_request(server.port, token, "POST", "/Users", body))
    assert until(lambda: _unread(server.port) == 0)
    status = server.stop()
    answers = [connection.recv(65536)[:12] for connection in sockets]
    for connection in sockets:
        connection.close()
    assert status == 0
    assert answers == [b"HTTP/1.1 201"] * 16
    server.start()
    with client_of(server, token) as client:
        assert client.get("/Users?count=0").json()["totalResults"] == 16
    assert server.stop() == 0


def test_sigterm_to_every_process_exits_0(tmp_path):
    """systemd sends the signal to all of them, so a worker may end before its parent."""
    server = Server(tmp_path, "--workers", "2", MUSTER_DRAIN_DELAY="1").start()
    workers = server.workers()
    server.process.send_signal(signal.SIGSTOP)
    for worker in workers:
        os.kill(worker, signal.SIGTERM)
    assert until(lambda: not any(map(_runs, workers)))
    server.process.send_signal(signal.SIGTERM)
    server.process.send_signal(signal.SIGCONT)
    assert server.wait() == 0


def _runs(pid):
    """Return whether a process has not ended, whether or not its parent has noticed."""
    return " Z " not in Path(f"/proc/{pid}/stat").read_text()


def test_a_worker_that_dies_is_replaced_and_an_orphan_ends(tmp_path):
    server = Server(tmp_path, MUSTER_RATE_LIMIT="0").start()
    [worker] = server.workers()
    os.kill(worker, signal.SIGKILL)

    def ready():
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{server.url}/readyz", timeout=2).status_code == 200

    assert until(ready)
    [second] = server.workers()
    assert second != worker
    server.process.kill()
    server.wait()
    assert until(lambda: not os.path.exists(f"/proc/{second}"))


def test_a_worker_that_dies_again_and_again_is_replaced_while_the_other_serves(tmp_path):
    with Server(tmp_path, "--workers", "2", MUSTER_RATE_LIMIT="0") as server:
        token = server.key("k")
        stays, *_ = server.workers()
        seen = {stays}
        for _ in range(4):
            # A killed process is listed until its parent has waited for it.
            assert until(lambda: len(set(server.workers()) - seen) == 1)
            [quick] = set(server.workers()) - seen
            assert stays in server.workers()
            seen.add(quick)
            os.kill(quick, signal.SIGKILL)

            def serves():
                with contextlib.suppress(httpx.TransportError), client_of(server, token) as client:
                    return client.get("/Users?count=0").status_code == 200

            assert until(serves)
            assert server.process.poll() is None
        assert until(lambda: len(server.workers()) == 2)
        assert stays in server.workers()
        assert server.stop() == 0


def test_a_service_that_never_answers_ends(tmp_path):
    """Its workers die before they serve: whoever supervises the service has to see it."""
    server = Server(tmp_path)
    server.muster("migrate")
    (tmp_path / "muster.db-epoch").unlink(missing_ok=True)
    broken = (
        "import muster.serving.server as s; s._load = None; import sys;"
        " from muster.cli.main import main; sys.exit(main(['serve']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", broken],
        env=server.environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "http://" not in done.stdout


def test_a_worker_that_is_made_as_its_parent_is_killed_ends(tmp_path):
    """Else it had the port for good, and nothing could be started there."""
    with Server(tmp_path, MUSTER_RATE_LIMIT="0") as server:
        [worker] = server.workers()
        os.kill(worker, signal.SIGKILL)
        while not (made := [pid for pid in server.workers() if pid != worker]):
            pass
        server.process.kill()
        server.wait()
        assert until(lambda: not os.path.exists(f"/proc/{made[0]}"), 20)
