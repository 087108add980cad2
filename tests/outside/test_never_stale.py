"""No process answers with a version older than one that any process has answered before."""

import asyncio
import signal
import subprocess
import sys

import pytest

import muster
from muster.access.keys import KeyOptions
from muster.access.permissions import ADMIN
from muster.storage.engines import DEFAULT_WORKSPACE
from tests.support.competing import PROCESSES, SIZE, USERS, Process
from tests.support.databases import migrated_file
from tests.support.waiting import until

pytestmark = pytest.mark.outside
KILLED = PROCESSES - 1


async def prepared(database, board):
    app = muster.create_app(muster.Settings(database=database))
    async with app.lifespan():
        workspace = await app.storage.find_workspace(DEFAULT_WORKSPACE)
        token = (await app.keys.create(workspace, "competing", KeyOptions((ADMIN,))))[0]
    process = Process(database, token, board, 0)
    async with process.app.lifespan():
        await process.begin()
    return token, process.board


def test_readers_and_writers_in_processes_see_each_acknowledged_write(tmp_path):
    """One of the writers is killed in between."""
    database = f"sqlite:///{migrated_file(tmp_path / 'm.db')}"
    path = tmp_path / "board"
    path.write_bytes(bytes(SIZE))
    token, board = asyncio.run(prepared(database, path))
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.competing", database, token, path, str(number)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    others, killed = processes[:KILLED], processes[KILLED]
    until(lambda: any(board.noted(KILLED, n) for n in range(USERS)))
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    for process in others:
        said, errors = process.communicate()
        assert process.returncode == 0, errors
        assert int(said) > 0
