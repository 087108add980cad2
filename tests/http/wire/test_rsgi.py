"""The service over RSGI: what it reads from a scope and a protocol, and what it sends."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest
from granian.rsgi import ProtocolClosed
from hypothesis import given
from hypothesis import strategies as st

from muster.http.wire import rsgi
from muster.http.wire.message import Response
from muster.http.wire.rsgi import application
from muster.scim.errors import ScimError


@pytest.fixture
def broken_off(monkeypatch):
    """The connections that were broken off."""
    found = []
    monkeypatch.setattr(rsgi, "disconnect", lambda *ends: found.append(ends))
    return found


ENDS = ("10.0.0.1:5000", "10.0.0.2:8000")


class Service:
    """Keeps the request, and answers what a function makes of it."""

    def __init__(self, work):
        self._work, self.request = work, None

    async def answer(self, request):
        self.request = request
        return await self._work(request)


class Protocol:
    """A connection as Granian presents it: the chunks of a body, and what was sent.

    Args:
        body: The chunks. An exception among them is raised in its place.
        closed_after: The number of chunks of an answer after which the client is gone.
    """

    def __init__(self, *body, closed_after=None):
        self._body, self._left = list(body), closed_after
        self.read, self.sent = 0, []

    async def __call__(self):
        return b"".join([chunk async for chunk in self])

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self._body:
            raise StopAsyncIteration
        chunk = self._body.pop(0)
        if isinstance(chunk, BaseException):
            raise chunk
        self.read += len(chunk)
        return chunk

    async def client_disconnect(self):
        self.sent.append("waited")

    def response_bytes(self, status, headers, body):
        self.sent.append((status, headers, body))

    def response_empty(self, status, headers):
        self.sent.append((status, headers, None))

    def response_stream(self, status, headers):
        self.sent.append((status, headers, "stream"))
        return self

    async def send_bytes(self, piece):
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise ProtocolClosed
        self.sent.append(piece)


def call(work, protocol=None, headers=None, method="GET", **scope):
    """Call the application. Returns the request and what was sent."""
    service, protocol = Service(work), protocol or Protocol()
    given = {
        "method": method,
        "path": "/",
        "query_string": "",
        "headers": headers or {},
        "client": "10.0.0.1:5000",
        "server": "10.0.0.2:8000",
        "scheme": "http",
        "authority": None,
        **scope,
    }
    asyncio.run(application(service)(SimpleNamespace(**given), protocol))
    return service.request, protocol.sent


async def nothing(_):
    return Response(204)


def test_a_request_has_the_parts_of_its_scope():
    request, sent = call(
        nothing,
        method="POST",
        path="/scim/v2/Users",
        query_string="a=1",
        scheme="https",
        headers={"host": "x.example", "accept": "a"},
        authority="other.example",
    )
    assert (request.method, request.path, request.query) == ("POST", "/scim/v2/Users", "a=1")
    assert (request.scheme, request.host, request.client) == ("https", "x.example", "10.0.0.1:5000")
    assert (request.header("accept"), request.header("cookie")) == ("a", None)
    assert sent == [(204, [], None)]


@pytest.mark.parametrize(("authority", "host"), [("x.example:443", "x.example:443"), (None, "")])
def test_the_host_of_http_2_is_its_authority(authority, host):
    assert call(nothing, authority=authority)[0].host == host


def test_a_body_is_sent_whole_and_an_empty_answer_without_one():
    async def work(_):
        return Response(200, [("x", "y")], b"ab")

    assert call(work)[1] == [(200, [("x", "y")], b"ab")]


def streaming(closed, *pieces):
    async def stream():
        try:
            for piece in pieces:
                yield piece
        finally:
            closed.append(True)

    async def work(_):
        return Response(200, stream=stream())

    return work


def test_a_stream_is_sent_piece_by_piece_and_closed(broken_off):
    closed = []
    _, sent = call(streaming(closed, b"a", b"b"))
    assert sent == [(200, [], "stream"), b"a", b"b"]
    assert (closed, broken_off) == ([True], [])


def test_a_stream_ends_when_the_client_goes_away():
    closed = []
    _, sent = call(streaming(closed, b"a", b"b", b"c"), Protocol(closed_after=1))
    assert sent == [(200, [], "stream"), b"a"]
    assert closed == [True]


def test_head_sends_no_stream_and_closes_it():
    left = []

    async def work(_):
        made = Response(200, stream=stream())
        made.seat = SimpleNamespace(leave=lambda: left.append(True))
        return made

    async def stream():
        yield b"a"

    assert call(work, method="HEAD")[1] == [(200, [], None)]
    assert left == [True]


def test_a_stream_of_which_a_client_takes_nothing_is_given_up(monkeypatch, broken_off):
    monkeypatch.setattr("muster.http.wire.rsgi.SEND_SECONDS", 0.01)
    closed, protocol = [], Protocol()

    async def never(_):
        await asyncio.Event().wait()

    protocol.send_bytes = never
    _, sent = call(streaming(closed, b"a", b"b"), protocol)
    assert (sent, closed) == ([(200, [], "stream")], [True])
    assert broken_off == [ENDS]


@pytest.mark.parametrize(
    "error", [RuntimeError, TimeoutError, ProtocolClosed, asyncio.CancelledError]
)
def test_an_error_of_the_stream_breaks_the_connection_off(error, broken_off):
    """Granian would end the body properly, so the client would take the part for the whole.

    The errors of the stream are not mistaken for a client that has gone.
    """
    closed = []

    async def stream():
        try:
            yield b"a"
            raise error
        finally:
            closed.append(True)

    async def work(_):
        return Response(200, stream=stream())

    with contextlib.suppress(error):
        call(work)
    assert (closed, broken_off) == ([True], [ENDS])


def read(limit, *chunks, length=None):
    """Read the body of a request. Returns the status, the body or error, and the bytes read."""

    async def work(request):
        try:
            return Response(200, body=await request.read(limit) or b"-")
        except ScimError as error:
            return Response(error.status, body=error.detail.encode())

    protocol = Protocol(*chunks)
    headers = {} if length is None else {"content-length": length}
    _, ((status, _, body),) = call(work, protocol, headers, "POST")
    return status, body, protocol.read


@given(st.lists(st.binary(max_size=6), max_size=6), st.integers(1, 20), st.booleans())
def test_a_body_is_read_if_it_is_within_the_limit(chunks, limit, announced):
    whole = b"".join(chunks)
    length = str(len(whole)) if announced else None
    status, body, _ = read(limit, *chunks, length=length)
    assert (status, body) == (200, whole or b"-") if len(whole) <= limit else status == 413


def test_the_rest_of_a_body_that_is_too_large_is_passed_over_up_to_a_limit():
    """A client that is still sending would not read the answer."""
    assert read(4, *[b"ab"] * 10) == (413, b"The body is larger than 4 bytes", 20)
    assert read(4, *[b"abcd"] * 1000)[2] == 44


@pytest.mark.parametrize("length", ["5", "11", "100"])
def test_a_body_that_ends_before_its_announced_length_is_refused(length):
    status, text, _ = read(10, b"abc", b"d", length=length)
    assert status == (400 if length == "5" else 413)
    assert status == 413 or b"ended early" in text


@pytest.mark.parametrize("length", [None, "4", "100"])
def test_a_connection_that_breaks_is_a_body_that_ended_early(length):
    status, text, _ = read(10, b"ab", ProtocolClosed(), length=length)
    assert (status, b"ended early" in text) == (400, True)


def test_a_request_tells_when_its_client_has_gone():
    async def work(request):
        await request.gone()
        return Response(200)

    assert call(work)[1] == ["waited", (200, [], None)]
