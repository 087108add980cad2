"""Migrated databases, as copies of one that the process migrated first."""

import asyncio
import functools
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from muster.storage.postgres import PostgresStorage
from muster.storage.sqlite import SqliteStorage
from tests.support import postgres


@functools.cache
def _file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.db"
        with ThreadPoolExecutor(1) as thread:  # the test may run an event loop already
            thread.submit(asyncio.run, SqliteStorage(str(path)).migrate()).result()
        return path.read_bytes()


def migrated_file(path: Path) -> str:
    """Create a SQLite database. Returns its path."""
    path.write_bytes(_file())
    path.chmod(0o600)
    return str(path)


@functools.cache
def _template() -> str:
    url = postgres.new_database()
    asyncio.run(PostgresStorage(url).migrate())
    return url.rpartition("/")[2]


def migrated_database() -> str:
    """Create a database on the shared server. Returns its URL."""
    return postgres.create_database(postgres.shared(), _template())
