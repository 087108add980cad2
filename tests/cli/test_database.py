"""`muster migrate`, `check`, `backup` and `restore`."""

import json
import sqlite3


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
