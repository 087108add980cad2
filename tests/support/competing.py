"""Processes that read and write one SQLite file, and check that no answer is too old.

Run as `python -m tests.support.competing DATABASE TOKEN BOARD NUMBER`. Each process has the whole
service. It notes the newest version that it was answered for each of its writes on the board, which
all of them map into memory, and reads the board before each of its reads.
"""

import asyncio
import json
import mmap
import random
import sys
from pathlib import Path
from urllib.parse import quote

import muster
from muster.http.wire.message import Request
from tests.support.people import group, person, replace

USERS = 3
PROCESSES = 3
ROUNDS = 120
SIZE = 4096
_PLACES = 8 * (USERS + 2)
"""The bytes of one process on the board: the version of each user, a name and a deletion."""
_IDS = 2048
"""The place of the ids of the users, the group and the user that is deleted."""


class Board:
    """Numbers that all processes see at once."""

    def __init__(self, path):
        with Path(path).open("r+b") as file:
            self.bytes = mmap.mmap(file.fileno(), SIZE)
        self.numbers = memoryview(self.bytes)[:_IDS].cast("Q")

    def note(self, process, what, number):
        self.numbers[process * _PLACES // 8 + what] = number

    def noted(self, process, what):
        return self.numbers[process * _PLACES // 8 + what]

    def newest(self, what):
        return max(self.noted(process, what) for process in range(PROCESSES))

    def put_id(self, what, resource_id):
        self.bytes[_IDS + 36 * what : _IDS + 36 * (what + 1)] = resource_id.encode()

    def id(self, what):
        return self.bytes[_IDS + 36 * what : _IDS + 36 * (what + 1)].decode()


GROUP, GONE = USERS, USERS + 1


class Process:
    """A service in this process."""

    def __init__(self, database, token, board, number):
        made = muster.Settings(
            database=database,
            rate_limit=0,
            request_log=False,
            metrics=False,  # they take the counts away once a second
        )
        self.app = muster.create_app(made)
        self.token, self.board, self.number = token, Board(board), number
        self.random = random.Random(number)

    async def ask(self, method, path, body=None):
        content = b"" if body is None else json.dumps(body).encode()

        async def read(_):
            return content

        path, _, query = path.partition("?")
        header = {"authorization": f"Bearer {self.token}"}.get
        request = Request(
            method, f"/scim/v2{path}", query, header, read, "127.0.0.1:50000", "http", "h"
        )
        response = await self.app.service.answer(request)
        return response.status, json.loads(response.body) if response.body else {}

    async def begin(self):
        """Create everything, and put its ids on the board."""
        for n in range(USERS):
            _, made = await self.ask("POST", "/Users", person(f"user-{n}@x.example"))
            self.board.put_id(n, made["id"])
        everyone = [{"id": self.board.id(n)} for n in range(USERS)]
        _, made = await self.ask("POST", "/Groups", group("name-0", *everyone))
        self.board.put_id(GROUP, made["id"])
        _, made = await self.ask("POST", "/Users", person("gone@x.example"))
        self.board.put_id(GONE, made["id"])

    async def write(self, n):
        """Change a user, and sometimes the name of their group or the existence of another."""
        title = replace("title", str(self.random.random()))
        status, answer = await self.ask("PATCH", f"/Users/{self.board.id(n)}", title)
        assert status == 200, answer
        self.board.note(self.number, n, version(answer))
        if self.number or self.random.random() < 0.7:
            return
        name = self.board.newest(GROUP) + 1
        renamed = replace("displayName", f"name-{name}")
        assert (await self.ask("PATCH", f"/Groups/{self.board.id(GROUP)}", renamed))[0] == 200
        self.board.note(0, GROUP, name)

    async def read(self, n):
        """Read a user by id and by name."""
        searched = quote(f'userName eq "user-{n}@x.example"')
        for path in (f"/Users/{self.board.id(n)}", f"/Users?filter={searched}"):
            newest, name = self.board.newest(n), self.board.newest(GROUP)
            _, answer = await self.ask("GET", path)
            user = answer["Resources"][0] if "Resources" in answer else answer
            assert version(user) >= newest, (path, version(user), newest)
            shown = int(user["groups"][0]["display"].removeprefix("name-"))
            assert shown >= name, (path, shown, name)

    async def read_gone(self):
        is_gone = self.board.newest(GONE)
        status, _ = await self.ask("GET", f"/Users/{self.board.id(GONE)}")
        assert status == 404 or not is_gone

    async def run(self):
        await self.app.start()
        for n in range(ROUNDS):
            user = self.random.randrange(USERS)
            if self.random.random() < 0.25:
                await self.write(user)
            else:
                await self.read(user)
                await self.read_gone()
            if self.number == 0 and n == ROUNDS // 2:
                await self.ask("DELETE", f"/Users/{self.board.id(GONE)}")
                self.board.note(0, GONE, 1)
            await asyncio.sleep(0)
        hits = self.app._answers.hits
        await self.app.close()
        print(hits)


def version(user):
    return int(user["meta"]["version"].removeprefix('W/"').rstrip('"').partition("-")[0])


if __name__ == "__main__":
    asyncio.run(Process(*sys.argv[1:4], int(sys.argv[4])).run())
