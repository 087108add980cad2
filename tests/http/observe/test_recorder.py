"""Recorded bodies contain no secrets, in any notation."""

import asyncio
import json
import re
import time
from types import SimpleNamespace

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from muster.http.observe import recorder as recorder_module
from muster.http.observe.recorder import Recorder, Retention
from muster.http.wire.message import Request, Response
from muster.scim.masking import MASK
from muster.scim.schema.model import registry
from muster.storage.port.accounts import Workspace
from muster.storage.port.errors import StorageError
from muster.storage.records.requests import RecordedRequest, RequestFilter, RequestStore, number_of
from muster.storage.sqlite import SqliteStorage
from tests.support.databases import migrated_file

SECRET = "hunter2 and more"
_SHORT_NAMES_OF_SECRETS = ("passw", "pwd", "token")
"""The names of secrets that texts of five characters can contain."""


class Keeper:
    """Keeps requests in a list; fails a batch with one that `refuses` matches."""

    def __init__(self, refuses=lambda kept: False, error=ValueError):
        self.kept, self.refuses, self.error, self.calls = [], refuses, error, 0

    async def keep(self, workspace, kept):
        self.calls += 1
        if any(map(self.refuses, kept)):
            raise self.error("refused")
        self.kept.extend(kept)

    async def trim(self, workspace, rows, oldest):
        pass


def request(body, status=200, answer=b"{}", path="/Users", query="", workspace=1, headers=None):
    owner = Workspace(workspace, f"w{workspace}", "rfc7644", False, "")
    grant = SimpleNamespace(workspace=owner, through=owner, registry=registry())
    made = Request(
        "POST",
        f"/scim/v2{path}",
        query,
        (headers or {}).get,
        None,
        "",
        "http",
        "h",
        grant=grant,
        body=body,
    )
    return made, Response(status, [], answer)


def recorded(*requests, keeper=None):
    keeper = keeper or Keeper()
    recorder = Recorder(keeper, Retention(7, 100))
    for made, response in requests:
        recorder.note(made, response, 0.0)
    asyncio.run(recorder.flush())
    return keeper.kept, recorder.lost()


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    "body",
    [
        {"password": SECRET},
        {"PassWord": SECRET},
        {"Operations": [{"op": "replace", "path": "password", "value": SECRET}]},
        {"Operations": [{"op": "replace", "Path": "PASSWORD", "VALUE": SECRET}]},
        {
            "Operations": [
                {
                    "op": "replace",
                    "path": "urn:ietf:params:scim:schemas:core:2.0:User:password",
                    "value": SECRET,
                }
            ]
        },
        {
            "Operations": [
                {
                    "op": "replace",
                    "value": {"urn:ietf:params:scim:schemas:core:2.0:User:password": SECRET},
                }
            ]
        },
        {"Operations": [{"method": "POST", "data": {"password": SECRET}}]},
        [{"token": SECRET}, {"secret": [SECRET]}],
        {"filter": f'password eq "{SECRET}"'},
    ],
)
def test_secrets_are_masked(body, status):
    answer = orjson.dumps({"detail": f"cannot read {SECRET!r}"} if status == 400 else {})
    whole = request(
        orjson.dumps(body),
        status,
        answer,
        query=f"filter=password%20eq%20%22{SECRET}%22&access_token={SECRET}",
    )
    cut = request(orjson.dumps(body)[:-1], 400, answer, path=f"/Users?access_token={SECRET}")
    kept, lost = recorded(whole, cut)
    assert SECRET not in str(kept)
    assert MASK in kept[0].body
    assert MASK in kept[1].body
    assert lost == 0


def test_escaped_attribute_names_are_masked():
    kept, _ = recorded(request(b'{"p\\u0061ssword": "%b"}' % SECRET.encode()))
    assert SECRET not in kept[0].body


@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    st.sampled_from([200, 400]),
)
def test_other_values_are_recorded_unchanged(body, status):
    letters = [re.sub(r"[^a-z]", "", text.lower()) for text in (*body, *body.values())]
    assume(not any(word in text for word in _SHORT_NAMES_OF_SECRETS for text in letters))
    assume(not any('"' in key for key in body))
    assume(not any("\\u" in text for text in (*body, *body.values())))  # it may escape a name
    raw = orjson.dumps(body)
    kept, _ = recorded(request(raw, status))
    if "\0" not in kept[0].body and "�" not in kept[0].body:
        assert json.loads(kept[0].body) == json.loads(raw)


def test_long_bodies_are_truncated():
    kept, _ = recorded(
        request(b'{"a": "%b"}' % (b"x" * 100_000)), request(b""), request(b"\xff\0", 400)
    )
    assert len(kept[0].body) < 20_000
    assert kept[1].body == ""
    assert "�" not in kept[2].body


def test_a_large_body_is_masked_or_dropped():
    large = b'{"title": "%b", "%b": "hunter2"}'
    kept, _ = recorded(
        request(large % (b"x" * 200_000, b"password")),
        request(large % (b"x" * 200_000, b"nickName")),
        request(large % (b"x" * 200_000, b"nickName"), 400),
    )
    assert [item.body.startswith(MASK) for item in kept] == [True, False, True]
    assert "hunter2" not in kept[0].body + kept[2].body


def test_beyond_the_byte_limit_requests_are_recorded_without_bodies(monkeypatch):
    monkeypatch.setattr(recorder_module, "_HELD", 6_400_000)
    body = b'{"title": "%b"}' % (b"x" * 200_000)
    recorder = Recorder(keeper := Keeper(), Retention(7, 100))
    for _ in range(2):
        for _ in range(50):
            recorder.note(*request(body), 0.0)
        assert sum(len(noted.body) + len(noted.answer) for noted in recorder._waiting) <= 6_400_000
        asyncio.run(recorder.flush())
    assert [bool(kept.body) for kept in keeper.kept] == ([True] * 31 + [False] * 19) * 2
    assert recorder.lost() == 0


@pytest.mark.parametrize("depth", [10, 63, 64, 65, 250, 300, 1000, 5000])
@pytest.mark.parametrize("key", [b"password", b"Operations", b"x"])
def test_a_deep_body_does_not_affect_other_requests(depth, key):
    deep = b'{"%b":' % key * depth + b'"token"' + b"}" * depth
    others = [request(b'{"title": "a"}', workspace=number) for number in (1, 2, 1)]
    kept, lost = recorded(others[0], request(deep, 400), request(deep, 200), *others[1:])
    assert len(kept) == 5
    assert lost == 0


def test_an_unpreparable_request_is_lost_alone_and_counted():
    broken, response = request(b"{}")
    broken.grant.registry = None
    kept, lost = recorded(request(b"{}"), (broken, response), request(b"{}"))
    assert len(kept) == 2
    assert lost == 1


@pytest.mark.parametrize("error", [ValueError, StorageError])
def test_an_unstorable_request_is_lost_alone_and_counted(error):
    keeper = Keeper(lambda kept: kept.path == "/Bad", error)
    requests = [
        request(b"{}", path="/Bad" if number in (2, 3, 7) else "/Users") for number in range(10)
    ]
    kept, lost = recorded(*requests, keeper=keeper)
    assert len(kept) == 7
    assert lost == 3


def test_a_failing_storage_is_not_retried_for_each_request():
    keeper = Keeper(lambda kept: True, StorageError)
    kept, lost = recorded(*[request(b"{}") for _ in range(100)], keeper=keeper)
    assert kept == []
    assert lost == 100
    assert keeper.calls < 10


@pytest.mark.parametrize("text", ["\0", "\ud800", "é\udfff\0"])
def test_nul_and_surrogates_are_removed(text):
    odd = request(b"{}", 400, path=f"/{text}", query=text, headers={"user-agent": text})
    kept, lost = recorded(odd)
    assert lost == 0
    orjson.dumps(list(kept[0]))
    assert "\0" not in "".join(str(field) for field in kept[0])


def test_old_and_excess_requests_are_deleted(tmp_path):
    async def run():
        storage = SqliteStorage(migrated_file(tmp_path / "m.db"))
        await storage.start()
        requests = RequestStore(storage)
        kept = [
            RecordedRequest(
                number_of(1000.0 + n),
                "t",
                "r",
                "k",
                "o",
                "POST",
                "/",
                "",
                201,
                1,
                "",
                "",
                "",
                "",
                "",
                "",
            )
            for n in range(9)
        ]
        await requests.keep(1, kept)
        await requests.keep(2, kept[:1])
        await requests.trim(1, 5, number_of(1006.0))
        found = [item.number for item in await requests.find(1, RequestFilter())]
        await requests.trim(1, 2, 0)
        fewer = [item.number for item in await requests.find(1, RequestFilter())]
        others = await requests.find(2, RequestFilter())
        await storage.close()
        return found, fewer, others

    found, fewer, others = asyncio.run(run())
    assert found == [number_of(1000.0 + n) for n in (8, 7, 6)]
    assert fewer == found[:2]
    assert len(others) == 1


def test_excess_reads_are_dropped_and_counted():
    recorder = Recorder(None, Retention(7, 100))
    workspace = SimpleNamespace(record_reads="2999-01-01T00:00:00.000Z", record_reads_key=None)
    grant = SimpleNamespace(workspace=workspace, through=workspace)
    read = SimpleNamespace(method="GET", path="/scim/v2/Users", body=b"", key="k", grant=grant)
    write = SimpleNamespace(method="POST", path="/scim/v2/Users", body=b"", key="k", grant=grant)
    for _ in range(500):
        recorder.note(read, Response(200, [], b""), 0.0)
    assert recorder.lost() == 300
    recorder.note(write, Response(201, [], b""), 0.0)
    recorder.note(read, Response(404, [], b""), 0.0)
    assert recorder.lost() == 0
    assert len(recorder._waiting) == 202


def test_a_workspace_can_set_its_retention():
    class RequestStore:
        def __init__(self):
            self.trimmed = {}

        async def keep(self, workspace, kept):
            assert len(kept) == 1

        async def trim(self, workspace, rows, oldest):
            self.trimmed[workspace] = (rows, oldest)

    kept = RequestStore()
    recorder = Recorder(kept, Retention(7, 100))
    for number, days in ((1, None), (2, 2)):
        workspace = Workspace(number, f"w{number}", "rfc7644", False, "", requests_days=days)
        grant = SimpleNamespace(workspace=workspace, registry=registry())
        made = Request("POST", "/scim/v2/Users", "", {}.get, None, "", "http", "h", grant=grant)
        recorder.note(made, Response(201, [], b"{}"), 0.0)
    asyncio.run(recorder.flush())
    now = time.time()
    for number, days in ((1, 7), (2, 2)):
        rows, oldest = kept.trimmed[number]
        assert rows == 100
        assert abs(oldest - number_of(now - days * 86_400)) < number_of(60)


def asked(method, status, key="k", path="/Users"):
    made, response = request(b"", status, path=path)
    made.method, made.key = method, key
    return made, response, 0.0


def test_the_first_success_after_an_error_is_recorded_even_a_read():
    recorder = Recorder(keeper := Keeper(), Retention(7, 100))
    for made in (
        asked("GET", 200), asked("GET", 400), asked("GET", 200, "other"), asked("GET", 200), asked("GET", 200),
        asked("POST", 409), asked("POST", 201), asked("GET", 200), asked("GET", 404), asked("GET", 200),
    ):  # fmt: skip
        recorder.note(*made)
    asyncio.run(recorder.flush())
    kept = [(kept.method, kept.status) for kept in keeper.kept]
    assert kept == [
        ("GET", 400),
        ("GET", 200),
        ("POST", 409),
        ("POST", 201),
        ("GET", 404),
        ("GET", 200),
    ]
    assert {kept.key_id for kept in keeper.kept} == {"k"}


@pytest.mark.parametrize("later", [True, False])
def test_a_success_after_an_error_in_another_process_is_recorded(tmp_path, later):
    async def run():
        storage = SqliteStorage(migrated_file(tmp_path / "m.db"))
        await storage.start()
        requests = RequestStore(storage)
        one, other = (Recorder(requests, Retention(7, 100)) for _ in range(2))
        other.note(*asked("GET", 200))
        await other.flush()
        await other.look()
        one.note(*asked("POST", 400))
        await one.flush()
        await other.flush()
        if later:
            other.note(*asked("GET", 200))
            other.note(*asked("GET", 200, "another"))
        await other.look()
        for _ in range(2):
            other.note(*asked("GET", 200))
            await other.flush()
            await other.look()
            await other.flush()
        found = await requests.find(1, RequestFilter())
        await storage.close()
        return [(kept.method, kept.status, kept.key_id) for kept in reversed(found)]

    assert asyncio.run(run()) == [("POST", 400, "k"), ("GET", 200, "k")]


def test_reads_are_remembered_of_so_many_keys_at_a_time():
    """Each holds a whole request, and costs a query."""

    class Empty:
        asked = 0

        async def refused_since(self, *_):
            self.asked += 1
            return []

    recorder = Recorder(store := Empty(), Retention(7, 100))
    for number in range(600):
        made, response = request(b"", workspace=number)
        made.method, made.key = "GET", f"k{number}"
        recorder.note(made, response, 0.0)
    asyncio.run(recorder.look())
    assert store.asked == 200


def test_waiting_requests_stay_within_the_byte_limit(monkeypatch):
    """In a burst of large requests, bodies beyond the bound are dropped."""
    monkeypatch.setattr("muster.http.observe.recorder._HELD", 100_000)
    recorder = Recorder(None, Retention(7, 100))
    for number in range(200):
        recorder.note(*request(bytes([number]) * 2_000, 201, bytes([number]) * 1_000), 0.1)
    assert len(recorder._waiting) == 200
    bodies = [
        body
        for noted in recorder._waiting
        for body in (noted.body, noted.answer, noted.request.body)
    ]
    assert 50_000 < sum(map(len, bodies)) <= 100_000
