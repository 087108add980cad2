"""muster as an ASGI application: alone, and mounted in another."""

import asyncio
import contextlib
import io
import re
import runpy
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

import muster
import muster.app
from muster.storage.port.errors import StorageFull
from tests.support.invitations import invite
from tests.support.people import person


@pytest.fixture
def app(tmp_path):
    return muster.create_app(
        muster.Settings(database=f"sqlite:///{tmp_path}/m.db", request_log=False)
    )


MANY_TERMS = " or ".join(f'nickName co "zz{n}"' for n in range(100))
"""A scan that takes its time."""


async def _token(app):
    workspace = await app.storage.find_workspace("default")
    token, _ = await app.keys.create(workspace, "k")
    return token


def _client(app, token, base):
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(
        transport=transport, base_url=base, headers={"Authorization": f"Bearer {token}"}
    )


def test_links_follow_the_prefix_it_is_mounted_under(app):
    async def run():
        async with app.lifespan():
            outer = Starlette(routes=[Mount("/idp", app=app)])
            async with _client(outer, await _token(app), "https://apps.example") as client:
                created = await client.post("/idp/scim/v2/Users", json=person())
                assert created.status_code == 201
                location = created.headers["location"]
                assert location.startswith("https://apps.example/idp/scim/v2/Users/")
                assert (await client.get(location)).json()["meta"]["location"] == location
                listed = await client.get("/idp/scim/v2/Schemas")
                assert "https://apps.example/idp/scim/v2/Schemas/" in listed.text
                assert (await client.get("/idp/")).headers["location"] == "/idp/sign-in"
                assert (await client.get("/idp/openapi.json")).json()["servers"] == [
                    {"url": "https://apps.example/idp"}
                ]
                assert (await client.get("/other")).status_code == 404

    asyncio.run(run())


@pytest.mark.parametrize(
    ("base", "url", "sent"),
    [
        (None, "https://apps.example/", True),
        (None, "https://apps.example/idp/", False),
        ("https://apps.example", "http://inside/", True),
        ("https://apps.example/idp", "http://inside/", False),
        (None, "http://apps.example/", False),
    ],
)
def test_hsts_is_sent_by_an_application_that_has_its_host_alone(tmp_path, base, url, sent):
    app = muster.create_app(
        muster.Settings(database=f"sqlite:///{tmp_path}/m.db", request_log=False, base_url=base)
    )
    outer = Starlette(routes=[Mount("/idp", app=app), Mount("/", app=app)])

    async def run():
        async with app.lifespan(), _client(outer, "x", url) as client:
            answer = await client.get(f"{url}sign-in")
            assert answer.status_code == 200
            assert ("strict-transport-security" in answer.headers) == sent

    asyncio.run(run())


@pytest.mark.parametrize("kept", ["", "/idp"])
def test_links_follow_the_path_of_the_public_url(tmp_path, kept):
    """Whether the proxy in front takes the path off a request, or leaves it there."""
    app = muster.create_app(
        muster.Settings(
            database=f"sqlite:///{tmp_path}/m.db",
            request_log=False,
            base_url="https://apps.example/idp/",
        )
    )

    async def run():
        async with app.lifespan(), _client(app, await _token(app), "http://inside") as client:
            listed = await client.get(f"{kept}/scim/v2/Schemas")
            assert "https://apps.example/idp/scim/v2/Schemas/" in listed.text
            first = await client.get(f"{kept}/first?token={await invite(app.storage)}")
            assert re.search(r'<form[^>]* action="/idp/first', first.text)
            assert set(re.findall(r'(?:href|src|action)="(/[^"/]*)', first.text)) == {"/idp"}
            assert (await client.get(f"{kept}/")).headers["location"] == "/idp/sign-in"
            page = await client.get(f"{kept}/sign-in")
            assert "Path=/idp;" in page.headers["set-cookie"]
            assert (await client.get(f"{kept}/static/console.css")).status_code == 200
            assert (await client.get("/idpx/scim/v2/Schemas")).status_code == 404

    asyncio.run(run())


def test_it_starts_at_the_first_request_without_a_lifespan(app):
    async def run():
        async with _client(app, "x.y.z", "http://test") as client:
            answers = await asyncio.gather(*(client.get("/scim/v2/Users") for _ in range(5)))
            assert [answer.status_code for answer in answers] == [401] * 5
        await app.close()

    asyncio.run(run())


def test_the_lifespan_protocol(app):
    async def run():
        inbox, sent = asyncio.Queue(), []
        for kind in ("startup", "shutdown"):
            inbox.put_nowait({"type": f"lifespan.{kind}"})

        async def send(message):
            sent.append(message["type"])

        await app({"type": "lifespan"}, inbox.get, send)
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]

    asyncio.run(run())


@pytest.mark.parametrize("broken", ["touch_keys", "transact", "append"])
def test_a_full_disk_at_the_end_skips_neither_the_log_nor_the_close(tmp_path, monkeypatch, broken):
    app = muster.create_app(muster.Settings(database=f"sqlite:///{tmp_path}/m.db"))
    written, closed = io.BytesIO(), []

    async def full(*_):
        raise StorageFull("the disk is full")

    async def run():
        await app.start()
        app._log._stream = written
        async with _client(app, await _token(app), "http://test") as client:
            assert (await client.get("/scim/v2/Users?filter=nosuch")).status_code == 400
        monkeypatch.setattr(app.storage, broken, full)
        close = app.storage.close

        async def watched():
            await close()
            closed.append(True)

        monkeypatch.setattr(app.storage, "close", watched)
        await app.close()

    asyncio.run(run())
    assert closed == [True]
    assert b'"path":"/scim/v2/Users"' in written.getvalue()
    assert not (tmp_path / "m.db-wal").exists()


def test_when_a_key_was_used_is_kept_after_a_failure(tmp_path, monkeypatch):
    app = muster.create_app(muster.Settings(database=f"sqlite:///{tmp_path}/m.db"))

    async def full(*_):
        raise StorageFull("the disk is full")

    async def run():
        async with app.lifespan():
            token = await _token(app)
            async with _client(app, token, "http://test") as client:
                assert (await client.get("/scim/v2/Users")).status_code == 200
            with monkeypatch.context() as broken:
                broken.setattr(app.storage, "touch_keys", full)
                with pytest.raises(StorageFull):
                    await app._touch()
            await app._touch()
            workspace = await app.storage.find_workspace("default")
            assert [key.last_used is not None for key in await app.storage.keys(workspace.id)] == [
                True
            ]

    asyncio.run(run())


def test_last_used_is_at_most_a_minute_behind():
    assert muster.app._TOUCH_SECONDS <= 60


def test_a_body_over_the_limit_is_stopped_while_reading(app):
    async def run():
        async with app.lifespan():
            token = await _token(app)
            given = 0

            async def receive():
                nonlocal given
                given += 1
                return {"type": "http.request", "body": b" " * 100_000, "more_body": True}

            sent = []

            async def send(message):
                sent.append(message)

            headers = [
                (b"authorization", f"Bearer {token}".encode()),
                (b"host", b"x"),
                (b"content-type", b"application/json"),
            ]
            scope = {
                "type": "http",
                "method": "POST",
                "path": "/scim/v2/Users",
                "headers": headers,
                "scheme": "http",
            }
            await app(scope, receive, send)
            assert sent[0]["status"] == 413
            assert given == 21

    asyncio.run(run())


def test_a_bug_of_ours_is_a_500_that_shows_nothing(app, caplog, monkeypatch):
    async def broken(*_):
        raise RuntimeError("secret inside")

    async def run():
        async with app.lifespan():
            monkeypatch.setattr(app.storage, "get", broken)
            async with _client(app, await _token(app), "http://test") as client:
                return await client.get("/scim/v2/Users/x")

    response = asyncio.run(run())
    assert response.status_code == 500
    assert response.json()["status"] == "500"
    assert response.headers["x-request-id"] in response.json()["detail"]
    assert "secret inside" not in response.text
    assert "secret inside" in caplog.text


@pytest.mark.slow
def test_a_scan_that_takes_too_long_is_stopped(tmp_path):
    app = muster.create_app(
        muster.Settings(
            database=f"sqlite:///{tmp_path}/m.db", request_log=False, scan_seconds=0.00001
        )
    )

    async def run():
        async with app.lifespan():
            from muster.cli.people import fill

            await fill(app.storage, await app.storage.find_workspace("default"), 6000, 1)
            async with _client(app, await _token(app), "http://test") as client:
                scan = await client.get("/scim/v2/Users", params={"filter": MANY_TERMS, "count": 0})
                seek = await client.get("/scim/v2/Users", params={"filter": 'userName eq "x"'})
                return scan, seek

    scan, seek = asyncio.run(run())
    assert scan.status_code == 400, scan.text
    assert scan.json()["scimType"] == "tooMany"
    assert seek.status_code == 200


def test_the_example_works(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSTER_DATABASE", f"sqlite:///{tmp_path}/m.db")
    example = runpy.run_path(str(Path(__file__).parents[1] / "examples" / "mounted.py"))

    async def run():
        outer = example["app"]
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(outer.router.lifespan_context(outer))
            token = await _token(example["scim"])
            monkeypatch.setenv("DIRECTORY_KEY", token)
            async with _client(outer, token, "http://test") as client:
                assert (
                    await client.post("/provisioning/scim/v2/Users", json=person())
                ).status_code == 201
                return (await client.get("/")).json()

    assert asyncio.run(run())["users"] == 1
