"""The live view of requests ends when access is lost, and is limited per person."""

import contextlib

import httpx
import pytest

from muster.access.administrators import Administrators
from muster.http.service import _STREAMS_OF_ONE
from muster.storage.port.changes import ChangeOrigin
from tests.console.browsing import Visitor, invitation
from tests.support.people import name
from tests.support.tenant import administer

HERE = ChangeOrigin("test", "r", "2026-01-01T00:00:00.000Z")
LIVE = "/w/default/requests/live"


@pytest.fixture
def visitor(server):
    made = Visitor(server).accept(invitation(server), name("live"))
    yield made
    made.close()


def _admin(server, email, change):
    """Change the administrator with an e-mail address."""

    async def work(storage):
        administrators = Administrators(storage)
        (found,) = [admin for admin in await administrators.all() if admin.email == email]
        await change(storage, administrators, found)

    administer(server, work)


async def _remove(_, administrators, admin):
    await administrators.remove(admin, HERE)


async def _end_sessions(_, administrators, admin):
    for session in await administrators.sessions(admin):
        await administrators.end(admin, session.id, HERE)


async def _take_permissions(storage, _, admin):
    item = admin.item()
    await storage.administer(
        [type(item)(item.workspace, item.kind, item.id, {**item.body, "roles": {}})]
    )


@pytest.mark.parametrize("change", [_remove, _end_sessions, _take_permissions])
def test_the_live_view_ends_when_access_is_lost(server, visitor, change):
    """The visitor remains the installation's last administrator."""
    email = name("live")
    leaving = Visitor(server).accept(invitation(server), email)
    with leaving.http.stream("GET", LIVE) as tail:
        lines = tail.iter_lines()
        assert next(lines) == "retry: 3000"
        _admin(server, email, change)
        assert all(
            line in ("", ": still here") or line.startswith(("event", "data")) for line in lines
        )  # until it ends
    assert leaving.http.get(LIVE).status_code in (303, 403, 404)
    leaving.close()


def test_live_views_per_administrator_are_limited(visitor):
    with contextlib.ExitStack() as open_tails:
        for _ in range(_STREAMS_OF_ONE):
            client = open_tails.enter_context(
                httpx.Client(
                    base_url=visitor.http.base_url, cookies=visitor.http.cookies, timeout=60
                )
            )
            assert open_tails.enter_context(client.stream("GET", LIVE)).status_code == 200
        refused = visitor.http.get(LIVE, headers={"Accept": "text/event-stream"})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert visitor.http.get("/w/default/requests").status_code == 200
