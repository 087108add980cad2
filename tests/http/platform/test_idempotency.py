"""`Idempotency-Key`: the same request acts once, and answers are stored encrypted."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from muster.access.kept_answers import Kept
from muster.access.platform_keys import PlatformKeys
from muster.http.platform.idempotency import Idempotency
from muster.http.wire.message import Request, Response
from muster.scim.errors import ScimError
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.errors import Outdated, StorageFull
from muster.storage.port.items import IDEMPOTENT_KIND, INSTALLATION
from tests.conftest import DATABASES
from tests.storage.conftest import bench
from tests.support.in_process import InProcessServer
from tests.support.people import name
from tests.support.platform import Platform, label
from tests.support.tenant import problem

__all__ = ["bench"]
ORIGIN = ChangeOrigin("test", "", "2026-01-01T00:00:00.000Z")


def post(platform, key, path="/workspaces", **body):
    return platform.api.post(path, json=body, headers={"idempotency-key": key})


def test_a_request_that_is_sent_again_gets_the_first_answer(platform):
    key, called = name("key"), label()
    first = post(platform, key, name=called)
    again = post(platform, f'"{key}"', name=called)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert "idempotent-replayed" not in first.headers
    problem(platform.api.post("/workspaces", json={"name": called}), 409)


def test_the_same_key_for_another_request_is_refused(platform):
    key, called = name("key"), label()
    assert post(platform, key, name=called).status_code == 201
    assert "another request" in problem(post(platform, key, name=label()), 422)
    refused = post(platform, key, f"/workspaces/{called}/suspend", name=called)
    assert "another request" in problem(refused, 422)


def test_keys_of_two_platform_keys_have_nothing_to_do_with_each_other(platform, server):
    key, other = name("key"), Platform(server)
    assert post(platform, key, name=label()).status_code == 201
    assert post(other, key, name=label()).status_code == 201
    other.close()


def test_a_refused_request_may_be_corrected(platform):
    key, called = name("key"), label()
    problem(post(platform, key, name="Not A Name"), 400)
    assert post(platform, key, name=called).status_code == 201


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "a\tb", "ä".encode(), b"\xff"])
def test_a_malformed_key_is_refused(platform, key):
    assert "Idempotency-Key" in problem(post(platform, key, name=label()), 400)


def test_requests_at_once_act_once(platform):
    key, called = name("key"), label()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: post(platform, key, name=called), range(6)))
    statuses = {answer.status_code for answer in answers}
    assert statuses <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert all("not been answered" in problem(a, 409) for a in answers if a.status_code == 409)


class Caller:
    """A platform key, and requests with one idempotency key."""

    def __init__(self, bench):
        self.bench, self.idempotency, self.acts = bench, Idempotency(bench.storage), 0
        self.token, self.key = bench.run(PlatformKeys(bench.storage).create(name("p"), ORIGIN))
        self.given = name("k")

    async def act(self):
        self.acts += 1
        return Response(201, [("location", "/x")], b'{"token":"SECRET"}')

    def request(self):
        headers = {"authorization": f"Bearer {self.token}", "idempotency-key": self.given}
        return Request("POST", "/x", "", headers.get, None, "", "https", "x")

    def once(self, act=None):
        work = self.idempotency.once(self.request(), self.key, b"{}", lambda _: (act or self.act)())
        return self.bench.run(work)

    def item(self):
        items = self.bench.run(self.bench.storage.items(INSTALLATION, IDEMPOTENT_KIND))
        return items[-1]


def test_an_answer_is_stored_encrypted(bench):
    caller = Caller(bench)
    first, again = caller.once(), caller.once()
    assert (first.body, caller.acts) == (again.body, 1)
    stored = str(caller.item().body)
    assert "SECRET" not in stored
    assert caller.token not in stored
    assert caller.given not in stored


def test_an_answer_is_kept_for_a_day(bench, clock):
    caller = Caller(bench)
    caller.once()
    clock.advance(hours=23, minutes=59)
    caller.once()
    assert caller.acts == 1
    clock.advance(minutes=2)
    caller.once()
    assert caller.acts == 2


def test_a_key_is_free_again_after_an_error_and_after_a_crash(bench, clock, monkeypatch):
    caller = Caller(bench)

    async def fails():
        raise ScimError(409, "taken")

    with pytest.raises(ScimError, match="taken"):
        caller.once(fails)
    assert caller.once().status == 201

    crashed = Caller(bench)

    async def dies():
        monkeypatch.setattr(Idempotency, "_forget", lambda *_: asyncio.sleep(0))
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        crashed.once(dies)
    with pytest.raises(ScimError) as refused:
        crashed.once()
    assert refused.value.status == 409
    clock.advance(seconds=timedelta(minutes=1).seconds + 1)
    assert crashed.once().status == 201


def test_an_answer_that_is_not_stored_lets_the_request_run_again_after_a_minute(
    bench, clock, monkeypatch
):
    """The disk is full, or the process dies, between the act and the storing of its answer."""
    caller = Caller(bench)

    async def full(*_):
        raise StorageFull("the disk is full")

    monkeypatch.setattr(bench.storage, "record", full)
    with pytest.raises(StorageFull):
        caller.once()
    monkeypatch.undo()
    with pytest.raises(ScimError, match="has not been answered yet"):
        caller.once()
    clock.advance(seconds=61)
    assert caller.once().status == 201
    assert (caller.once().headers[-1][0], caller.acts) == ("idempotent-replayed", 2)


@pytest.fixture(scope="module", params=list(DATABASES))
def here(request, tmp_path_factory):
    """A platform key of a server in this process, on each engine."""
    options = {"MUSTER_WEBHOOKS_PRIVATE": "1", **DATABASES[request.param]()}
    with InProcessServer(tmp_path_factory.mktemp("here"), **options) as server:
        made = Platform(server)
        yield made
        made.close()


CREATIONS = {
    "/workspaces": {},
    "/workspaces/{place}/connections": {"name": "Okta"},
    "/workspaces/{place}/keys": {"name": "okta"},
    "/workspaces/{place}/invitations": {"name": "Ada"},
    "/workspaces/{place}/setup-links": {"expiresInDays": 3},
    "/workspaces/{place}/connections/default/oauth-clients": {"name": "Entra"},
    "/webhooks": {"url": "https://hooks.example/muster"},
}


@pytest.mark.parametrize("path", CREATIONS)
def test_a_creation_acts_once_even_if_the_process_dies_after_it(here, path, monkeypatch):
    place = here.workspace()
    made = {"name": label()} if path == "/workspaces" else CREATIONS[path]
    path, key = path.format(place=place), name("key")
    before = number_of(here, path)
    with monkeypatch.context() as killed:
        once = Idempotency.once

        async def die_after(idempotency, request, platform_key, body, act):
            async def dies(keep):
                await act(keep)
                raise SystemError("the process is killed")

            return await once(idempotency, request, platform_key, body, dies)

        killed.setattr(Idempotency, "once", die_after)
        killed.setattr(Idempotency, "_forget", lambda *_: asyncio.sleep(0))
        assert post(here, key, path, **made).status_code == 500
    again = post(here, key, path, **made)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    assert number_of(here, path) == before + 1
    location = again.headers["location"].removeprefix("/api/v1/platform")
    if here.api.get(location).status_code != 405:  # invitations are only listed
        found, told = here.api.get(location).json(), again.json()
        common = {*found} & {*told}
        assert common
        assert {name: found[name] for name in common} == {name: told[name] for name in common}


def number_of(platform, path):
    items = platform.api.get(path, params={"limit": 1000} if path == "/workspaces" else None)
    return len(items.json()["items"])


def test_a_request_that_is_overtaken_creates_nothing(bench, clock):
    """It stood still for more than a minute, and the same request was sent again."""
    caller, kept = Caller(bench), []

    async def overtaken(keep):
        clock.advance(seconds=61)
        kept.append(keep(Response(201, [], b"first")))
        again = await asked_again()
        assert again.body == b"second"
        with pytest.raises(Outdated):
            await bench.storage.administer(kept[0].puts, expected=kept[0].standing)
        return again

    async def second(keep):
        answer = Response(201, [], b"second")
        found = keep(answer)
        await bench.storage.administer(found.puts, expected=found.standing)
        return answer

    def asked_again(act=second):
        return caller.idempotency.once(caller.request(), caller.key, b"{}", act)

    assert bench.run(asked_again(overtaken)).body == b"second"
    assert bench.run(asked_again(overtaken)).body == b"second"
    assert len(kept) == 1
    assert isinstance(kept[0], Kept)
