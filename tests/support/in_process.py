"""muster as an ASGI application in the tests' process, called through httpx."""

import asyncio
import io
import itertools
import logging
import os
import queue
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

import muster
from muster.app import Muster
from tests.support.commands import run_here
from tests.support.databases import migrated_file

Message = MutableMapping[str, Any]

_ports = itertools.count(1)
_served: dict[tuple[str, int], "InProcessServer"] = {}
_send = httpx.HTTPTransport.handle_request
_SECONDS = 60
_END = None


def _dispatch(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
    server = _served.get((request.url.host, request.url.port or 80))
    return _send(transport, request) if server is None else server.answer(request)


def _extract_cookies(cookies: httpx.Cookies, response: httpx.Response) -> None:
    """Skip the answers without cookies: httpx would build two requests of urllib for each."""
    if "set-cookie" in response.headers:
        _extract(cookies, response)


httpx.HTTPTransport.handle_request = _dispatch
_extract = httpx.Cookies.extract_cookies
httpx.Cookies.extract_cookies = _extract_cookies


class InProcessServer:
    """A service with the interface of `Server`, without a process; on SQLite unless told otherwise.

    Its event loop runs on a thread. Every synchronous httpx client of this process reaches it at
    its URL, whose port belongs to nobody: servers of tests listen on ports from 10,000.

    Args:
        folder: The folder of its database.
        options: Settings, as MUSTER_… variables.
    """

    host = "127.0.0.1"

    def __init__(self, folder: Path, **options: str) -> None:
        self.folder = folder
        self.port = next(_ports)
        self.ended: list[int] = []
        self.url = f"http://{self.host}:{self.port}"
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith("MUSTER_")
        }
        self.environment |= {
            "MUSTER_DATABASE": f"sqlite:///{folder}/muster.db",
            "MUSTER_PORT": str(self.port),
        } | options
        self._log = io.TextIOWrapper(io.BytesIO())
        self._handler = logging.StreamHandler(self._log)

    def __enter__(self) -> "InProcessServer":
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=self.url, daemon=True)
        self._thread.start()
        logging.getLogger("muster").addHandler(self._handler)
        kind, _, path = self.environment["MUSTER_DATABASE"].partition(":///")
        if kind == "sqlite" and not Path(path).exists():
            migrated_file(Path(path))
        with self._variables(), patch("sys.stderr", self._log):
            self.app = muster.create_app(muster.Settings())
        self.run(self.app.start())
        _served[self.host, self.port] = self
        return self

    def __exit__(self, *_: object) -> None:
        del _served[self.host, self.port]
        self.run(self.app.close())
        self.run(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_SECONDS)
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
        logging.getLogger("muster").removeHandler(self._handler)
        assert "StatementRejected" not in self.logged(), self.logged()

    def _variables(self) -> Any:
        return patch.dict(os.environ, self.environment, clear=True)

    def run(self, work: Awaitable[Any]) -> Any:
        """Run a coroutine in the loop of the service. Returns its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS)

    def administer(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        """Run work on the storage of the service. Returns its result."""
        return self.run(work(self.app.storage))

    def muster(
        self, *arguments: str, check: bool = True, typed: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of muster on the same database, in this process.

        Args:
            arguments: Its arguments.
            check: Whether to fail if its exit code is not 0.
            typed: Its standard input.
        """
        return run_here(arguments, self.environment, self.folder, check, typed)

    def key(self, name: str, *arguments: str) -> str:
        """Create an API key. Returns its token."""
        return self.muster("keys", "create", "--name", name, *arguments).stdout.strip()

    def stored(self) -> bytes:
        """Every byte of the database."""
        return b"".join(path.read_bytes() for path in self.folder.glob("muster.db*"))

    def logged(self) -> str:
        """Every record of muster's loggers, and the request log."""
        self._log.flush()
        return self._log.buffer.getvalue().decode()

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Call the application. Returns when the answer's headers are there."""
        call = _Call(self._loop, self.app, request)
        return call.response()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class _Call(httpx.SyncByteStream):
    """One request: the application's task, and the messages that it has sent."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, app: Muster, request: httpx.Request
    ) -> None:
        self._loop = loop
        self._sent: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._body = [{"type": "http.request", "body": request.read(), "more_body": False}]
        self._gone = asyncio.Event()
        self._has_ended = False
        self._task = asyncio.run_coroutine_threadsafe(self._run(app, _scope(request)), loop)

    async def _run(self, app: Muster, scope: Message) -> None:
        try:
            await app(scope, self._receive, self._send)
        finally:
            self._sent.put(_END)

    async def _receive(self) -> Message:
        if self._body:
            return self._body.pop()
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._gone.is_set():
            raise OSError("the client has closed the connection")
        self._sent.put(message)

    def response(self) -> httpx.Response:
        start = self._next()
        assert start is not _END, "the application sent nothing"
        return httpx.Response(start["status"], headers=start["headers"], stream=self)

    def _next(self) -> Message | None:
        try:
            message = self._sent.get(timeout=_SECONDS)
        except queue.Empty:
            raise httpx.ReadTimeout("the application is silent") from None
        if message is _END:
            self._has_ended = True
            self._task.result(_SECONDS)
        return message

    def __iter__(self) -> Iterator[bytes]:
        while (message := self._next()) is not _END:
            yield message.get("body", b"")

    def close(self) -> None:
        if not self._has_ended:
            self._loop.call_soon_threadsafe(self._gone.set)


def _scope(request: httpx.Request) -> Message:
    raw_path, _, query = request.url.raw_path.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": [(key.lower(), value) for key, value in request.headers.raw],
        "client": ("127.0.0.1", 50_000),
        "server": (request.url.host, request.url.port),
    }
