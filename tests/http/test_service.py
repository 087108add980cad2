"""The HTTP service with parts of the test's own: ids, keys, budgets, errors and their order."""

import asyncio
import logging
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.access.permissions import ADMIN, READ, SCIM, SETTINGS
from muster.http.service import (
    _ATTRIBUTED,
    _STREAMS_OF_ONE,
    Entrances,
    Load,
    Observers,
    OpenRoute,
    Service,
)
from muster.http.wire.base_url import BaseUrl
from muster.http.wire.message import MAX_HEADER, Request, Response
from muster.scim.errors import ScimError
from muster.storage.port.errors import (
    StatementRejected,
    StorageCorrupt,
    StorageError,
    StorageFull,
)

KEY = {"authorization": "Bearer good"}


@pytest.fixture(autouse=True)
def log(monkeypatch):
    """Keep the errors of these tests apart from those of the services of others."""
    monkeypatch.setattr("muster.http.service._log", logging.getLogger("tests.http"))


class Parts:
    """Keys, a rate limit, the entrances and the observers of a service; each can be replaced.

    `answer` is what every entrance does with a request.
    """

    def __init__(self, permissions=(ADMIN,), admits=True):
        self.grant = SimpleNamespace(
            workspace=SimpleNamespace(id=7, name="acme", suspended=None, deleted=None),
            key=SimpleNamespace(id="k1"),
            connection=SimpleNamespace(name="default", pause=None),
            opens_scim_alone=False,
            refusal=None,
            place=(7, "k1"),
            limit=None,
            permissions=permissions,
            admits=lambda _: admits,
            networks=("192.0.2.0/24",),
            counted_as="acme\0default",
        )
        self.cached = True
        self.tokens = 1000
        self.wait = None
        self.epoch = 1
        self.attributed = []
        self.turned = []
        self.observed = []
        self.noted = []

    async def answer(self, request, grant=None):
        return Response(200, [], b"ok")

    # ---- the keys

    def known(self, token):
        return self.grant if self.cached and token == "good" else None

    async def check(self, token):
        return self.grant if token == "good" else None

    async def meant(self, token):
        self.attributed.append(token)
        return self.grant

    async def turned_away(self, grant, request_id, address):
        self.turned.append((request_id, address))

    # ---- the rate limit

    def spend(self, place, limit):
        self.tokens -= 1
        return self.tokens >= 0

    async def take(self, place, limit, epoch):
        return self.wait

    def limit(self, limit):
        return 100

    # ---- the observers

    def observe(self, operation, status, place, seconds):
        self.observed.append((operation, status, place.partition("\0")[0]))

    def note(self, request, response, seconds):
        self.noted.append((request.path, response.status))

    def add(self, request, status, seconds, size):
        self.observed.append((request.id, status, size))


def service(parts, base_url=None, stopping=False, pages=(), **load):
    given = Load(load.pop("max_in_flight", 10), lambda: stopping, **load)

    def site(asked):
        return parts.answer(asked)

    entrances = Entrances(parts, parts, pages, site, parts, parts)
    observers = Observers(log=parts, metrics=parts, recorder=parts)
    return Service(parts, parts, BaseUrl(base_url, ()), given, entrances, observers)


def request(path="/scim/v2/Users", method="GET", headers=KEY, **fields):
    async def read(limit):
        return b""

    made = {"query": "", "header": headers.get, "read": read, "client": "10.0.0.1:5"} | fields
    return Request(method, path, scheme="http", host="x.example", **made)


def answer(made, asked=None):
    """Answer a request. Returns the response."""
    return asyncio.run(made.answer(asked or request()))


def header(response, name):
    (value,) = [value for known, value in response.headers if known == name]
    return value


@given(st.text(st.characters(codec="latin-1"), max_size=140))
def test_a_request_id_of_the_client_is_kept_if_it_is_harmless(text):
    parts = Parts()
    asked = request(headers={**KEY, "x-request-id": text})
    given = header(answer(service(parts), asked), "x-request-id")
    harmless = 0 < len(text) <= 128 and all(
        (c.isascii() and c.isalnum()) or c in "._:/+=@-" for c in text
    )
    assert (given == text) == harmless
    assert given == asked.id == parts.observed[-1][0]


def test_request_ids_are_unique_over_requests_and_processes():
    first, second = service(Parts()), service(Parts())
    ids = [header(answer(made), "x-request-id") for made in (first, second) for _ in range(3)]
    assert len(set(ids)) == 6
    assert len({found.rpartition("-")[0] for found in ids}) == 2


@pytest.mark.parametrize(
    ("base_url", "path", "seen"),
    [
        (None, "/scim/v2/Users", "/scim/v2/Users"),
        (None, "//scim///v2//Users//", "/scim/v2/Users/"),
        ("https://x.example/idp", "/idp/scim/v2/Users", "/scim/v2/Users"),
        ("https://x.example/idp", "/scim/v2/Users", "/scim/v2/Users"),
        ("https://x.example/idp", "/idp", "/"),
        ("https://x.example/idp", "/idp/", "/"),
        ("https://x.example/idp", "/idpx", "/idpx"),
        ("https://x.example/a/b", "//a/b/api/v1/keys", "/api/v1/keys"),
    ],
)
def test_paths_lose_repeated_slashes_and_the_path_of_the_public_url(base_url, path, seen):
    asked = request(path)
    assert answer(service(Parts(), base_url), asked).status == 200
    assert asked.path == seen


@pytest.mark.parametrize(
    ("authorization", "status", "detail"),
    [
        (None, 401, "An API key is required"),
        ("Basic YTpi", 401, "expected the form Bearer"),
        ("good", 401, "expected the form Bearer"),
        ("Bearer bearer good", 401, "the word Bearer comes twice"),
        ("Bearer bad", 401, "invalid, expired or revoked"),
        ("Bearer " + "x" * MAX_HEADER, 401, "longer than"),
        ("bearer good", 200, "ok"),
        ("Bearer  good ", 200, "ok"),
    ],
)
@pytest.mark.parametrize("path", ["/scim/v2/Users", "/scim/v2", "/api/v1/keys"])
def test_a_key_is_required_under_scim_and_api(path, authorization, status, detail):
    headers = {} if authorization is None else {"authorization": authorization}
    response = answer(service(Parts()), request(path, headers=headers))
    assert (response.status, detail.encode() in response.body) == (status, True)
    if status == 401:
        assert header(response, "www-authenticate").startswith("Bearer")
        form = "application/problem+json" if "api" in path else "application/scim+json"
        assert header(response, "content-type") == form


@pytest.mark.parametrize("cached", [False, True])
def test_a_key_that_is_not_cached_or_has_no_lease_left_is_looked_up(cached):
    parts = Parts()
    parts.cached, parts.tokens = cached, 0
    asked = request()
    made = service(parts)
    assert answer(made, asked).status == 200
    assert (asked.workspace, asked.key, asked.grant) == ("acme", "k1", parts.grant)
    assert made.used == {(7, "k1")}
    parts.wait = 30
    refused = answer(made)
    assert (refused.status, header(refused, "retry-after")) == (429, "30")


def test_headers_that_are_too_long_are_431_everywhere():
    made = service(Parts())
    for path in ("/scim/v2/Users", "/api/v1/keys", "/sign-in"):
        assert answer(made, request(path, headers={}, too_long=True)).status == 431


@pytest.mark.parametrize(
    ("permission", "method", "path", "status"),
    [
        (SCIM, "POST", "/scim/v2/Users", 200),
        (READ, "GET", "/scim/v2/Users", 200),
        (READ, "HEAD", "/scim/v2/Users", 200),
        (READ, "POST", "/scim/v2/Users/.search", 200),
        (READ, "POST", "/scim/v2/Users", 403),
        (READ, "PUT", "/scim/v2/Users/.search", 403),
        (SETTINGS, "GET", "/scim/v2/Users", 403),
        (SETTINGS, "GET", "/api/v1/keys", 200),
    ],
)
def test_permissions_of_keys_under_scim(permission, method, path, status):
    """The management API checks the permission of each route itself."""
    made = service(Parts((permission,)))
    response = answer(made, request(path, method))
    assert response.status == status
    if status == 403:
        assert SCIM.encode() in response.body
        assert (READ.encode() in response.body) == (method == "GET")


def test_an_address_outside_the_allowlist_is_turned_away_and_recorded():
    parts = Parts(admits=False)
    response = answer(service(parts), request(headers={**KEY, "x-request-id": "r1"}))
    assert (response.status, b"10.0.0.1" in response.body) == (403, True)
    assert parts.turned == [("r1", "10.0.0.1")]

    async def broken(*_):
        raise StorageError("away")

    parts.turned_away = broken
    assert answer(service(parts)).status == 403


@pytest.mark.parametrize(
    ("error", "status", "retry", "shown"),
    [
        (ScimError(409, "taken", "uniqueness"), 409, None, b"taken"),
        (StorageError("busy"), 503, "1", b"busy"),
        (StorageFull("full"), 507, None, b"full"),
        (StorageCorrupt("damaged"), 500, None, b"damaged"),
        (StatementRejected("SELECT secret"), 500, None, b"Internal error. Quote request id r1"),
        (RuntimeError("secret"), 500, None, b"Internal error. Quote request id r1"),
        (KeyError("secret"), 500, None, b"Internal error. Quote request id r1"),
    ],
)
@pytest.mark.parametrize("path", ["/scim/v2/Users", "/api/v1/keys", "/sign-in"])
def test_every_exception_becomes_an_answer(path, error, status, retry, shown):
    parts = Parts()

    async def fail(*_):
        raise error

    parts.answer = fail
    made = service(parts)
    response = answer(made, request(path, headers={**KEY, "x-request-id": "r1"}))
    assert (response.status, shown in response.body) == (status, True)
    assert b"secret" not in response.body
    assert dict(response.headers).get("retry-after") == retry
    assert header(response, "x-request-id") == "r1"
    assert (made.in_flight, made._unkeyed, made.anonymous.inside) == (0, 0, 0)
    assert ("r1", status, len(response.body)) in parts.observed


def test_a_server_that_stops_closes_its_connections():
    assert header(answer(service(Parts(), stopping=True)), "connection") == "close"
    assert "connection" not in dict(answer(service(Parts())).headers)


def test_a_page_that_is_open_needs_neither_key_nor_place():
    async def healthy(_):
        return Response(200, [], b"healthy")

    parts = Parts()
    pages = [OpenRoute("GET", "/healthz", healthy)]
    made = service(parts, pages=pages, max_anonymous=0)
    assert answer(made, request("/healthz", headers={})).body == b"healthy"
    full = answer(made, request("/sign-in", headers={}))
    assert (full.status, b"MUSTER_MAX_ANONYMOUS" in full.body) == (503, True)
    assert answer(made, request("/healthz", "POST", {})).status == 405
    assert made.degraded() == [made.checks.full, made.anonymous.full]


def test_requests_with_a_key_have_so_many_places():
    """A request beyond them is refused, and one without a key takes none of them."""

    async def run():
        parts, going = Parts(), asyncio.Event()

        async def wait(*_):
            await going.wait()
            return Response(200)

        parts.answer = wait
        made = service(parts, max_in_flight=2)
        pages = [asyncio.create_task(made.answer(request("/sign-in", headers={}))) for _ in "ab"]
        held = [asyncio.create_task(made.answer(request())) for _ in "ab"]
        await asyncio.sleep(0)
        assert "MUSTER_MAX_IN_FLIGHT" in made.overloaded()
        refused = await made.answer(request())
        unknown = await made.answer(request(headers={"authorization": "Bearer bad"}))
        going.set()
        answers = await asyncio.gather(*held, *pages)
        assert made.overloaded() is None
        return refused, unknown, [response.status for response in answers]

    refused, unknown, others = asyncio.run(run())
    assert (refused.status, header(refused, "retry-after")) == (503, "1")
    assert (unknown.status, others) == (401, [200] * 4)


def test_a_request_of_the_console_moves_to_the_place_that_its_session_decides():
    async def run():
        parts = Parts()
        made = service(parts, max_anonymous=1)

        def places():
            return made.checks.inside, made.anonymous.inside, made.sessions.inside

        async def sign_in(asked):
            assert places() == (1, 0, 0)
            if asked.path == "/account":
                asked.signed_in("ann")
                assert places() == (0, 0, 1)
            else:
                asked.signed_out()
                assert places() == (0, 1, 0)
            return Response(200)

        parts.answer = sign_in
        for path, administrator in (("/account", "ann"), ("/sign-in", "")):
            asked = request(path, headers={})
            assert (await made.answer(asked)).status == 200
            assert asked.administrator == administrator
            assert places() == (0, 0, 0)

    asyncio.run(run())


def streamed(parts):
    async def pieces():
        yield b"a"
        yield b"b"

    async def stream(*_):
        return Response(200, stream=pieces())

    parts.answer = stream


def test_streams_have_so_many_places_each_and_give_them_back():
    async def run():
        parts = Parts()
        streamed(parts)
        made = service(parts)
        given = [await made.answer(request()) for _ in range(_STREAMS_OF_ONE)]
        refused = await made.answer(request())
        assert (refused.status, b"in pieces" in refused.body) == (503, True)
        assert [piece async for piece in given[0].stream] == [b"a", b"b"]
        for response in given:
            await response.close()
        assert made.streams.inside == 0
        again = await made.answer(request())
        assert again.status == 200
        await again.close()

    asyncio.run(run())


def test_a_stream_that_is_cut_short_is_logged(caplog):
    async def broken():
        yield b"a"
        raise StorageError("away")

    async def run():
        parts = Parts()

        async def stream(*_):
            return Response(200, stream=broken())

        parts.answer = stream
        asked = request(headers={**KEY, "x-request-id": "r1"})
        response = await service(parts).answer(asked)
        with pytest.raises(StorageError):
            _ = [piece async for piece in response.stream]
        await response.close()

    asyncio.run(run())
    assert "request r1 was cut short: away" in caplog.text


def test_requests_without_a_valid_key_are_attributed_up_to_a_number_per_second(monkeypatch):
    """They are recorded in the workspace that the key seems to be of, without their query."""
    monkeypatch.setattr("muster.http.service.time.monotonic", lambda: 5.0)
    parts = Parts()
    made = service(parts)
    bad = {"authorization": "Bearer bad"}
    for _ in range(_ATTRIBUTED + 5):
        answer(made, request(headers=bad))
    assert parts.attributed == ["bad"] * _ATTRIBUTED
    assert len(parts.noted) == _ATTRIBUTED
    monkeypatch.setattr("muster.http.service.time.monotonic", lambda: 6.0)
    parts.grant.key.id = ""
    asked = request(headers=bad, query="filter=secret")
    assert answer(made, asked).status == 401
    assert (asked.workspace, asked.query) == ("acme", "")
    answer(made, request("/api/v1/keys", headers=bad))
    assert len(parts.attributed) == _ATTRIBUTED + 1

    async def away(_):
        raise StorageError("away")

    parts.meant = away
    assert answer(made, request(headers=bad)).status == 401


def test_a_form_that_does_not_arrive_is_408():
    async def never(_):
        await asyncio.Event().wait()

    parts = Parts()

    async def reads(asked, *_):
        return Response(200, [], await asked.read(10))

    parts.answer = reads
    made = service(parts, form_seconds=0.01)
    response = answer(made, request("/sign-in", "POST", {}, read=never))
    assert (response.status, b"MUSTER_FORM_SECONDS" in response.body) == (408, True)
