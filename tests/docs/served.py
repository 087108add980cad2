"""A fresh service for each page, in the process of the tests, that programs can call."""

import asyncio
from pathlib import Path

import uvicorn

from tests.support.in_process import InProcessServer
from tests.support.ports import free_port
from tests.support.waiting import until

_SECONDS = 30


class ListeningServer(InProcessServer):
    """An in-process service that listens on a port too: curl cannot call it otherwise."""

    def __init__(self, folder: Path, **options: str) -> None:
        super().__init__(folder, **options)
        self.port = free_port()
        self.url = f"http://{self.host}:{self.port}"
        self.environment["MUSTER_PORT"] = str(self.port)

    def __enter__(self) -> "ListeningServer":
        super().__enter__()
        config = uvicorn.Config(
            self.app,
            self.host,
            self.port,
            lifespan="off",
            log_level="error",
            timeout_graceful_shutdown=1,
        )
        self._listener = uvicorn.Server(config)
        self._served = asyncio.run_coroutine_threadsafe(self._listener.serve(), self._loop)
        assert until(lambda: self._listener.started)
        return self

    def __exit__(self, *raised: object) -> None:
        self._listener.should_exit = True
        self._served.result(_SECONDS)
        super().__exit__(*raised)
