"""Every fenced code block of the documents runs, or says why it cannot."""

import os
import re
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import DATA, PROGRAMS, ROOT, Block, blocks, documents, problem_of
from tests.docs.commands import CommandServer
from tests.docs.served import ListeningServer
from tests.docs.session import BlockFailed, Session, missing_line

_SERVICE = re.compile(
    r"\$\{?(BASE|KEY|HOST|API|PLATFORM_KEY)\b|\bmuster\b|localhost:8080|127\.0\.0\.1:8080"
    r"|environ\W+(BASE|KEY|HOST|API|PLATFORM_KEY)\b"
)
"""The texts of blocks that need a service."""


def _named(paths):
    return [pytest.param(path, id=path.relative_to(ROOT).as_posix()) for path in paths]


PAGES = documents()
FOLLOWED = ROOT / "docs" / "tutorials"
"""Pages whose blocks tests/tutorials runs: they need several terminals, and a browser between."""
RUNNING = [
    path for path in PAGES if path.parent != FOLLOWED and any(block.runs for block in blocks(path))
]


@pytest.mark.parametrize("path", _named(PAGES))
def test_every_block_has_a_kind_and_reads_as_that_kind(path):
    wrong = {str(block): problem for block in blocks(path) if (problem := problem_of(block))}
    assert wrong == {}


@pytest.mark.outside
@pytest.mark.parametrize("path", _named(RUNNING))
def test_the_blocks_of_a_page_run_in_order(path, tmp_path):
    found = blocks(path)
    folder = tmp_path / "page"
    folder.mkdir()
    if not any(block.runs and _SERVICE.search(block.text) for block in found):
        _run(found, folder, _environment(), {})
        return
    with (
        ListeningServer(tmp_path, MUSTER_RATE_LIMIT="0", MUSTER_WEBHOOKS_PRIVATE="1") as server,
        CommandServer(server, tmp_path) as commands,
    ):
        environment = {
            name: value for name, value in server.environment.items() if name.startswith("MUSTER_")
        }
        environment |= _environment(str(commands.folder)) | {
            "HOST": server.url,
            "BASE": f"{server.url}/scim/v2",
            "API": f"{server.url}/api/v1",
            "KEY": server.key("first", "--admin"),
            "PLATFORM_KEY": server.muster(
                "keys", "create", "--platform", "--name", "first"
            ).stdout.strip(),
        }
        (folder / ".venv" / "bin").mkdir(parents=True)
        (folder / ".venv" / "bin" / "muster").symlink_to(commands.folder / "muster")
        here = server.url.removeprefix("http://")
        _run(
            found,
            folder,
            environment,
            {
                "http://localhost:8080": server.url,
                "localhost:8080": here,
                "127.0.0.1:8080": here,
                "https://scim.example.com": server.url,
                '"wait": 20': '"wait": 1',  # nothing happens meanwhile
            },
        )


def _environment(*folders):
    path = [*folders, str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]
    return {"PATH": ":".join(path), "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8"}


def _run(found, folder, environment, replaced):
    with Session(folder, environment, replaced) as session:
        for block in found:
            if block.runs or (block.title and block.reason is None):
                session.run(block)


def _block(kind, text, title=""):
    return Block("docs/page.md", 1, kind, title, None, text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("json", '{"items": […], "next": …, …}'),
        ("json", '{"a": {"b": 1, …}, "c": "x…"}'),
        ("json", '{"a": 1}\n{"a": 2}\n'),
        ("yaml", "a: [1]\n---\nb: 2\n"),
        ("toml", 'a = "b"\n'),
        ("text", "anything"),
        ("bash", "true"),
    ],
)
def test_a_block_that_reads_as_its_kind_has_no_problem(kind, text):
    assert problem_of(_block(kind, text)) is None


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("json", '{"a": }'),
        ("json", '{"a": 1} {"b": 2}'),
        ("yaml", "a: [1"),
        ("toml", "a = "),
        ("python", "def"),
        ("", "anything"),
        ("kubectl", "get pods"),
    ],
)
def test_a_block_that_does_not_read_as_its_kind_has_a_problem(kind, text):
    assert problem_of(_block(kind, text)) is not None


def test_every_kind_that_is_parsed_or_run_is_known():
    assert not PROGRAMS & DATA


def test_blocks_are_found_with_their_kind_title_reason_and_indent(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.docs.blocks.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "- item\n\n  ```bash\n  echo 1\n    echo 2\n  ```\n\n"
        "<!-- not run: needs a cluster -->\n```yaml\na: [\n```\n"
        '```python title="app.py"\npass\n```\n````text\n```\n````\n'
    )
    assert [(b.line, b.kind, b.title, b.reason, b.text) for b in blocks(page)] == [
        (3, "bash", "", None, "echo 1\n  echo 2\n"),
        (9, "yaml", "", "needs a cluster", "a: [\n"),
        (12, "python", "app.py", None, "pass\n"),
        (15, "text", "", None, "```\n"),
    ]


@pytest.mark.outside
def test_shells_and_programs_share_a_page(tmp_path):
    page = tmp_path / "page"
    page.mkdir()
    with Session(page, _environment(), {"PLACE": "here"}) as session:
        session.run(_block("bash", "one=1; export TWO=2; mkdir -p sub; cd sub\n"))
        session.run(_block("python", "import os\nthree = int(os.environ['TWO']) + 1\n"))
        session.run(_block("python", "open('three', 'w').write(f'{three} PLACE')\n"))
        session.run(_block("js", "console.log(1)\n", "x.js"))
        session.run(_block("console", "$ echo $one\n1\n$ cat three \\\n  x.js\n3 here…\n"))
        with pytest.raises(BlockFailed, match="exit code 3"):
            session.run(_block("bash", "exit 3\n"))


@pytest.mark.outside
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("bash", "false\ntrue\n"),
        ("bash", "false | true\n"),
        ("bash", 'echo "$nowhere"\n'),
        ("python", "1 / 0\n"),
        ("python", "raise SystemExit(1)\n"),
        ("js", "process.exit(1)\n"),
        ("console", "$ echo 1\n2\n"),
        ("console", "echo 1\n"),
    ],
)
def test_a_block_that_fails_fails_the_page(kind, text, tmp_path):
    page = tmp_path / "page"
    page.mkdir()
    with Session(page, _environment(), {}) as session, pytest.raises(BlockFailed):
        session.run(_block(kind, text))


def test_shown_output_may_leave_out_lines_and_differ_in_ids_and_times():
    printed = "a\nid 0193591c-1f00-7b5d-a1b2-3c4d5e6f7081 at 2026-11-30T10:00:00Z\nb  c\nend\n"
    shown = "id 0193591c-1f00-7b5d-a1b2-000000000000 at 2025-01-01T00:00:00Z\n…\nb c\ne…d"
    assert missing_line(shown.splitlines(), printed) is None
    assert missing_line(["end", "a"], printed) == "a"
    assert missing_line(["other"], printed) == "other"
