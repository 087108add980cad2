"""`muster serve` for tests, with its own database and port."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg

from muster.config import Settings
from muster.storage.engines import open_storage
from tests.support.commands import SECONDS, run_here
from tests.support.ports import free_port
from tests.support.waiting import until

_ROOT = Path(__file__).parents[2]
_START_SECONDS = 60
"""Every server of this process."""
_thread = ThreadPoolExecutor(1)


async def _dump(url: str) -> bytes:
    connection = await asyncpg.connect(url)
    names = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    rows = [await connection.fetch(f'SELECT t::text FROM "{name[0]}" t') for name in names]
    await connection.close()
    return "".join(row[0] for table in rows for row in table).encode()


def _command(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _is_there(pid: int) -> bool:
    """Whether a process has not ended; one that nobody has asked about since has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Server:
    """A server.

    Args:
        folder: The folder of its database and log.
        arguments: Arguments of `serve`.
        wrapper: Precedes the command.
        module: The module that is run as muster.
        options: Settings, as MUSTER_… variables.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        wrapper: tuple[str, ...] = (),
        module: str = "muster",
        **options: str,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith("MUSTER_")
        }
        self.environment |= {
            "MUSTER_DATABASE": f"sqlite:///{folder}/muster.db",
            "MUSTER_PORT": str(self.port),
            "MUSTER_DRAIN_DELAY": "0",
        } | options
        self.arguments = arguments
        self.wrapper = wrapper
        self.module = module
        self.lines: list[str] = []
        self.ended: list[int] = []

    def start(self) -> "Server":
        """Start it, and wait for the line that says it is ready."""
        command = [*self.wrapper, sys.executable, "-m", self.module, "serve", *self.arguments]
        self.log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            command,
            env={"PYTHONPATH": str(_ROOT)} | self.environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        killer = threading.Timer(_START_SECONDS, self.process.kill)
        killer.start()
        for line in self.process.stdout:
            self.lines.append(line)
            if "http://" in line:
                break
        killer.cancel()
        assert self.process.poll() is None, f"the server did not start: {self.logged()}"
        return self

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.terminate()
        return self.wait()

    def kill(self) -> None:
        """Kill the service (-9), its workers first, so that none is replaced."""
        self.process.send_signal(signal.SIGSTOP)
        workers = self.workers()
        for pid in workers:
            os.kill(pid, 9)
        self.process.kill()
        self.wait()
        assert until(
            lambda: not any(map(_is_there, workers))
        )  # one that waits for the disk has the port a little longer

    def workers(self) -> list[int]:
        children = (
            Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        )
        return [int(pid) for pid in children if "resource_tracker" not in _command(pid)]

    def wait(self) -> int:
        try:
            return self.process.wait(60)
        finally:
            self.process.stdout.close()
            self.log.close()

    def logged(self) -> str:
        return (self.folder / "log").read_text()

    def muster(
        self, *arguments: str, check: bool = True, typed: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of muster on the same database, in the process of the tests.

        Args:
            arguments: Its arguments.
            check: Whether to fail if its exit code is not 0.
            typed: Its standard input.
        """
        return run_here(arguments, self.environment, self.folder, check, typed)

    def command(
        self, *arguments: str, check: bool = True, typed: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as muster does, but in a process of its own."""
        return subprocess.run(
            [sys.executable, "-m", "muster", *arguments],
            env=self.environment,
            cwd=self.folder,
            input=typed,
            capture_output=True,
            text=True,
            check=check,
            timeout=SECONDS,
        )

    def administer(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        """Run work on its database in this process, which is faster than a command."""

        async def session() -> Any:
            storage = open_storage(Settings(database=self.environment["MUSTER_DATABASE"]))
            await storage.start()
            try:
                return await work(storage)
            finally:
                await storage.close()

        return _thread.submit(asyncio.run, session()).result(60)

    def stored(self) -> bytes:
        """All that its database has, as bytes."""
        url = self.environment["MUSTER_DATABASE"]
        if url.startswith("sqlite"):
            return b"".join(path.read_bytes() for path in self.folder.glob("muster.db*"))
        return asyncio.run(_dump(url))

    def key(self, name: str, *arguments: str) -> str:
        """A new API key."""
        return self.muster("keys", "create", "--name", name, *arguments).stdout.strip()

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()
        assert "StatementRejected" not in self.logged(), (
            f"a request made the database reject a statement: {self.logged()}"
        )
