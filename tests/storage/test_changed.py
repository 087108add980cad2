"""SQLite tells of every change before a read can see it, whoever makes it and however it dies."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from muster.directory.documents import parse
from muster.directory.versions import index_of_document, make_put, next_version
from muster.scim.schema.model import GROUP, registry
from muster.storage.ids import IdSource
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.items import Item
from muster.storage.port.members import MemberEdit
from muster.storage.port.resources import Remove, Write
from muster.storage.repair.derived import bound
from muster.storage.sqlite import SqliteStorage
from muster.storage.sqlite.changed import _MAX_MEMBERS, _MAX_ROWS
from tests.storage.test_writes import NOW, made, user
from tests.support.databases import migrated_file

GROUP_TYPE = registry().types["/Groups"]
SOURCE = Path(__file__).parents[2] / "src" / "muster"
_ids = IdSource()


class Follower:
    """What was forgotten since the last look."""

    def __init__(self):
        self.forgotten = []

    def forget(self, resource_id):
        self.forgotten.append(resource_id)

    def forget_grouped(self, workspace):
        self.forgotten.append(f"grouped {workspace}")

    def forget_all(self):
        self.forgotten.append("all")


class Followed:
    """A storage with a follower, and another one of the same file that writes."""

    def __init__(self, folder):
        self.runner = asyncio.Runner()
        self.path = migrated_file(folder / "m.db")
        self.follower = Follower()
        self.reading, self.writing = SqliteStorage(self.path), SqliteStorage(self.path)
        self.state = self.reading.follow(self.follower)
        self.run(self.reading.start())
        self.run(self.writing.start())
        created = self.writing.add_workspace("w", "rfc7644", False, NOW)
        self.workspace = self.run(created).id
        self.look()

    def run(self, coroutine):
        return self.runner.run(coroutine)

    def look(self):
        """Read the state as a request does. Returns what was forgotten."""

        async def look():
            self.state()

        self.run(look())
        found, self.follower.forgotten = self.follower.forgotten, []
        return found

    def write(self, kind, resource_id, decide, members=None):
        origin = ChangeOrigin("a", "r", NOW)

        write = Write(self.workspace, kind, resource_id, decide, origin, members, changed)
        return self.run(self.writing.write(write)).stored.id

    def user(self, name):
        one = made(user(name))
        return self.write("User", None, lambda _: one)

    def group(self, *members, name="g"):
        resource_id = _ids(1)
        return self.write(
            "Group", None, lambda _: new_group(resource_id, name), MemberEdit(add=members)
        )

    def transact(self, sql, *values):
        self.run(self.writing.transact(self.workspace, [bound(sql, *values)]))

    def close(self):
        self.run(self.reading.close())
        self.run(self.writing.close())
        self.runner.close()


def new_group(resource_id, name):
    document = {"schemas": [GROUP], "displayName": name}
    return make_put(document, GROUP_TYPE, resource_id, 1, NOW, NOW, None, {})


def changed(standing, name="g"):
    document = parse(standing.document) | {"displayName": name}
    return next_version(standing, document, GROUP_TYPE, NOW)


def removed(standing):
    return Remove(standing, index_of_document(parse(standing.document), GROUP_TYPE))


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    made = Followed(tmp_path_factory.mktemp("followed"))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def looked(followed):
    followed.look()


def test_a_write_names_its_resource_alone(followed):
    one, two = followed.user("a"), followed.user("b")
    assert sorted(followed.look()) == sorted([one, two])
    assert followed.look() == []


def test_members_that_move_are_named(followed):
    one, two, three = (followed.user(f"m{n}") for n in range(3))
    group = followed.group(one, two)
    assert {group, one, two} <= set(followed.look())
    kept = followed.write("Group", group, changed, MemberEdit(add=(three,), remove=(one,)))
    assert sorted(followed.look()) == sorted([kept, three, one])


def test_a_change_of_the_hierarchy_names_the_workspace(followed):
    inner = followed.group(followed.user("n"))
    outer = followed.group()
    followed.look()
    everyone = f"grouped {followed.workspace}"
    followed.write("Group", outer, changed, MemberEdit(add=(inner,)))
    assert everyone in followed.look()
    followed.write("Group", inner, lambda standing: changed(standing, "renamed"))
    assert everyone in followed.look()
    followed.write("Group", inner, removed)
    assert everyone in followed.look()


def test_items_and_notes_name_no_resource_that_they_do_not_change(followed):
    note = Note(followed.workspace, ChangeOrigin("a", "r", NOW), "T", "x", "update", b"{}")
    followed.run(followed.writing.record([note], [Item(followed.workspace, "t", "1", {})]))
    assert followed.look() == ["x"]


def test_a_new_epoch_takes_everything_away(followed):
    followed.run(followed.writing.administer([Item(followed.workspace, "role", "r", {})]))
    assert followed.look() == ["all"]


def test_rows_that_are_gone_or_too_many_take_everything_away(followed):
    gone = followed.user("gone")
    followed.user("later")
    followed.transact("DELETE FROM changes WHERE id = $1", gone)
    assert followed.look() == ["all"]
    last = followed.user("last")
    followed.transact("DELETE FROM changes WHERE id = $1", last)
    assert followed.look() == ["all"]
    puts = [made(user(f"many{n}")) for n in range(_MAX_ROWS + 1)]
    origin = ChangeOrigin("a", "r", NOW)
    followed.run(followed.writing.load(followed.workspace, "User", puts, origin))
    assert followed.look() == ["all"]


@pytest.mark.parametrize("size", [_MAX_MEMBERS + 1, 17_000_000])
def test_very_many_moved_members_take_everything_away(followed, size):
    group = followed.group()
    followed.look()
    followed.write("Group", group, changed)
    followed.transact("UPDATE changes SET members = $1 WHERE id = $2", "x" * size, group)
    assert followed.look() == ["all"]


def test_a_commit_that_nobody_announces_is_told_of_within_milliseconds(followed, monkeypatch):
    """As if the process had died between its commit and its stamp."""
    monkeypatch.setattr(followed.writing, "_committed", lambda _: None)
    monkeypatch.setattr(followed.writing._writer, "_on_commit", lambda _: None)
    followed.look()
    one = followed.user("unannounced")

    async def wait():
        await asyncio.sleep(0.02)

    followed.run(wait())
    assert followed.look() == [one]


def test_a_failed_read_of_changes_ends_the_snapshot(followed, monkeypatch):
    one = followed.user("failed")

    def fail(_):
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(followed.follower, "forget", fail)
        for _ in range(2):
            with pytest.raises(RuntimeError):
                followed.look()
    assert followed.look() == [one]


def test_everything_is_forgotten_once_a_minute(followed, monkeypatch):
    """Whoever edits the database by hand adds no rows."""
    followed.user("by hand")
    monkeypatch.setattr(followed.reading._changed, "_until", 0.0)
    assert followed.look() == ["all"]


KILLED = """
import asyncio, os, signal, sys
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.sqlite import SqliteStorage

async def run(path, workspace):
    storage = SqliteStorage(path)
    await storage.start()
    storage._writer._on_commit = lambda _: os.kill(os.getpid(), signal.SIGKILL)
    origin = ChangeOrigin("a", "r", "2026-01-01T00:00:00Z")
    await storage.record([Note(int(workspace), origin, "T", "by the killed", "update", b"{}")])

asyncio.run(run(*sys.argv[1:]))
"""


@pytest.mark.outside
def test_what_a_killed_process_committed_is_told_of(followed):
    followed.look()
    place = followed.path, str(followed.workspace)
    killed = subprocess.run([sys.executable, "-c", KILLED, *place], check=False)
    assert killed.returncode == -9
    later = followed.user("later than killed")
    assert followed.look() == ["by the killed", later]


# ---- the statements

RAW = re.compile(
    r"(?:UPDATE|INSERT(?: OR \w+)? INTO|DELETE FROM)\s+"
    r"((resources|members|hierarchies|unique_values)\b|\{table)",
    re.IGNORECASE,
)
WITH_A_ROW = "a write, whose transaction adds a row to changes"
WITH_AN_EPOCH = "a repair, whose transaction increments the epoch"
STATEMENTS = {
    "storage/sqlite/rows.py": WITH_A_ROW,
    "storage/sqlite/members.py": WITH_A_ROW,
    "storage/repair/derived.py": WITH_AN_EPOCH,
    "storage/repair/constraints.py": "unique names of groups, of which nothing is kept; or a new"
    " schema, which is another registry",
    "upkeep/tables.py": WITH_AN_EPOCH,
    "upkeep/eraser.py": "erases workspaces whose requests are all refused",
    "upkeep/erasure.py": "the outlines of a type",
    "storage/records/webhooks.py": "the states and deliveries of webhooks",
}
"""The modules with statements that could change an answer, and why nothing is missed."""


def test_every_statement_that_could_change_an_answer_is_told_of():
    found = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if RAW.search(path.read_text())
    }
    others = ("storage/postgres/", "storage/migrations/")
    assert {module for module in found if not module.startswith(others)} == set(STATEMENTS)
