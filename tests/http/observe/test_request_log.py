"""The request log: every line is valid JSON that describes the response."""

import asyncio
import io
from datetime import UTC, datetime
from unittest import mock

import orjson
from hypothesis import given
from hypothesis import strategies as st

from muster.http.observe.request_log import RequestLog
from muster.http.wire.message import Request
from muster.scim.masking import bare_path

ANY = st.text(st.characters(), max_size=400)
FEW = st.sampled_from(["a", "b", 'quoted"', "\\ \x00 \ud800", "é"])


async def _unread(_: int) -> bytes:
    return b""


def made(method: str, path: str, workspace: str, client: str) -> Request:
    request = Request(method, path, "secret=1", {}.get, _unread, "", "http", "")
    request.id, request.operation, request.key = "7f:1", "getUser", "k1"
    request.workspace, request.address = workspace, client
    return request


def logged(requests: list[tuple[Request, int, float, int]]) -> list[dict]:
    async def write() -> bytes:
        stream = io.BytesIO()
        log = RequestLog(stream)
        for answered in requests:
            log.add(*answered)
        log.flush()
        return stream.getvalue()

    return [orjson.loads(line) for line in asyncio.run(write()).splitlines()]


def shown(text: str) -> str:
    return text[:300].encode("utf-8", "replace").decode()


requests = st.tuples(
    st.builds(made, FEW, ANY, FEW, FEW),
    st.integers(100, 599),
    st.floats(0, 1e6),
    st.integers(0, 2**40),
)


@given(st.lists(requests, max_size=80))
def test_each_line_describes_one_response(answered):
    lines = logged(answered)
    assert len(lines) == len(answered)
    for line, (request, status, seconds, size) in zip(lines, answered, strict=True):
        assert line.pop("ms") == round(seconds * 1000, 3) or abs(seconds) > 1e3
        assert datetime.now(UTC) >= datetime.fromisoformat(line.pop("time"))
        assert line == {
            "request_id": "7f:1",
            "method": shown(request.method),
            "path": shown(request.path if status < 400 else bare_path(request.path)),
            "operation": "getUser",
            "status": status,
            "bytes": size,
            "workspace": shown(request.workspace),
            "key": "k1",
            "client": shown(request.address),
        }


def test_encoded_queries_are_not_logged():
    (line,) = logged([(made("GET", "/scim/v2/Users?access_token=hunter2", "w", "c"), 404, 0.1, 1)])
    assert "hunter2" not in str(line)
    assert line["path"].startswith("/scim/v2/Users?")


def test_queries_are_not_logged():
    assert "secret" not in str(logged([(made("GET", "/scim/v2/Users", "w", "c"), 200, 0.1, 1)]))


def test_the_cache_of_shared_fields_is_bounded():
    async def run() -> int:
        log = RequestLog(io.BytesIO())
        for number in range(2500):
            log.add(made("GET", "/", "w", f"10.0.{number // 256}.{number % 256}"), 200, 0.1, 1)
        log.flush()
        return len(log._alike)

    assert asyncio.run(run()) <= 1000


def test_a_line_has_the_time_of_the_response():
    # The log's own clock alone: threads of other tests read the real one meanwhile.
    clock = mock.Mock(seconds=mock.Mock(side_effect=[0.000_002, 1.999_999, 86_400.5]))
    with mock.patch("muster.http.observe.request_log.clock", clock):
        lines = logged([(made("GET", "/", "w", "c"), 200, 0.1, 1)] * 3)
    assert [line["time"] for line in lines] == [
        "1970-01-01T00:00:00.000002Z",
        "1970-01-01T00:00:01.999999Z",
        "1970-01-02T00:00:00.500000Z",
    ]


def test_a_failing_log_does_not_fail_requests():
    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(28, "No space left on device")

    async def write() -> None:
        log = RequestLog(Full())
        for _ in range(200):
            log.add(made("GET", "/", "w", "c"), 200, 0.1, 1)
        log.flush()

    asyncio.run(write())
