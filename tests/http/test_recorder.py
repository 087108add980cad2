"""What is kept of a body: no secret, however it is written."""

import asyncio
import json
import time
from types import SimpleNamespace

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from muster.http.recorder import MASK, masked
from muster.storage.requests import Kept, Requests, Wanted, number_of
from muster.storage.sqlite import SqliteStorage

SECRET = "hunter2 and more"


@pytest.mark.parametrize(
    "body",
    [
        {"password": SECRET},
        {"PassWord": SECRET},
        {"Operations": [{"op": "replace", "path": "password", "value": SECRET}]},
        {"Operations": [{"op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User:password", "value": SECRET}]},
        {"Operations": [{"op": "replace", "value": {"password": SECRET}}]},
        {"Operations": [{"op": "replace", "value": {"urn:ietf:params:scim:schemas:core:2.0:User:password": SECRET}}]},
        {"Operations": [{"method": "POST", "data": {"password": SECRET}}]},
        [{"token": SECRET}, {"secret": [SECRET]}],
    ],
)
def test_secrets_are_masked(body):
    text = masked(orjson.dumps(body))
    assert SECRET not in text
    assert MASK in text
    assert SECRET not in masked(json.dumps(body).encode()[:-1])


def test_a_name_that_is_written_with_escapes():
    assert SECRET not in masked(b'{"p\\u0061ssword": "%b"}' % SECRET.encode())


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3))
def test_the_rest_is_kept(body):
    assume(not any(word in str(body).lower() for word in ("password", "token", "secret", "authorization")))
    raw = orjson.dumps(body)
    kept = masked(raw)
    if "\0" not in kept and "�" not in kept:
        assert json.loads(kept) == json.loads(raw)


def test_no_more_than_is_of_use():
    assert len(masked(b'{"a": "%b"}' % (b"x" * 100_000))) < 20_000
    assert masked(b"") == ""
    assert masked(b"\xff\0").count("�") == 2


def test_what_is_too_old_or_too_much_is_let_go_of(tmp_path):
    async def run():
        storage = SqliteStorage(str(tmp_path / "m.db"))
        await storage.migrate()
        await storage.start()
        requests = Requests(storage)
        kept = [
            Kept(number_of(1000.0 + n), "t", "r", "k", "o", "POST", "/", "", 201, 1, "", "", "", "", "", "") for n in range(9)
        ]
        await requests.keep(1, kept)
        await requests.keep(2, kept[:1])
        await requests.trim(1, 5, number_of(1006.0))
        found = [item.number for item in await requests.find(1, Wanted())]
        await requests.trim(1, 2, 0)
        fewer = [item.number for item in await requests.find(1, Wanted())]
        others = await requests.find(2, Wanted())
        await storage.close()
        return found, fewer, others

    found, fewer, others = asyncio.run(run())
    assert found == [number_of(1000.0 + n) for n in (8, 7, 6)]
    assert fewer == found[:2]
    assert len(others) == 1


def test_reads_beyond_what_they_may_cost_are_let_go_of_and_counted():
    from muster.http.message import Response
    from muster.http.recorder import Recorder, Retention

    recorder = Recorder(None, Retention(7, 100))
    workspace = SimpleNamespace(record_reads="2999-01-01T00:00:00.000Z")
    read = SimpleNamespace(method="GET", path="/scim/v2/Users", grant=SimpleNamespace(workspace=workspace))
    write = SimpleNamespace(method="POST", path="/scim/v2/Users", grant=read.grant)
    for _ in range(500):
        recorder.note(read, Response(200, [], b""), 0.0)
    assert recorder.lost() == 300
    recorder.note(write, Response(201, [], b""), 0.0)
    recorder.note(read, Response(404, [], b""), 0.0)
    assert recorder.lost() == 0
    assert len(recorder._waiting) == 202


def test_a_workspace_may_say_how_long_its_requests_are_kept():
    from muster.http.message import Request, Response
    from muster.http.recorder import Recorder, Retention
    from muster.storage.port import Workspace

    class Requests:
        def __init__(self):
            self.trimmed = {}

        async def keep(self, workspace, kept):
            assert len(kept) == 1

        async def trim(self, workspace, rows, oldest):
            self.trimmed[workspace] = (rows, oldest)

    kept = Requests()
    recorder = Recorder(kept, Retention(7, 100))
    for number, days in ((1, None), (2, 2)):
        workspace = Workspace(number, f"w{number}", "rfc7644", False, "", requests_days=days)
        request = Request("POST", "/scim/v2/Users", "", {}.get, None, "", "http", "h", grant=SimpleNamespace(workspace=workspace))
        recorder.note(request, Response(201, [], b"{}"), 0.0)
    asyncio.run(recorder.flush())
    now = time.time()
    for number, days in ((1, 7), (2, 2)):
        rows, oldest = kept.trimmed[number]
        assert rows == 100
        assert abs(oldest - number_of(now - days * 86_400)) < number_of(60)
