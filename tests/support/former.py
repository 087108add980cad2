"""The former version: its source from the history, and what it left behind in files.

`tests/storage/former` has a database that it made, as SQL, and the statements that it executed on
that database after a migration by the present version. So the migration can be tested against it
without the history, which an archive of the source does not have. `python -m tests.support.former`
makes the files anew.
"""

import asyncio
import io
import re
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

from tests.conftest import client_of
from tests.support.people import group, patch, person, replace
from tests.support.server import Server

COMMIT = "b1afb9915e85b1cabe7cc111b5de1a1b224b7c82"
"""Its last commit."""
ROOT = Path(__file__).parents[2]
_FOLDER = ROOT / "tests" / "storage" / "former"
_DATABASE, _STATEMENTS = _FOLDER / "database.sql", _FOLDER / "statements.sql"
_END = "-- end\n"
"""Follows each statement."""
_OWN = re.compile("BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|PRAGMA|--")
"""Statements about a connection or a transaction, which none but it executes."""
_TRACER = r"""
import os, sqlite3
connect = sqlite3.connect
def traced(*arguments, **options):
    connection = connect(*arguments, **options)
    def write(statement):
        with open(os.environ["TRACE"], "a") as file:
            file.write(statement + "\n-- end\n")
    connection.set_trace_callback(write)
    return connection
sqlite3.connect = traced
"""
"""A module that Python imports by itself, and that writes every statement to a file."""


def source(folder: Path) -> Path | None:
    """Unpack the source. Returns the path to import it from; None if the history is missing."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(ROOT), "archive", COMMIT, "src/muster"]
    archive = subprocess.run(command, capture_output=True, check=False)
    if archive.returncode:
        return None
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as packed:
        packed.extractall(folder, filter="data")
    return folder / "src"


def database(path: Path) -> Path:
    """Make the database as it was before the migration."""
    connection = sqlite3.connect(path)
    connection.executescript(_DATABASE.read_text())
    connection.close()
    return path


def execute(path: Path) -> list[str]:
    """Execute the statements on a migrated database, and return them."""
    statements = _STATEMENTS.read_text().split(_END)[:-1]
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement).fetchall()
    connection.close()
    return statements


def record():
    """Make the files anew."""
    from muster.storage.sqlite import SqliteStorage

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trace, path = folder / "trace", folder / "muster.db"
        (folder / "tracer").mkdir()
        (folder / "tracer" / "sitecustomize.py").write_text(_TRACER)
        imported = f"{folder / 'tracer'}:{source(folder / 'former')}"
        with Server(folder, PYTHONPATH=imported, TRACE=str(trace)) as old:
            token = old.command("keys", "create", "--name", "okta").stdout.strip()
            with client_of(old, token) as scim:
                users = [scim.post("/Users", json=person()).json() for _ in range(3)]
                crew = scim.post("/Groups", json=group("Crew", *users[:2])).json()
                _dump(path)
                asyncio.run(SqliteStorage(str(path)).migrate())
                trace.write_text("")
                _use(old.url, scim, users, crew)
            kept = trace.read_text().split(_END)[:-1]
    kept = [statement for statement in kept if not _OWN.match(statement.strip())]
    _STATEMENTS.write_text("".join(f"{statement.strip()}\n{_END}" for statement in kept))


def _dump(path):
    connection = sqlite3.connect(path)
    _DATABASE.write_text("".join(f"{line}\n" for line in connection.iterdump()))
    connection.close()


def _use(url, scim, users, crew):
    """Do what identity providers and administrators do."""
    first, second, third = (f"/Users/{user['id']}" for user in users)
    member = {"op": "add", "path": "members", "value": [{"value": users[2]["id"]}]}
    api = f"{url}/api/v1"
    webhook = {"url": "https://hooks.example/muster", "events": ["*"]}
    for answer in (
        scim.post("/Users", json=person(active=False)),
        scim.patch(first, json=replace("title", "Chief")),
        scim.patch(second, json=replace("active", False)),
        scim.put(first, json=person(users[0]["userName"])),
        scim.patch(f"/Groups/{crew['id']}", json=patch(member)),
        scim.delete(third),
        scim.get("/Users", params={"filter": 'userName sw "a" or active eq false'}),
        scim.get("/Groups", params={"sortBy": "displayName", "count": 1}),
        scim.post(f"{api}/keys", json={"name": "further"}),
        scim.patch(f"{api}/settings", json={"guardMode": "hold", "rateLimit": 500}),
        scim.post(f"{api}/webhooks", json=webhook),
        scim.get(f"{api}/changes"),
        scim.get(f"{api}/audit"),
        scim.get(f"{first}x"),
    ):
        print(answer.request.method, answer.request.url.path, answer.status_code)
    time.sleep(1)  # the requests are recorded meanwhile


if __name__ == "__main__":
    record()
