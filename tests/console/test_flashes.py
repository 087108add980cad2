"""Values that the next page shows once."""

import asyncio
from datetime import UTC, datetime

import httpx

from muster.access.permissions import SCIM, SETTINGS
from muster.console.flashes import Flashes
from muster.storage.port.items import INSTALLATION
from muster.storage.port.resources import FLASH_KIND
from tests.console.test_forms import HOOK, SECRET, Scene
from tests.support.tenant import administer


def test_a_flash_cookie_works_once(server, fresh):
    """The first view deletes the values, so a kept or stolen cookie shows nothing."""
    scene = Scene(server, fresh)
    answer = scene.post("/keys", name="k", permission=SCIM)
    cookies = "; ".join(f"{key}={value}" for key, value in scene.visitor.http.cookies.items())
    pages = [
        httpx.get(server.url + answer.headers["location"], headers={"cookie": cookies})
        for _ in range(2)
    ]
    assert [bool(SECRET.search(page.text)) for page in pages] == [True, False]
    scene.visitor.close()


def test_flashed_values_are_stored_encrypted(server, fresh):
    scene = Scene(server, fresh)
    answer = scene.post("/webhooks", **HOOK, events="*")
    stored = server.stored()
    secret = SECRET.search(scene.visitor.get(answer.headers["location"]).text)[0]
    assert secret.encode() not in stored
    assert answer.headers["set-cookie"].partition("=")[2].partition(";")[0].encode() not in stored
    scene.visitor.close()


def test_flashed_values_belong_to_one_session_and_page_and_expire(server, monkeypatch):
    async def work(storage):
        flashes = Flashes(storage)
        token = await flashes.put("session", "/page", {"token": "words"})
        for session, place, given in (
            ("other", "/page", token),
            ("session", "/other", token),
            ("session", "/page", token + "x"),
        ):
            assert await flashes.take(session, place, given) is None
        assert await flashes.take("session", "/page", token) == {"token": "words"}
        assert await flashes.take("session", "/page", token) is None
        monkeypatch.setattr("muster.console.flashes.SECONDS", -1)
        late = await flashes.put("session", "/page", {"token": "late"})
        assert await flashes.take("session", "/page", late) is None
        monkeypatch.undo()
        await flashes.put("session", "/page", {"token": "next"})
        bodies = [item.body for item in await storage.items(INSTALLATION, FLASH_KIND)]
        assert all(datetime.fromisoformat(body["expires"]) > datetime.now(UTC) for body in bodies)

    administer(server, work)


def test_of_two_concurrent_views_one_shows_a_secret(server, fresh):
    scene = Scene(server, fresh)
    answer = scene.post("/keys", name="k", permission=[SCIM, SETTINGS])
    token = scene.visitor.http.cookies["muster_once"]

    async def work(storage):
        item = (await storage.items(INSTALLATION, "session"))[0]
        flashes = Flashes(storage)
        mine = await flashes.put(item.id, "/page", {"token": "words"})
        return await asyncio.gather(*(flashes.take(item.id, "/page", mine) for _ in range(8)))

    assert [found for found in administer(server, work) if found] == [{"token": "words"}]
    assert token not in answer.headers["location"]
    scene.visitor.close()
