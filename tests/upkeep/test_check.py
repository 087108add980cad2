"""`muster check` finds every disagreement and rebuilds derived data."""

import asyncio
import sqlite3

import pytest

from muster.directory.versions import make_put
from muster.scim.schema.model import GROUP, registry
from muster.storage.ids import IdSource
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.members import MemberEdit
from muster.storage.port.resources import Write
from muster.storage.postgres import PostgresStorage
from muster.storage.records.outlines import OutlinePosition, OutlineStore
from muster.storage.repair.derived import bound
from muster.storage.sqlite import SqliteStorage
from muster.upkeep.check import check
from tests.storage.test_writes import NOW, made, user
from tests.support.databases import migrated_database, migrated_file
from tests.support.server import Server

ENGINES = {
    "sqlite": lambda path: SqliteStorage(migrated_file(path / "m.db")),
    "postgres": lambda _: PostgresStorage(migrated_database()),
}


class Checked:
    """A storage with twenty users, and the findings of a check of it."""

    def __init__(self, storage):
        self.runner = asyncio.Runner()
        self.storage = storage
        self.run(storage.start())
        self.workspace = self.run(storage.add_workspace("w", "rfc7644", False, NOW))
        emails = [{"value": "a@x.example", "primary": True}]
        puts = [
            made(user(f"u{n}", displayName="d", active=True, emails=emails), password="hash")
            for n in range(20)
        ]
        self.run(storage.load(self.workspace.id, "User", puts, ChangeOrigin("a", "r", NOW)))
        self.first = puts[0].stored.id

    def run(self, coroutine):
        return self.runner.run(coroutine)

    def harm(self, sql, *values):
        self.run(self.storage.transact(self.workspace.id, [bound(sql, *values)]))

    def check(self, repair=False):
        said = []
        report = self.run(check(self.storage, repair, said.append))
        assert (report.found, report.workspaces) == (len(said), 1)
        return said

    def close(self):
        self.run(self.storage.close())
        self.runner.close()


@pytest.fixture(params=list(ENGINES))
def checked(request, tmp_path):
    found = Checked(ENGINES[request.param](tmp_path))
    yield found
    found.close()


HARM = {
    "search form is missing": "DELETE FROM searchable WHERE workspace = $1",
    "look-ups do not match the"
    " document": "DELETE FROM lookups WHERE workspace = $1 AND attribute = 'displayName'",
    "look-ups do not match": "UPDATE lookups SET value = 'other' WHERE workspace = $1"
    " AND attribute = 'displayName'",
    "unique values do not match the document": "DELETE FROM unique_values WHERE workspace = $1",
    "unique values do not match": "UPDATE unique_values SET value = value || 'x'"
    " WHERE workspace = $1",
    "the running count is 27, but 20"
    " exist": "UPDATE counts SET total = total + 7 WHERE workspace = $1",
}


@pytest.mark.parametrize("says", HARM)
def test_check_repairs_derived_rows(checked, says):
    assert checked.check() == []
    checked.harm(HARM[says], checked.workspace.id)
    said = checked.check()
    assert len(said) == (1 if "count" in says else 20)
    assert says in said[0]
    assert all(line.endswith("(repaired)") for line in checked.check(repair=True))
    assert checked.check() == []


def test_repairs_of_search_forms_have_the_outlines_built_anew(checked):
    store = OutlineStore(checked.storage, checked.workspace.id, "User")
    checked.run(store.begin(OutlinePosition(1, None, "x")))
    checked.check(repair=True)
    assert checked.run(store.position()) is not None
    checked.harm(
        "UPDATE searchable SET body = '{}' WHERE workspace = $1 AND \"key\" ="
        ' (SELECT "key" FROM resources WHERE workspace = $1 AND id = $2)',
        checked.workspace.id,
        checked.first,
    )
    assert len(checked.check(repair=True)) == 1
    assert checked.run(store.position()) is None


def test_check_removes_orphaned_rows(checked):
    checked.harm(
        "DELETE FROM resources WHERE workspace = $1 AND id = $2",
        checked.workspace.id,
        checked.first,
    )
    said = "\n".join(checked.check())
    for table in (
        "searchable: 1 rows",
        "lookups: ",
        "unique_values: 1 rows",
        "secrets: 1 rows",
        "running count is 20, but 19 exist",
    ):
        assert table in said
    checked.check(repair=True)
    assert checked.check() == []


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        (
            "UPDATE resources SET grouped = NULL WHERE workspace = $1",
            "members: 20 members do not show their groups",
        ),
        (
            "UPDATE resources SET display = 'x' WHERE workspace = $1 AND type = 'Group'",
            "the display name does not match",
        ),
        (
            "UPDATE members SET group_key = group_key + 1 WHERE workspace = $1",
            "members: 20 rows belong to no resource",
        ),
        (
            "UPDATE members SET member_key = member_key + 1099511627776 WHERE workspace = $1",
            "rows belong to no resource",
        ),
    ],
)
def test_check_finds_wrong_memberships(checked, sql, says):
    resource_type = registry().types["/Groups"]
    ids = [
        row[0]
        for row in checked.run(
            checked.storage.query(bound("SELECT id FROM resources WHERE workspace = $1", 1))
        )
    ]
    document = {"schemas": [GROUP], "displayName": "g"}
    put = make_put(document, resource_type, IdSource()(1_600_000_000_000), 1, NOW, NOW)
    write = Write(
        checked.workspace.id,
        "Group",
        None,
        lambda _: put,
        ChangeOrigin("a", "r", NOW),
        MemberEdit(tuple(ids)),
    )
    checked.run(checked.storage.write(write))
    assert checked.check() == []
    checked.harm(sql, checked.workspace.id)
    assert says in "\n".join(checked.check())
    checked.check(repair=True)
    assert checked.check() == []


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("UPDATE resources SET document = '{' WHERE workspace = $1 AND id = $2", "cannot be read"),
        (
            "UPDATE resources SET version = 9 WHERE workspace = $1 AND id = $2",
            "version does not match the document",
        ),
        (
            "UPDATE resources SET id = id || 'x' WHERE workspace = $1 AND id = $2",
            "id does not match the row's key",
        ),
    ],
)
def test_check_reports_damaged_documents_without_repairing_them(checked, sql, says):
    checked.harm(sql, checked.workspace.id, checked.first)
    [said] = checked.check(repair=True)
    assert says in said
    assert "repaired" not in said
    assert len(checked.check()) == 1


def test_check_reports_two_claims_to_one_value_without_repairing_them(checked):
    """Only an operator can know whose name it is."""
    second = checked.run(
        checked.storage.query(
            bound("SELECT id FROM resources WHERE workspace = $1", checked.workspace.id)
        )
    )[5][0]
    checked.harm(
        'UPDATE resources SET document = replace(document, \'"userName":"u5"\','
        ' \'"userName":"u6"\')'
        " WHERE workspace = $1 AND id = $2",
        checked.workspace.id,
        second,
    )
    [said] = checked.check(repair=True)
    assert "not repaired" in said
    assert len(checked.check()) == 1


@pytest.mark.outside
def test_check_command_prints_and_counts_findings(tmp_path):
    server = Server(tmp_path)
    server.muster("demo", "--users", "700", "--workspace", "acme")
    sound = server.muster("check")
    assert sound.stdout == "700 resources in 1 workspaces; 0 findings\n"
    with sqlite3.connect(tmp_path / "muster.db") as connection:
        connection.execute("UPDATE counts SET total = 1")
    connection.close()
    wrong = server.muster("check", check=False)
    assert wrong.returncode == 1
    assert "acme: User: the running count is 1, but 700 exist" in wrong.stdout
    assert server.muster("check", "--repair").stdout.endswith("1 findings, 1 repaired\n")
    assert server.muster("check").returncode == 0


@pytest.mark.outside
def test_check_reports_a_corrupted_page_and_reads_refuse_it(tmp_path):
    server = Server(tmp_path, MUSTER_RATE_LIMIT="0")
    server.muster("demo", "--users", "3000", "--workspace", "default")
    token = server.key("k")
    path = tmp_path / "muster.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [(root,)] = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'resources'"
        )
    connection.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 4096)
    said = server.muster("check", check=False)
    assert said.returncode == 1
    assert "Traceback" not in said.stderr
    from tests.conftest import client_of
    from tests.support.people import error_of

    with server as started, client_of(started, token) as client:
        answer = client.get("/Users?count=10")
        error_of(answer, 500)
        assert answer.json()["detail"] == "the database file is damaged"


def test_other_processes_examine_many_resources(checked, monkeypatch):
    monkeypatch.setattr("muster.upkeep.check.MANY", 1)
    assert checked.check() == []
    checked.harm("DELETE FROM searchable WHERE workspace = $1", checked.workspace.id)
    found = checked.check()
    assert len(found) == 20
    assert all("the search form is missing" in line for line in found)
