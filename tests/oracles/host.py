"""Run muster in the process of a test and call it over ASGI, without a client."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode

import muster
from muster.storage.port.resources import Outcome, Stored, Write
from tests.support.waiting import until

Json = Any

CREATED = "2026-01-01T00:00:00+00:00"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a request."""

    status: int
    body: bytes

    @property
    def json(self) -> Json:
        return json.loads(self.body) if self.body else None

    @property
    def scim_type(self) -> str | None:
        return self.json.get("scimType")


class Host:
    """A started service on the database with this URL."""

    def __init__(self, database: str) -> None:
        self.runner = asyncio.Runner()
        settings = muster.Settings(
            database=database,
            rate_limit=0,
            request_log=False,
            requests_kept=0,
            metrics=False,
            scan_seconds=120.0,
        )
        self.app = muster.create_app(settings)
        self.runner.run(self.app.start())
        self._spaces = 0

    def space(self, strict: bool = False) -> "Space":
        """Create a workspace."""
        self._spaces += 1
        return Space(self, f"space-{self._spaces}", strict)

    def decide_twice(self) -> None:
        """From now on decide every write to a resource twice, and fail if they differ."""
        storage = self.app.storage
        write = storage.write

        def watched(wanted: Write) -> Awaitable[Outcome]:
            return write(
                wanted if wanted.id is None else replace(wanted, decide=_twice(wanted.decide))
            )

        storage.write = watched

    def close(self) -> None:
        self.runner.run(self.app.close())
        self.runner.close()


def _twice(decide: Callable[[Stored | None], Outcome]) -> Callable[[Stored | None], Outcome]:
    def attempt(stored: Stored | None) -> tuple[Outcome | None, Exception | None]:
        try:
            return decide(stored), None
        except Exception as error:
            return None, error

    def decided(stored: Stored | None) -> Outcome:
        (one, error), (other, again) = attempt(stored), attempt(stored)
        assert (_timeless(one), repr(error)) == (_timeless(other), repr(again))
        if again is not None:
            raise again
        return other

    return decided


def _timeless(outcome: Outcome | None) -> str:
    """Write an outcome as text, without its timestamps."""
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z?", "", repr(outcome))


class Space:
    """A workspace, called with an administrator's key."""

    def __init__(self, host: Host, name: str, strict: bool) -> None:
        self.host, self.strict = host, strict

        async def make() -> str:
            workspace = await host.app.storage.add_workspace(name, "rfc7644", strict, CREATED)
            return (await host.app.keys.create(workspace, "tests"))[0]

        self._headers = [
            (b"host", b"scim.example"),
            (b"authorization", f"Bearer {host.runner.run(make())}".encode()),
            (b"content-type", b"application/scim+json"),
        ]

    def call(self, method: str, path: str, body: Json = None, **query: object) -> Answer:
        """The synchronous form of ask."""
        return self.host.runner.run(self.ask(method, path, body, **query))

    async def ask(self, method: str, path: str, body: Json = None, **query: object) -> Answer:
        """Send a request below /scim/v2, or to an /api/v1 path."""
        path = path if path.startswith("/api/v1") else f"/scim/v2{path}"
        content = b"" if body is None else json.dumps(body).encode()
        status, pieces, unread = (
            0,
            [],
            [{"type": "http.request", "body": content, "more_body": False}],
        )

        async def receive() -> dict[str, object]:
            return unread.pop() if unread else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                pieces.append(message.get("body", b""))

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": quote(path).encode(),
            "query_string": urlencode(query, quote_via=quote).encode(),
            "headers": self._headers,
            "client": ("127.0.0.1", 1),
            "scheme": "http",
            "root_path": "",
        }
        await self.host.app(scope, receive, send)
        return Answer(status, b"".join(pieces))

    def define(self, schema: Json) -> None:
        """Add a schema and wait until its indexes are built."""
        made = self.call("POST", "/api/v1/schemas", schema)
        assert made.status == 201, made.body

        def built() -> bool:
            self.host.runner.run(asyncio.sleep(0.02))
            return self.call("GET", f"/api/v1/schemas/{schema['id']}").json["indexProgress"] == 100

        assert until(built)

    def create(self, endpoint: str, document: Json) -> Json:
        """Create a resource. Returns the answer's document."""
        return self.host.runner.run(self.made(endpoint, document))

    async def made(self, endpoint: str, document: Json) -> Json:
        """The asynchronous form of create."""
        made = await self.ask("POST", endpoint, document)
        assert made.status == 201, (document, made.body)
        return made.json
