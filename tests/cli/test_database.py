"""`muster migrate`, `check`, `backup` and `restore`."""

import asyncio
import json
import sqlite3

import pytest

from tests.support import citus as stand_in
from tests.support.ports import free_port
from tests.support.postgres import new_database


def test_migrate_reports_its_result(muster):
    assert "before at none" in muster("migrate").stdout
    assert "as before" in muster("migrate").stdout


def test_migrate_as_json(muster):
    first = json.loads(muster("migrate", "--json").stdout)
    assert (first["before"], json.loads(muster("migrate", "--json").stdout)) == (
        None,
        {"revision": first["revision"], "before": first["revision"]},
    )


def test_check_as_json(muster, tmp_path):
    muster("demo", "--users", "3")
    whole = {"resources": 3, "workspaces": 1, "findings": [], "found": 0, "repaired": 0}
    assert json.loads(muster("check", "--json").stdout) == whole
    with sqlite3.connect(tmp_path / "muster.db") as connection:
        connection.execute("UPDATE counts SET total = 9")
    connection.close()
    broken = muster("check", "--json", check=False)
    [finding] = json.loads(broken.stdout)["findings"]
    assert (broken.returncode, "count is 9" in finding) == (1, True)
    repaired = muster("check", "--repair", "--json")
    assert json.loads(repaired.stdout)["repaired"] == 1
    assert muster("check").stdout == "3 resources in 1 workspaces; 0 findings\n"


def test_backup_and_restore_as_json(muster, tmp_path):
    muster("demo", "--users", "3")
    file = tmp_path / "backup.db"
    assert json.loads(muster("backup", str(file), "--json").stdout) == {
        "file": str(file),
        "bytes": file.stat().st_size,
    }
    (tmp_path / "muster.db").rename(tmp_path / "old.db")
    assert json.loads(muster("restore", str(file), "--json").stdout)["bytes"] == file.stat().st_size
    assert muster("check").stdout.startswith("3 resources")


def test_backup_and_restore_name_the_tools_of_postgresql(muster):
    for command, tool in (("backup", "pg_dump"), ("restore", "pg_restore")):
        refused = muster(command, "x", "--database", "postgresql://h/m", check=False)
        assert (refused.returncode, tool in refused.stderr) == (1, True)


@pytest.mark.postgres
def test_migrate_distributes_the_tables(muster):
    url = new_database()
    asyncio.run(stand_in.install(url))
    planned = muster("migrate", "--distribute", "--dry-run", "--database", url).stdout.splitlines()
    assert planned[0] == "SELECT create_distributed_table('resources', 'workspace');"
    warned = muster("migrate", "--database", url)
    assert "usage_days" in warned.stderr
    assert "muster migrate --distribute" in warned.stderr
    done = muster("migrate", "--distribute", "--database", url).stdout.splitlines()
    assert done[1] == "resources: distributed by workspace"
    assert done[-1].endswith("tables are distributed by workspace (Citus 13.2.0)")
    again = json.loads(muster("migrate", "--distribute", "--json", "--database", url).stdout)
    assert (again["statements"], "resources" in again["distributed"]) == ([], True)
    assert muster("migrate", "--database", url).stderr == ""


@pytest.mark.postgres
def test_serve_warns_about_tables_that_are_not_distributed(muster, monkeypatch):
    monkeypatch.setattr("muster.serving.server.serve", lambda *_: None)
    url = new_database()
    asyncio.run(stand_in.install(url))
    assert (
        "Citus does not distribute resources, api_keys"
        in muster("serve", "--port", str(free_port()), "--database", url).stderr
    )
    muster("migrate", "--distribute", "--database", url)
    assert "Citus" not in muster("serve", "--port", str(free_port()), "--database", url).stderr


def test_distribution_is_for_citus(muster):
    refused = muster("migrate", "--distribute", check=False)
    assert (refused.returncode, "PostgreSQL database with Citus" in refused.stderr) == (2, True)
    refused = muster("migrate", "--dry-run", check=False)
    assert (refused.returncode, "--dry-run is for --distribute" in refused.stderr) == (2, True)
