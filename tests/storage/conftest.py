"""An empty, started storage of each available engine, in an event loop of its own."""

import asyncio

import pytest

from muster.storage.postgres import PostgresStorage
from muster.storage.sqlite import SqliteStorage
from tests.support.databases import migrated_database, migrated_file

ENGINES = {
    "sqlite": lambda folder: SqliteStorage(migrated_file(folder / "muster.db")),
    "postgres": lambda _: PostgresStorage(migrated_database()),
}


class Bench:
    """A started storage with a workspace, and a loop to run its coroutines in."""

    def __init__(self, storage) -> None:
        self.runner = asyncio.Runner()
        self.loop = self.runner.get_loop()
        self.storage = storage
        self.run(storage.start())
        self.workspaces = 0
        self.workspace = self.new_workspace()

    def run(self, coroutine):
        """Return the result of a coroutine. Runner.run would handle SIGINT, which takes longer."""
        return self.loop.run_until_complete(coroutine)

    def new_workspace(self):
        self.workspaces += 1
        return self.run(
            self.storage.add_workspace(
                f"w{self.workspaces}", "rfc7644", False, "2020-01-01T00:00:00Z"
            )
        )

    def close(self) -> None:
        self.run(self.storage.close())
        self.runner.close()


@pytest.fixture(scope="module", params=list(ENGINES))
def bench(request, tmp_path_factory):
    made = Bench(ENGINES[request.param](tmp_path_factory.mktemp("storage")))
    yield made
    made.close()
