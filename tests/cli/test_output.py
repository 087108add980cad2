"""Tables on a terminal, plain lines in a pipe, progress on standard error."""

import os
import pty
import re
import subprocess
import sys
import threading

import pytest

from muster.cli import output
from tests.support.server import Server


class Terminal:
    """Runs commands with some of their outputs on a terminal."""

    def __init__(self, server):
        self.server = server

    def run(self, *arguments, stdout=False, stderr=False):
        """The exit code, standard output, and standard error of a command."""
        ends = [pty.openpty() if wanted else os.pipe() for wanted in (stdout, stderr)]
        texts = [bytearray(), bytearray()]
        readers = [
            threading.Thread(target=_read, args=(end[0], text))
            for end, text in zip(ends, texts, strict=True)
        ]
        for reader in readers:
            reader.start()
        command = [sys.executable, "-m", "muster", *arguments]
        environment = {**self.server.environment, "TERM": "xterm", "COLUMNS": "160"}
        done = subprocess.run(
            command,
            env=environment,
            cwd=self.server.folder,
            stdout=ends[0][1],
            stderr=ends[1][1],
            check=False,
            timeout=120,
        )
        for _, written in ends:
            os.close(written)
        for reader in readers:
            reader.join()
        return done.returncode, *(text.decode() for text in texts)


def _read(descriptor, text):
    while True:
        try:
            piece = os.read(descriptor, 65536)
        except OSError:  # the other end of a terminal was closed
            piece = b""
        if not piece:
            break
        text += piece
    os.close(descriptor)


def test_ids_stay_whole_in_a_narrow_table(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    rows = [
        ("f3b9c0d8e7a4b16c" * 2, "okta", "View audit logs, Edit Roles, Configure Settings", "never")
    ]
    output.write_table(("ID", "Name", "Permissions", "Last used"), rows, "None")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert rows[0][0] in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.fixture
def terminal(tmp_path):
    server = Server(tmp_path)
    server.muster("demo", "--workspace", "default", "--users", "600")
    return Terminal(server)


@pytest.mark.parametrize(
    ("command", "title", "says"),
    [
        ("check", "Checking resources", "600 resources in 1 workspaces; 0 findings\n"),
        ("doctor", "Examining requests", "No problems found"),
        ("backup b.db", "Copying pages", "bytes, verified\n"),
        ("export --output x.jsonl", "Exporting default", "x.jsonl: 600 resources\n"),
        ("demo --users 5", "Creating users in demo", "Created 5 users"),
    ],
)
def test_progress_is_shown_on_a_terminal_and_nothing_of_it_elsewhere(
    terminal, command, title, says
):
    status, out, err = terminal.run(*command.split(), stderr=True)
    assert (status, title in err, says in out) == (0, True, True)
    assert "\x1b" not in out
    for file in ("b.db", "x.jsonl"):
        (terminal.server.folder / file).unlink(missing_ok=True)
    status, again, err = terminal.run(*command.split())
    said = [line for line in err.splitlines() if "keep a copy of" not in line]  # the key file
    assert (status, said) == (0, [])
    assert says in again


def test_progress_reaches_its_end(terminal):
    shown = {}
    for command in ("check", "backup b.db", "export --output x.jsonl", "import x.jsonl", "doctor"):
        _, _, err = terminal.run(*command.split(), stderr=True)
        done, total = re.findall(r"(\d+)/(\d+|\?)", err)[-1]
        shown[command.split()[0]] = (int(done), total)
    assert shown["check"] == (600, "600")
    assert shown["export"] == (600, "?")
    assert shown["doctor"] == (4, "4")
    size = (terminal.server.folder / "x.jsonl").stat().st_size
    assert shown["import"] == (size, str(size))
    pages, total = shown["backup"]
    assert total == str(pages)
    assert pages > 100


def test_import_and_restore_show_progress(terminal):
    folder = terminal.server.folder
    terminal.server.muster("export", "--output", "x.jsonl")
    terminal.server.muster("workspaces", "create", "copy")
    status, out, err = terminal.run(
        "import", "--workspace", "copy", "--new-ids", "x.jsonl", stderr=True
    )
    assert (status, out) == (0, "600 created, 0 exist already, 0 rejected\n")
    assert "Importing into copy" in err
    with (folder / "x.jsonl").open() as source:  # a pipe has no size
        piped = terminal.server.command(
            "import", "--workspace", "copy", "--new-ids", "-", typed=source.read()
        )
    assert (piped.stdout, piped.stderr) == ("0 created, 600 exist already, 0 rejected\n", "")
    terminal.server.muster("backup", "b.db")
    for file in folder.glob("muster.db*"):
        if file.suffix != ".key":
            file.unlink()
    status, out, err = terminal.run("restore", "b.db", stderr=True)
    assert (status, "bytes, verified" in out, "Copying pages" in err) == (0, True, True)


def test_lists_are_tables_on_a_terminal_and_lines_elsewhere(terminal):
    terminal.server.muster("keys", "create", "--name", "[red]okta[/red]")
    _, out, _ = terminal.run("keys", "list", stdout=True)
    assert "Permissions" in out
    assert "[red]okta[/red]" in out
    assert "\t" not in out
    [line] = terminal.server.muster("keys", "list").stdout.splitlines()
    assert line.split("\t")[1:4] == ["[red]okta[/red]", "active", "Admin"]
    _, out, _ = terminal.run("admins", "list", stdout=True)
    assert "Invite one with: muster admins invite" in out


def test_a_key_is_printed_alone_on_a_terminal_too(terminal):
    _, out, err = terminal.run(
        "keys", "create", "--name", "okta", "--admin", stdout=True, stderr=True
    )
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\r\n", out)
    assert err == ""


def test_a_cell_is_one_line(capsys):
    output.write_table(("A", "B"), [("a\tb\n\x1b[31mc", "d  e")], "none")
    assert capsys.readouterr().out == "a b  [31mc\td  e\n"
