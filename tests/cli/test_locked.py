"""Commands beside a process that writes to SQLite: they wait for it, and in the end say so."""

import json
import sqlite3
import threading
import time

import pytest

from muster.cli import main
from muster.storage.sqlite.connection import begin
from tests.support.server import Server

USER = '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"%s"}\n'
PASSWORD = "correct horse battery staple"
WRITING = {
    "admins create": ("--email", "{name}@example.com"),
    "admins invite": (),
    "admins remove": ("remove-{name}@example.com",),
    "admins revoke": ("{invitation}",),
    "connections create": ("{name}",),
    "connections delete": ("delete-{name}",),
    "connections pause": ("pause-{name}",),
    "connections resume": ("resume-{name}",),
    "connections update": ("update-{name}", "--provider", "okta"),
    "demo": ("--users", "3"),
    "import": ("{file}",),
    "keys create": ("--name", "{name}"),
    "keys revoke": ("revoke-{name}",),
    "keys rotate": ("rotate-{name}",),
    "keys set": ("set-{name}", "--rate-limit", "5"),
    "secrets rotate": (),
    "workspaces create": ("{name}",),
    "workspaces delete": ("delete-{name}", "--confirm", "delete-{name}"),
    "workspaces rename": ("rename-{name}", "renamed-{name}"),
    "workspaces restore": ("restore-{name}",),
    "workspaces resume": ("resume-{name}",),
    "workspaces set": ("default", "--strict"),
    "workspaces suspend": ("suspend-{name}",),
}
READING = {
    "admins invitations": (),
    "admins list": (),
    "audit verify": (),
    "backup": ("{backup}",),
    "check": (),
    "connections list": (),
    "doctor": (),
    "export": (),
    "keys list": (),
    "migrate": (),
    "secrets status": (),
    "workspaces list": (),
}
"""The commands that need no lock of a database that is up to date."""
ELSEWHERE = {"admins reset", "erase", "restore", "secrets reset", "serve"}
"""`admins reset` writes as `admins remove` does, `erase` as `import`, `secrets reset` as `secrets
rotate`, the others before anybody else."""
NAMES = "waits", "vain"
"""Each test has things of its own, because their order is random."""


def _commands(group=main.app, before=()):
    for name in main._commands(group):
        if main._commands(group[name]):
            yield from _commands(group[name], (*before, name))
        else:
            yield " ".join((*before, name))


def test_every_command_is_tested():
    assert {*WRITING, *READING, *ELSEWHERE} == set(_commands())


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A database with something for each command."""
    made = Server(tmp_path_factory.mktemp("locked"))
    for name in NAMES:
        for verb in ("revoke", "rotate", "set"):
            made.muster("keys", "create", "--name", f"{verb}-{name}")
        email = f"remove-{name}@example.com"
        made.muster("admins", "create", "--email", email, typed=f"{PASSWORD}\n")
        for verb in ("delete", "pause", "resume", "update"):
            made.muster("connections", "create", f"{verb}-{name}")
        made.muster("connections", "pause", f"resume-{name}")
        for verb in ("delete", "rename", "restore", "resume", "suspend"):
            made.muster("workspaces", "create", f"{verb}-{name}")
        made.muster("workspaces", "delete", f"restore-{name}", "--confirm", f"restore-{name}")
        made.muster("workspaces", "suspend", f"resume-{name}")
        made.muster("admins", "invite")
    made.muster("admins", "create", "--email", "last@example.com", typed=f"{PASSWORD}\n")
    pending = json.loads(made.muster("admins", "invitations", "--json").stdout)
    made.invitations = dict(zip(NAMES, [each["id"] for each in pending], strict=True))
    (made.folder / "users.jsonl").write_text(USER % "ada@example.com")
    return made


def _run(place, command, arguments, name="", **options):
    given = {
        "name": name,
        "invitation": place.invitations.get(name),
        "file": str(place.folder / "users.jsonl"),
        "backup": str(place.folder / "copy.db"),
    }
    words = [argument.format(**given) for argument in arguments]
    return place.muster(*command.split(), *words, typed=f"{PASSWORD}\n", **options)


class Holding:
    """Another process's transaction, for a time or until the end."""

    def __init__(self, place, seconds=None):
        self._connection = sqlite3.connect(
            place.folder / "muster.db", isolation_level=None, check_same_thread=False
        )
        self._timer = threading.Timer(seconds or 0, self.release)
        self._timed = seconds is not None

    def __enter__(self):
        self._connection.execute("BEGIN IMMEDIATE")
        if self._timed:
            self._timer.start()
        return self

    def release(self):
        self._connection.execute("COMMIT")

    def __exit__(self, *_):
        if self._timed:
            self._timer.join()
        else:
            self.release()
        self._connection.close()


@pytest.mark.parametrize("command", WRITING)
def test_a_command_that_writes_waits_for_another_process(place, command, monkeypatch):
    """It waits longer than a service does, which has other requests to answer."""
    monkeypatch.setattr("muster.storage.sqlite.connection.BUSY_SECONDS", 0.01)
    with Holding(place, seconds=0.2):
        done = _run(place, command, WRITING[command], "waits")
    assert "locked" not in done.stderr


@pytest.mark.parametrize("command", READING)
def test_a_command_that_reads_does_not_wait(place, command):
    with Holding(place):
        _run(place, command, READING[command])


@pytest.mark.parametrize("command", WRITING)
def test_a_command_that_waits_in_vain_says_so_once(place, command, monkeypatch):
    monkeypatch.setattr("muster.storage.sqlite.engine.PATIENT_SECONDS", 0.01)
    with Holding(place):
        refused = _run(place, command, WRITING[command], "vain", check=False)
    assert refused.returncode == 1
    assert refused.stderr == (
        f"muster: {place.folder}/muster.db is locked by another process, which goes on writing."
        " Try again, or stop that process\n"
    )


def test_the_lock_is_taken_from_a_process_that_writes_all_the_time(place):
    """It is free for a fraction of a millisecond at a time, and SQLite looks for it ten times a second."""
    stop = threading.Event()

    def write():
        with sqlite3.connect(place.folder / "muster.db", isolation_level=None) as other:
            while not stop.is_set():
                other.execute("BEGIN IMMEDIATE")
                time.sleep(0.002)
                other.execute("COMMIT")
                time.sleep(0.0001)
        other.close()

    busy = threading.Thread(target=write)
    busy.start()
    try:
        assert place.muster("keys", "create", "--name", "beside").stdout
    finally:
        stop.set()
        busy.join()


def test_another_error_than_a_lock_is_not_waited_for(tmp_path):
    (tmp_path / "x.db").write_bytes(b"not a database " * 500)
    connection = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        begin(connection, 60)
    connection.close()
