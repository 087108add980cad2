"""/healthz and /readyz."""

import asyncio
from types import SimpleNamespace

import httpx
import orjson
import pytest

from muster.http.observe.health import healthz, readyz
from muster.storage.port.errors import StorageError


def test_health(server):
    assert httpx.get(f"{server.url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{server.url}/readyz").json() == {"status": "ok"}


class Storage:
    def __init__(self, error=None):
        self._error = error

    async def ready(self):
        if self._error is not None:
            raise self._error


def ask(error=None, stopping=False, overloaded=None, degraded=()):
    service = SimpleNamespace(overloaded=lambda: overloaded, degraded=lambda: list(degraded))
    page = readyz(Storage(error), lambda: stopping, lambda: service)
    response = asyncio.run(page(None))
    return response.status, orjson.loads(response.body)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"stopping": True}, "this server is stopping"),
        ({"overloaded": "too many requests"}, "too many requests"),
        ({"error": StorageError("the database is away")}, "the database is away"),
        ({"stopping": True, "error": StorageError("away")}, "this server is stopping"),
    ],
)
def test_a_server_that_cannot_serve_says_why(state, reason):
    assert ask(**state) == (503, {"status": "unavailable", "detail": reason})


def test_a_server_that_refuses_some_requests_is_ready_and_says_which():
    assert ask(degraded=["no forms"]) == (200, {"status": "ok", "degraded": ["no forms"]})
    assert ask() == (200, {"status": "ok"})


def test_a_process_is_alive_whatever_its_storage_does():
    response = asyncio.run(healthz(None))
    assert (response.status, orjson.loads(response.body)) == (200, {"status": "ok"})
