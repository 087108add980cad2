"""A service in this process whose answers are the same each time."""

import asyncio
import contextlib
import itertools
import json
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import httpx

from muster.access.keys import KeyOptions, Keys
from muster.access.permissions import ADMIN
from muster.access.platform_keys import PlatformKeys
from muster.app import Muster
from muster.base.clock import timestamp
from muster.config import Settings
from muster.storage.port.changes import ChangeOrigin

Json = dict[str, Any]
BASE = "https://scim.example.com"
_START = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
_STEP = 1_000_000_000
"""The nanoseconds from one request to the next."""


class Clock:
    """A clock that stands still between requests."""

    def __init__(self) -> None:
        self._nanoseconds = int(_START.timestamp()) * 1_000_000_000

    def read(self) -> int:
        """Return the time in nanoseconds since 1970."""
        return self._nanoseconds

    def step(self) -> None:
        """Go on to the time of the next request."""
        self._nanoseconds += _STEP


class Running:
    """A service with one workspace, and an API key that may do everything in it.

    Attributes:
        muster: The application.
        workspace: The id of its workspace.
    """

    def __init__(self, muster: Muster, clock: Clock, client: httpx.AsyncClient) -> None:
        self.muster = muster
        self.workspace = 0
        self._clock = clock
        self._client = client
        self._numbers = itertools.count(1)
        self._key = ""

    async def prepare(self, name: str) -> None:
        """Create the API key, with a name."""
        storage = self.muster.storage
        workspace = await storage.find_workspace("default")
        assert workspace is not None
        self.workspace = workspace.id
        self._key, _ = await Keys(storage).create(workspace, name, KeyOptions((ADMIN,)))

    async def ask(
        self, method: str, path: str, body: Json | None = None, key: str | None = None
    ) -> httpx.Response:
        """Send a request, at a time and with a request id of its own.

        Args:
            method: The HTTP method.
            path: The path with its query.
            body: The body, if any; the token endpoint gets it as a form.
            key: The credential, if it is not the key of the service.
        """
        self._clock.step()
        headers = {
            "authorization": f"Bearer {key or self._key}",
            "x-request-id": f"3f9a1c20b7d4-{next(self._numbers):x}",
            "user-agent": "Okta SCIM Client 1.0.0",
        }
        if path == "/oauth/token":
            return await self._client.request(method, path, data=body)
        return await self._client.request(method, path, json=body, headers=headers)

    async def until(self, path: str, ready: Callable[[Json], Any]) -> None:
        """Read a path again and again, at the present time, until its answer is ready."""
        headers = {"authorization": f"Bearer {self._key}"}
        for _ in range(600):
            if ready((await self._client.get(path, headers=headers)).json()):
                return
            await asyncio.sleep(0.05)
        raise TimeoutError(path)

    def now(self) -> str:
        """Return the time, and go on to the next one."""
        self._clock.step()
        return timestamp()

    async def platform_key(self) -> str:
        """Create a platform key. Returns it."""
        origin = ChangeOrigin("command", "", timestamp())
        token, _ = await PlatformKeys(self.muster.storage).create("signup", origin)
        return token

    async def done(self, method: str, path: str, body: Json | None = None) -> Json:
        """Send a request that succeeds. Returns the body of the answer."""
        answer = await self.ask(method, path, body)
        answer.raise_for_status()
        return dict(answer.json()) if answer.content else {}

    async def metrics(self, token: str) -> str:
        """Return the metrics, as Prometheus reads them with the operator's token."""
        await asyncio.sleep(0.1)  # the gauges are set by a job
        answer = await self._client.get("/metrics", headers={"authorization": f"Bearer {token}"})
        return answer.text


@contextlib.asynccontextmanager
async def running(key: str = "okta", **settings: Any) -> AsyncIterator[Running]:
    """Run a service on a database of its own.

    Args:
        key: The name of its API key.
        settings: Its settings.
    """
    clock = Clock()
    with (
        tempfile.TemporaryDirectory(prefix="muster-reference-") as folder,
        mock.patch("muster.base.clock._read", clock.read),
        _without_variables(),
    ):
        given = {
            "database": f"sqlite:///{Path(folder) / 'muster.db'}",
            "base_url": BASE,
            "request_log": False,
            **settings,
        }
        muster = Muster(Settings(**given))
        transport = httpx.ASGITransport(app=muster)
        async with (
            muster.lifespan(),
            httpx.AsyncClient(transport=transport, base_url=BASE) as client,
        ):
            made = Running(muster, clock, client)
            await made.prepare(key)
            yield made


@contextlib.contextmanager
def _without_variables() -> Iterator[None]:
    """Hide the settings of the developer's environment, and ./muster.toml."""
    import os

    kept = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    with (
        mock.patch.dict(os.environ, kept, clear=True),
        mock.patch.dict(Settings.model_config, toml_file=None),
    ):
        yield


def run(work: Any) -> Any:
    """Run a coroutine to its end. Returns its result."""
    return asyncio.run(work)


_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
_RANDOM = re.compile(
    rf"(?P<uuid>{_UUID})"
    r"|(?P<message>msg_[0-9a-f]{16}_[0-9a-f]{32})"
    r"|(?P<event>(?<=\")[\w-]{22}(?=\.\d\"))"
    r"|(?P<token>(?<=\")[\w-]{22}(?=\"))"
    r"|(?P<key>(?<=key:)[0-9a-f]{16,32})"
    r"|(?P<hex>\b[0-9a-f]{16}\b)"
    r"|(?P<hash>\b[0-9a-f]{64}\b)"
)
_SHAPES: Mapping[str, str] = {
    "uuid": "0193591c-1f00-7b5d-a1b2-3c4d5e6f{:04x}",
    "message": "msg_a1b2c3d4e5f60718_3f9a1c20b7d43f9a1c20b7d43f9a{:04x}",
    "event": "mGm0zX1oE4kq3JrYw5{:04x}",
    "token": "mGm0zX1oE4kq3JrYw5{:04x}",
    "key": "5f2b9c0d8e7a{:04x}",
    "hex": "a1b2c3d4e5f6{:04x}",
    "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f0{:04x}",
}
_FIRST = 0x7081


class Stable:
    """Replaces random ids by others that are the same each time, in the order of their use."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}
        self._numbers = {kind: itertools.count(_FIRST) for kind in _SHAPES}

    def value(self, value: Any) -> Any:
        """Return a JSON value with stable ids."""
        return json.loads(self.text(json.dumps(value)))

    def text(self, text: str) -> str:
        """Return a text with stable ids."""
        return _RANDOM.sub(self._replace, text)

    def _replace(self, found: re.Match[str]) -> str:
        kind = str(found.lastgroup)
        if found[0] not in self._given:
            self._given[found[0]] = _SHAPES[kind].format(next(self._numbers[kind]))
        return self._given[found[0]]
