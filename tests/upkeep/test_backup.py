"""A backup that is taken under load is complete, and restores the same service."""

import shutil
import sqlite3
import threading

import pytest

from muster.upkeep import backup
from tests.conftest import client_of
from tests.support.people import person
from tests.support.server import Server

pytestmark = pytest.mark.outside


def _everything(path):
    with sqlite3.connect(path) as connection:
        names = [
            row[0]
            for row in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
            )
        ]
        rows = {
            name: sorted(map(repr, connection.execute(f'SELECT * FROM "{name}"'))) for name in names
        }
    connection.close()
    return rows


def test_backup_under_load_restores_the_same_service(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir(), there.mkdir()
    file = tmp_path / "backup.db"
    with Server(here, MUSTER_RATE_LIMIT="0") as server:
        token = server.key("k")
        with client_of(server, token) as client:
            before = [client.post("/Users", json=person()).json() for _ in range(20)]
            stop = threading.Event()

            def write():
                with client_of(server, token) as other:
                    while not stop.is_set():
                        assert other.post("/Users", json=person()).status_code == 201

            writer = threading.Thread(target=write)
            writer.start()
            try:
                said = server.muster("backup", str(file)).stdout
            finally:
                stop.set()
                writer.join()
        assert said == f"{file}: {file.stat().st_size} bytes, verified\n"
        assert (file.stat().st_mode & 0o777) == 0o600
        assert not file.with_name("backup.db.partial").exists()
    restored = Server(there, MUSTER_RATE_LIMIT="0")
    shutil.copy(here / "muster.db.key", there)  # the backup does not contain it
    restored.muster("restore", str(file))
    assert _everything(there / "muster.db") == _everything(file)
    assert restored.muster("check").stdout.endswith("; 0 findings\n")
    with restored, client_of(restored, token) as client:  # the same keys hold
        for user in before:
            after = client.get(f"/Users/{user['id']}").json()
            assert after["meta"].pop("location").endswith(user["id"])
            user["meta"].pop("location")
            assert after == user
        assert client.post("/Users", json=person()).status_code == 201


def test_backup_and_restore_overwrite_nothing(tmp_path):
    server = Server(tmp_path)
    server.muster("migrate")
    file = tmp_path / "b.db"
    file.write_text("mine")
    refused = server.muster("backup", str(file), check=False)
    assert refused.returncode == 1
    assert "exists already" in refused.stderr
    assert file.read_text() == "mine"
    refused = server.muster("restore", str(file), check=False)
    assert "exists already" in refused.stderr
    assert server.muster("check").returncode == 0


def test_restore_refuses_files_that_are_not_backups(tmp_path):
    server = Server(tmp_path)
    (tmp_path / "x").write_bytes(b"no database at all" * 500)
    for file, says in (("x", "damaged"), ("nosuch", "no backup at")):
        refused = server.muster("restore", str(tmp_path / file), check=False)
        assert refused.returncode == 1
        assert says in refused.stderr
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    assert (
        "is not a muster database"
        in server.muster("restore", str(tmp_path / "other.db"), check=False).stderr
    )
    assert not (tmp_path / "muster.db").exists()


def test_commits_during_a_copy_neither_restart_it_nor_get_into_it(tmp_path):
    """The copy has more pages than a step; another process commits between the steps."""
    path = tmp_path / "here.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE installation (x)")
        connection.executemany("INSERT INTO installation VALUES (zeroblob(4000))", [()] * 5000)
    connection.close()
    steps = []

    def step(done, total=None):
        steps.append((done, total))
        with sqlite3.connect(path) as other:
            other.execute("INSERT INTO installation VALUES ('later')")
        other.close()

    backup.backup(str(path), tmp_path / "there.db", step)
    copied, total = sum(done for done, _ in steps), steps[-1][1]
    assert len(steps) > 2
    assert all(done > 0 for done, _ in steps)
    assert copied == total
    with sqlite3.connect(tmp_path / "there.db") as connection:
        assert connection.execute("SELECT count(*) FROM installation").fetchone() == (5000,)
    connection.close()
