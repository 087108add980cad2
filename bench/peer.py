"""Other SCIM servers, in memory, with the same users: scim2-server (PyPI) and SCIMMY (npm)."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import orjson

from bench import scripts, servers
from muster.directory.documents import parse, with_base_url

_FOLDER = Path(__file__).parent / "peers"
SCIM2 = "scim2-server"
_MEMBERS = 'SELECT r.id FROM members m JOIN resources r ON r."key" = m.member_key WHERE m.workspace = 1 AND m.group_key = ?'
_PATIENCE = 900.0
"""Seconds that a server may take to load its users."""


def export(file: Path, database: Path) -> Path:
    """Write the users and groups of a database, with their members, as JSON Lines."""
    connection = sqlite3.connect(database)
    users = connection.execute("SELECT document FROM resources WHERE type = 'User'")
    with file.open("wb") as out:
        out.writelines(with_base_url(row[0].encode(), "") + b"\n" for row in users)
        for key, document in connection.execute(
            "SELECT \"key\", document FROM resources WHERE type = 'Group'"
        ).fetchall():
            group = parse(document.encode())
            found = connection.execute(_MEMBERS, (key,))
            group["members"] = [{"value": row[0], "type": "User"} for row in found]
            out.write(orjson.dumps(group) + b"\n")
    connection.close()
    return file


def scim2_command(exported: Path) -> list[str]:
    """Return the command that starts scim2-server on a file, without the port."""
    return [sys.executable, "-m", "bench.peers.scim2", str(exported)]


@contextlib.contextmanager
def started(command: list[str]) -> Iterator[servers.Running]:
    """Run another server; wait until it has loaded its users."""
    port = servers.free_port()
    with servers.started(
        [*command, str(port)], port, "/ServiceProviderConfig", {}, _PATIENCE
    ) as running:
        yield running


def compare(bench, path: Path, users: int) -> None:
    """Measure reads, writes and a list of 100, compared with each server."""
    exported = export(bench.folder / "peers.jsonl", path)
    _beside(bench, path, users, SCIM2, scim2_command(exported))
    if shutil.which("npm") is None:
        print("SCIMMY is skipped because npm is not installed", file=sys.stderr)
        return
    folder = bench.folder / "peers"
    shutil.copytree(_FOLDER, folder, dirs_exist_ok=True)
    subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True
    )
    _beside(
        bench,
        path,
        users,
        "SCIMMY",
        ["node", "--max-old-space-size=8192", str(folder / "scimmy.mjs"), str(exported)],
    )


def _beside(bench, path: Path, users: int, name: str, command: list[str]) -> None:
    mine = bench.copy(path)
    token = bench.token(mine)
    ids = scripts.lines(bench.folder / "peer-ids", bench.ids(mine))
    filters = scripts.lines(
        bench.folder / "peer-filters",
        [quote(f'userName eq "{user}"') for user in bench.names(mine)],
    )
    empty = scripts.lines(bench.folder / "peer-empty", [""])
    fresh, its_fresh = bench.fresh_bodies(token), bench.fresh_bodies(token)
    with servers.muster(mine) as ours, started(command) as other:
        works = (
            ("GET by id", scripts.get, ids, "/Users/"),
            ("userName eq", scripts.get, filters, "/Users?filter="),
            ("PATCH", scripts.patch, ids, "/Users/"),
            ("POST", None, None, "/Users"),
            (
                "list of 100",
                scripts.get,
                empty,
                "/Users?count=100",
            ),  # last: a server may be busy with it long after
        )
        for work, kind, items, tail in works:
            if kind is None:
                measured = (
                    lambda: servers.wrk(ours.port, next(fresh), bench.seconds),
                    lambda: servers.wrk(
                        other.port,
                        next(its_fresh).replace("/scim/v2/Users", "/Users"),
                        bench.seconds,
                    ),
                )
            else:
                scripted = kind(items, "/scim/v2" + tail, token), kind(items, tail, token)
                measured = bench.wrk(ours.port, scripted[0]), bench.wrk(other.port, scripted[1])
            bench.compare(work, 1, alone(measured[0], other), measured[1], name, users=users)
    mine.unlink()


def alone(measure, other: servers.Running):
    """Wrap a measurement so that the other server is stopped meanwhile.

    It may still be busy with earlier requests.
    """

    def measured() -> dict[str, float]:
        os.kill(other.process.pid, signal.SIGSTOP)
        try:
            return measure()
        finally:
            os.kill(other.process.pid, signal.SIGCONT)

    return measured
