"""Errors of the database name it, the cause and the next step."""

import os
import socket
import sqlite3
import subprocess
import sys

import pytest

from muster.cli.session import explain
from muster.config import Settings
from muster.storage.port.errors import StorageFull
from muster.version import __version__


def test_a_folder_that_does_not_exist(muster):
    refused = muster("migrate", "--database", "sqlite:////nosuch/x.db", check=False)
    assert (refused.returncode, refused.stderr) == (
        1,
        "muster: cannot open /nosuch/x.db: no such file or directory\n",
    )


def test_a_command_that_creates_the_database_says_so(muster, tmp_path):
    create = ("workspaces", "create")
    first, second = muster(*create, "acme"), muster(*create, "beta")
    assert first.stderr == (
        f"muster: created the database {tmp_path}/muster.db. If the service has another one, name it"
        " with --database or MUSTER_DATABASE\n"
    )
    assert second.stderr == ""


def test_a_file_that_may_not_be_opened(tmp_path):
    (tmp_path / "x.db").touch(0o000)
    command = [
        sys.executable,
        "-m",
        "muster",
        "keys",
        "list",
        "--database",
        f"sqlite:///{tmp_path}/x.db",
    ]
    if os.geteuid() == 0:
        command = ["setpriv", "--inh-caps=-dac_override", "--bounding-set=-dac_override", *command]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (refused.returncode, refused.stderr) == (
        1,
        f"muster: cannot open {tmp_path}/x.db: permission denied\n",
    )


def test_a_file_that_is_no_database(muster, tmp_path):
    (tmp_path / "muster.db").write_bytes(b"not a database " * 500)
    refused = muster("keys", "list", check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith(
        f"muster: {tmp_path}/muster.db is damaged or is not a SQLite database. Check the path"
    )


def test_a_backup_that_is_no_database_is_named(muster, tmp_path):
    (tmp_path / "x").write_bytes(b"not a database " * 500)
    refused = muster("restore", str(tmp_path / "x"), check=False)
    assert refused.stderr.startswith(
        f"muster: {tmp_path}/x is damaged or is not a SQLite database."
    )


def test_a_database_of_a_newer_version(muster, tmp_path):
    muster("migrate")
    with sqlite3.connect(tmp_path / "muster.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    refused = muster("keys", "list", check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith(
        "muster: the database is at revision 9999, newer than this version of muster"
    )
    assert __version__ in refused.stderr
    assert "Run the newer version, or restore a backup" in refused.stderr


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://ada:secret@127.0.0.1:{port}/m", "127.0.0.1:{port}"),
        ("postgresql:///m?host=127.0.0.1&port={port}&user=ada&password=secret", "127.0.0.1:{port}"),
    ],
)
def test_postgresql_that_does_not_answer(muster, url, place):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # not listening: connections are refused
        port = unused.getsockname()[1]
        refused = muster("migrate", "--database", url.format(port=port), check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith(
        f"muster: cannot connect to PostgreSQL at {place.format(port=port)}: "
    )
    assert (
        "Check that the server is running and that --database or MUSTER_DATABASE names it"
        in refused.stderr
    )
    assert "secret" not in refused.stderr


def test_a_full_disk():
    said = explain(
        StorageFull("the disk is full: nothing was written"), Settings(database="sqlite:////d/x.db")
    )
    assert (
        said
        == "/d/x.db: the disk is full: nothing was written. Free some space and run the command again"
    )


def test_a_setting_that_does_not_exist_is_answered_with_a_similar_one(muster, tmp_path):
    (tmp_path / "muster.toml").write_text("rate_limits = 5\n")
    refused = muster("workspaces", "list", check=False)
    assert refused.returncode == 2
    assert (
        "unknown setting 'rate_limits' in muster.toml; did you mean 'rate_limit'" in refused.stderr
    )
