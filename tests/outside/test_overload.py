"""Overload, slow clients, and a replica that stops while others serve."""

import concurrent.futures
import re
import select
import socket
import threading
import time

import httpx
import pytest

from muster.scim.bulk import BULK_REQUEST
from tests.conftest import client_of
from tests.support.people import person
from tests.support.server import Server
from tests.support.waiting import until


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """A server with small limits on requests in progress and short timeouts."""
    options = {"MUSTER_RATE_LIMIT": "0", "MUSTER_MAX_IN_FLIGHT": "4", "MUSTER_BODY_SECONDS": "9"}
    options |= {"MUSTER_MAX_ANONYMOUS": "6", "MUSTER_FORM_SECONDS": "10"}
    with Server(tmp_path_factory.mktemp("narrow"), **options) as server:
        yield server


def _begin_post(server, token, length=10_000):
    """A connection with a POST whose body does not come."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    head = f"POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    connection.sendall(
        f"{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{{".encode()
    )
    return connection


def _answered(*connections):
    return select.select(connections, [], [], 0)[0]


def test_requests_beyond_a_workers_places_are_503_at_once(narrow):
    token = narrow.key("many")
    slow = [_begin_post(narrow, token) for _ in range(4)]
    time.sleep(0.5)  # for what is asked next takes a place as well
    with client_of(narrow, token) as client:
        answer = until(lambda: (found := client.get("/Users?count=0")).status_code == 503 and found)
        assert not _answered(*slow), "it waited for the others"
        assert answer.headers["retry-after"] == "1"
        assert (
            answer.json()["detail"]
            == "too many requests are in flight: 4 at a time (MUSTER_MAX_IN_FLIGHT)"
        )
        ready = httpx.get(f"{narrow.url}/readyz")
        assert (ready.status_code, ready.json()["detail"]) == (503, answer.json()["detail"])
        assert httpx.get(f"{narrow.url}/healthz").status_code == 200
        answers = [connection.recv(65536) for connection in slow]
        assert all(answer.startswith(b"HTTP/1.1 408") for answer in answers)
        assert all(b"did not arrive within 9 seconds" in answer for answer in answers)
        assert client.get("/Users?count=0").status_code == 200
    for connection in slow:
        connection.close()


def _begin_form(server, path="/sign-in", cookie=""):
    """A connection with a form that does not come."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nCookie: {cookie}\r\n"
    connection.sendall(f"{head}Content-Length: 1000\r\n\r\na=".encode())
    return connection


@pytest.mark.parametrize("path", ["/sign-in", "/first"])
def test_forms_that_do_not_come_take_no_place_of_requests_with_a_key(narrow, path):
    """Slow forms fill their own places only, are reported, and time out."""
    token = narrow.key("beside forms")
    stalled = [_begin_form(narrow, path) for _ in range(8)]
    ready = until(
        lambda: (found := httpx.get(f"{narrow.url}/readyz")).json().get("degraded") and found
    )
    assert (ready.status_code, ready.json()["degraded"]) == (
        200,
        ["6 requests without a key or a session are in flight (MUSTER_MAX_ANONYMOUS)"],
    )
    with client_of(narrow, token) as client:
        assert client.post("/Users", json=person()).status_code == 201
        assert client.get("/Users?count=0").status_code == 200
        assert not all(_answered(connection) for connection in stalled)
    refused = httpx.get(f"{narrow.url}/sign-in")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert until(
        lambda: (
            'muster_places_in_use{kind="anonymous"} 6.0' in httpx.get(f"{narrow.url}/metrics").text
        )
    )
    assert (
        'muster_places_refused_total{kind="anonymous"}' in httpx.get(f"{narrow.url}/metrics").text
    )
    answers = [connection.recv(65536) for connection in stalled]
    assert (
        sorted(answer[:12] for answer in answers) == [b"HTTP/1.1 408"] * 6 + [b"HTTP/1.1 503"] * 2
    )
    assert sum(b"within 10 seconds (MUSTER_FORM_SECONDS)" in answer for answer in answers) == 6
    assert httpx.get(f"{narrow.url}/sign-in").status_code == 200
    for connection in stalled:
        connection.close()


def test_one_address_has_no_more_than_its_share(tmp_path):
    options = {
        "MUSTER_MAX_ANONYMOUS_BY_ADDRESS": "3",
        "MUSTER_TRUSTED_PROXIES": "127.0.0.1",
        "MUSTER_FORM_SECONDS": "30",
    }
    with Server(tmp_path, **options) as server:
        stalled = [_begin_form(server) for _ in range(3)]
        refused = until(
            lambda: (found := httpx.get(f"{server.url}/sign-in")).status_code == 503 and found
        )
        assert refused.json()["detail"].endswith(
            "are in flight from this address (MUSTER_MAX_ANONYMOUS_BY_ADDRESS)"
        )
        other = httpx.get(f"{server.url}/sign-in", headers={"X-Forwarded-For": "192.0.2.7"})
        assert other.status_code == 200
        for connection in stalled:
            connection.close()
        assert until(lambda: httpx.get(f"{server.url}/sign-in").status_code == 200)


def test_a_workspace_that_waits_gives_its_place_to_another(narrow):
    """A request of another workspace replaces one of four slow bodies."""
    narrow.muster("workspaces", "create", "other")
    greedy, other = narrow.key("greedy"), narrow.key("other", "--workspace", "other")
    slow = [_begin_post(narrow, greedy) for _ in range(4)]
    time.sleep(0.5)
    with client_of(narrow, other) as client, client_of(narrow, greedy) as same:
        assert until(lambda: same.get("/Users?count=0").status_code == 503)
        assert client.get("/Users?count=0").status_code == 200
        answers = sorted(connection.recv(65536) for connection in slow)
        assert [answer[:12] for answer in answers] == [b"HTTP/1.1 408"] * 3 + [b"HTTP/1.1 503"]
        assert b"too many requests in progress (MUSTER_MAX_IN_FLIGHT)" in answers[-1]
    for connection in slow:
        connection.close()


def test_a_byte_a_moment_and_half_open_connections_hold_no_one_up(narrow):
    token = narrow.key("drip")
    idle = [socket.create_connection(("127.0.0.1", narrow.port)) for _ in range(100)]
    dripping = _begin_post(narrow, token)
    with client_of(narrow, token) as client:
        beside = 0
        while not _answered(dripping):
            dripping.sendall(b" ")
            assert client.get("/Users?count=0").status_code == 200
            beside += 1
            time.sleep(0.25)
        assert beside > 2
    assert dripping.recv(65536).startswith(b"HTTP/1.1 408")
    for connection in (*idle, dripping):
        connection.close()


class Balancer:
    """Sends each request to a ready replica, over connections that are kept."""

    def __init__(self, replicas, token):
        self.replicas = replicas
        self.token = token
        self.ready = list(replicas)
        self.statuses = []
        self.stop = threading.Event()

    def watch(self):
        while not self.stop.is_set():
            self.ready = [replica for replica in self.replicas if self._is_ready(replica)]
            time.sleep(0.05)

    @staticmethod
    def _is_ready(replica):
        try:
            return httpx.get(f"{replica.url}/readyz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def load(self, number):
        clients = {replica.port: client_of(replica, self.token) for replica in self.replicas}
        turn = number
        while not self.stop.is_set():
            turn += 1
            ready = self.ready
            client = clients[ready[turn % len(ready)].port]
            try:
                if turn % 3:
                    status = client.get("/Users?count=3").status_code
                else:
                    status = client.post("/Users", json=person()).status_code
            except httpx.TransportError as error:
                status = repr(error)
            self.statuses.append(status)
        for client in clients.values():
            client.close()


def test_a_restart_under_load_fails_no_request(tmp_path, database):
    """A rolling restart of two replicas behind a balancer loses no request."""
    options = {"MUSTER_RATE_LIMIT": "0", "MUSTER_DRAIN_DELAY": "1.5", **database}
    with Server(tmp_path, **options) as one, Server(tmp_path, **options) as other:
        balancer = Balancer([one, other], one.key("k"))
        threads = [threading.Thread(target=balancer.watch)]
        threads += [threading.Thread(target=balancer.load, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        try:
            for replica in (one, other):
                time.sleep(0.4)
                _restart(replica)
                time.sleep(0.4)
        finally:
            balancer.stop.set()
            for thread in threads:
                thread.join()
        with client_of(one, balancer.token) as client:
            assert client.get("/Users?count=0").json()["totalResults"] == balancer.statuses.count(
                201
            )
    assert set(balancer.statuses) <= {200, 201}
    print(f"{len(balancer.statuses)} requests over two restarts, none failed")


def _restart(replica):
    """SIGTERM, at which /readyz goes red first; then a start."""
    replica.process.terminate()
    stopping = until(
        lambda: (found := httpx.get(f"{replica.url}/readyz")).status_code == 503 and found
    )
    assert stopping.json()["detail"] == "this server is stopping"
    assert stopping.headers["connection"] == "close"
    assert replica.wait() == 0
    replica.start()


def test_many_passwords_of_one_workspace_keep_nobody_from_signing_in(narrow):
    """Hashing for one workspace delays neither another nor a sign-in."""
    narrow.muster("workspaces", "create", "hashing")
    operations = [
        {
            "method": "POST",
            "bulkId": f"b{n}",
            "path": "/Users",
            "data": person(password=f"correct horse {n}"),
        }
        for n in range(80)
    ]
    message = {"schemas": [BULK_REQUEST], "Operations": operations}
    with (
        client_of(narrow, narrow.key("hashing", "--workspace", "hashing")) as bulk,
        client_of(narrow, narrow.key("verifying")) as client,
        concurrent.futures.ThreadPoolExecutor(1) as pool,
    ):
        user = client.post("/Users", json=person(password="correct horse battery")).json()
        hashing = pool.submit(bulk.post, "/Bulk", json=message, timeout=280)
        assert until(hashing.running)
        verify = {"userName": user["userName"], "password": "correct horse battery"}
        for _ in range(5):
            found = httpx.post(
                f"{narrow.url}/api/v1/passwords/verify",
                json=verify,
                headers=client.headers,
                timeout=60,
            )
            assert found.json() == {"valid": True, "user": user["id"]}
        visitor = httpx.Client(base_url=narrow.url, timeout=60)
        csrf = re.search(r'name="csrf" value="([^"]*)"', visitor.get("/sign-in").text)[1]
        fields = {"csrf": csrf, "email": "nobody@example.com", "password": "whatever it may be"}
        assert visitor.post("/sign-in", data=fields).status_code == 401
        visitor.close()
        assert not hashing.done(), "there was nothing to wait for"
        assert {result["status"] for result in hashing.result().json()["Operations"]} == {"201"}


def _begin_poll(server, token):
    """A connection with a long poll."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=90)
    head = f"GET /api/v1/changes?cursor=end&wait=60 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def _in_flight(server):
    found = re.search(
        r"^muster_requests_in_flight (\S+)", httpx.get(f"{server.url}/metrics").text, re.MULTILINE
    )
    return float(found[1])


def test_long_polls_give_their_places_to_requests_and_end_with_their_clients(narrow):
    narrow.muster("workspaces", "create", "polling")
    polling, other = narrow.key("polling", "--workspace", "polling"), narrow.key("beside polls")
    polls = [_begin_poll(narrow, polling) for _ in range(4)]
    assert until(lambda: _in_flight(narrow) == 4)
    with client_of(narrow, other) as client, client_of(narrow, polling) as same:
        assert client.get("/Users?count=0").status_code == 200
        assert until(lambda: _answered(*polls))
        first = _answered(*polls)[0].recv(65536)
        assert first.startswith(b"HTTP/1.1 200")
        assert b'"events":[]' in first
        polls.append(_begin_poll(narrow, polling))
        assert until(lambda: _in_flight(narrow) == 4)
        assert same.post("/Users", json=person()).status_code == 201  # which the polls are told of
    for connection in polls:
        connection.close()
    assert until(lambda: _in_flight(narrow) == 0)


def test_a_long_poll_ends_when_its_client_has_gone(narrow):
    polls = [_begin_poll(narrow, narrow.key("leaving")) for _ in range(3)]
    assert until(lambda: _in_flight(narrow) == 3)
    for connection in polls:
        connection.close()
    assert until(lambda: _in_flight(narrow) == 0, 45), "they wait for another minute"
