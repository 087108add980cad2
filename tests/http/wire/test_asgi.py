"""The service as an ASGI application: what it reads from a scope, and what it sends."""

import asyncio

import pytest

from muster.http.wire.asgi import answer
from muster.http.wire.message import MAX_HEADER_BYTES, MAX_HEADERS, Response
from muster.scim.errors import ScimError


class Service:
    """Keeps the request, and answers a response or what a function makes of the request."""

    def __init__(self, response=None, work=None):
        self.response, self.work, self.request = response or Response(200), work, None

    async def answer(self, request):
        self.request = request
        return self.response if self.work is None else await self.work(request)


def call(service, *received, after=lambda: None, **scope):
    """Call the application, and then `after`. Returns the messages that it sends."""
    messages, sent = list(received), []
    given = {"type": "http", "method": "GET", "path": "/", "headers": [], **scope}

    async def receive():
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    async def run():
        await answer(service, given, receive, send)
        after()  # in the loop, which closes all streams when it ends

    asyncio.run(run())
    return sent


def body(text, more=False):
    return {"type": "http.request", "body": text, "more_body": more}


def test_a_request_has_the_parts_of_its_scope():
    service = Service()
    call(
        service,
        method="POST",
        path="/idp/scim/v2/Users",
        root_path="/idp/",
        query_string=b"a=1",
        scheme="https",
        client=("10.0.0.1", 5000),
        headers=[(b"Host", b"x.example"), (b"accept", b"a"), (b"Accept", b"b")],
    )
    request = service.request
    assert (request.method, request.path, request.prefix) == ("POST", "/scim/v2/Users", "/idp")
    assert (request.query, request.scheme, request.host) == ("a=1", "https", "x.example")
    assert (request.client, request.header("accept")) == ("10.0.0.1:5000", "a, b")
    assert request.header("cookie") is None


@pytest.mark.parametrize(("client", "shown"), [(("::1", 1), "[::1]:1"), (None, "")])
def test_the_client_of_a_scope(client, shown):
    service = Service()
    call(service, client=client)
    assert service.request.client == shown


@pytest.mark.parametrize(
    ("headers", "too_long"),
    [
        ([(b"a", b"1")] * MAX_HEADERS, False),
        ([(b"a", b"1")] * (MAX_HEADERS + 1), True),
        ([(b"a", b"x" * (MAX_HEADER_BYTES - 1))], False),
        ([(b"a", b"x" * MAX_HEADER_BYTES)], True),
    ],
)
def test_headers_beyond_the_limits_are_not_read(headers, too_long):
    service = Service()
    call(service, headers=headers)
    assert service.request.too_long == too_long
    assert (service.request.header("a") is None) == too_long


@pytest.mark.parametrize(
    ("method", "status", "length", "sent"),
    [("GET", 200, b"2", b"ab"), ("HEAD", 200, b"2", b""), ("GET", 304, None, b"ab")],
)
def test_a_response_has_its_length_except_without_a_body(method, status, length, sent):
    start, end = call(Service(Response(status, [("x", "é")], b"ab")), method=method)
    headers = dict(start["headers"])
    assert (start["status"], headers[b"x"], headers.get(b"content-length")) == (
        status,
        "é".encode("latin-1"),
        length,
    )
    assert (end["body"], end.get("more_body", False)) == (sent, False)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_stream_is_sent_piece_by_piece_and_closed(method):
    closed = []

    async def pieces():
        try:
            for piece in (b"a", b"b"):
                yield piece
        finally:
            closed.append(True)

    async def work(_):
        made = Response(200, stream=pieces())
        if method == "HEAD":
            assert await anext(made.stream) == b"a"  # a stream that began must end as well
        return made

    def after():
        assert closed == [True]

    start, *parts = call(Service(work=work), after=after, method=method)
    assert b"content-length" not in dict(start["headers"])
    assert [part["body"] for part in parts] == ([b"a", b"b", b""] if method == "GET" else [b""])
    assert [part.get("more_body", False) for part in parts][-1] is False


def read(limit, *received, length=None):
    """Read the body of a request up to a limit. Returns it, or the error."""

    async def work(request):
        try:
            return Response(200, body=await request.read(limit))
        except ScimError as error:
            return Response(error.status, body=error.detail.encode())

    headers = [] if length is None else [(b"content-length", length)]
    start, end = call(Service(work=work), *received, headers=headers, method="POST")
    return start["status"], end["body"]


def test_a_body_is_read_in_chunks_up_to_the_limit():
    assert read(4, body(b"ab", more=True), body(b"cd")) == (200, b"abcd")
    assert read(4, body(b"abc", more=True), body(b"de"))[0] == 413
    assert read(4, body(b"")) == (200, b"")


def test_a_body_that_is_announced_as_too_large_is_not_read():
    assert read(4, body(b"abcd"), length=b"5")[0] == 413
    assert read(4, body(b"abcd"), length=b"4") == (200, b"abcd")


@pytest.mark.parametrize("length", [b"", b"x", b"-1", b"\xb2", b"1" * 5000])
def test_an_announcement_that_is_no_length_decides_nothing_or_refuses(length):
    assert read(4, body(b"abcd"), length=length)[0] in (200, 413)
    assert read(4, body(b"abcde"), length=length)[0] == 413


def test_a_body_that_ends_early_is_refused():
    status, text = read(4, body(b"a", more=True), {"type": "http.disconnect"})
    assert (status, b"ended early" in text) == (400, True)


def test_a_request_tells_when_its_client_has_gone():
    async def work(request):
        await request.gone()
        return Response(200)

    sent = call(Service(work=work), body(b""), {"type": "http.disconnect"})
    assert sent[0]["status"] == 200
