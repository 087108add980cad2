"""The documents are true: the README's tour runs, and the tables are complete."""

import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

from muster.access import platform_keys, protection, setup_links
from muster.access.connections import MAX_CONNECTIONS
from muster.base.brand import MAX_LOGO
from muster.config import Settings
from muster.console import web
from muster.console.navigation import GROUPS
from muster.directory import bulk
from muster.http import service
from muster.http.management.models import feed
from muster.http.observe import recorder
from muster.http.wire import media, message
from muster.imports import store, table
from muster.scim import bounds, patch
from muster.scim.filter import grammar, lexer
from muster.scim.schema import discovery
from muster.serving import server as serving
from muster.storage.port.accounts import Workspace
from muster.storage.port.resources import Guard
from muster.storage.query import turns
from muster.storage.sqlite import writer
from muster.upkeep.trimmer import USAGE_DAYS
from tests.http.management.test_router import ROUTES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
REFERENCE = ROOT / "docs" / "reference"
SETTINGS = (REFERENCE / "settings.md").read_text()


@pytest.mark.outside
def test_every_block_of_the_tour_runs(server, tmp_path):
    tour = README.partition("## A five-minute tour")[2].partition("\n## ")[0]
    blocks = re.findall(r"```bash\n(.*?)```", tour, re.S)
    assert len(blocks) == 5
    script = "set -euo pipefail\n" + "\n".join(
        f"echo; echo '--- block {n}'\n{block}" for n, block in enumerate(blocks)
    )
    server.muster("workspaces", "create", "tour")
    environment = {
        "BASE": f"{server.url}/scim/v2",
        "KEY": server.key("tour", "--workspace", "tour"),
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run(
        ["bash", "-c", script],
        check=False,
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    created, found, patched, paged, deleted = done.stdout.split("--- block ")[1:]
    assert '"userName":"bjensen@example.com"' in created
    assert found.count('"totalResults":1') == 3
    assert '"active":false' in patched
    assert '"totalResults":1' in paged
    assert deleted.strip() == "4"


def test_the_table_of_settings_is_the_settings():
    rows = dict(re.findall(r"^\| `MUSTER_(\w+)` \|[^|]*\|(.*?)\|", SETTINGS, re.M))
    assert {name.lower() for name in rows} == set(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        shown = rows[name.upper()].strip(" `")
        default = field.default
        expected = (
            ""
            if default in (None, ())
            else str(default).lower()
            if isinstance(default, bool)
            else str(default)
        )
        assert shown == expected, name


def test_the_example_configuration_is_read(tmp_path, monkeypatch):
    [example] = re.findall(r"```toml\n(.*?)```", SETTINGS, re.S)
    (tmp_path / "muster.toml").write_text(example)
    monkeypatch.chdir(tmp_path)
    read = Settings().model_dump(include=set(tomllib.loads(example)))
    assert {
        name: list(value) if isinstance(value, tuple) else value for name, value in read.items()
    } == tomllib.loads(example)


def _documents():
    """Every Markdown file of the project: at the top, in docs/ and in bench/."""
    return [
        *ROOT.glob("*.md"),
        *sorted((ROOT / "docs").rglob("*.md")),
        *(ROOT / "bench").glob("*.md"),
    ]


def _anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a document."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"```.*?```", "", document.read_text(), flags=re.S), re.M
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", _documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(document):
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith("http"):
            file, _, anchor = target.partition("#")
            found = document.parent / file if file else document
            assert found.exists(), target
            assert found.suffix != ".md" or not anchor or anchor in _anchors(found), target


@pytest.mark.parametrize("document", _documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_that_a_document_names_exist(document):
    for named in re.findall(r"`((?:\w+/)+\w+\.py)`", document.read_text()):
        places = (ROOT, ROOT / "src/muster", *(ROOT / "examples").iterdir())
        assert any((place / named).exists() for place in places), named


@pytest.mark.parametrize("document", _documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_tests_that_a_document_names_exist(document):
    named = set(re.findall(r"`(test_\w+)`", document.read_text()))
    assert named <= _tests()


@cache
def _tests():
    """The names of all tests."""
    texts = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    return set(re.findall(r"^(?:async )?def (test_\w+)", "\n".join(texts), re.M))


def test_the_page_of_the_guard_has_the_defaults_and_examples_of_the_code():
    text = (ROOT / "docs/explanation/guard.md").read_text()
    shown = dict(re.findall(r"^\| `(guard\w+)` \| `?(\w+)`? \|", text, re.M))
    standing = workspace_defaults()
    assert shown == {
        "guardMode": standing.guard_mode,
        "guardShare": str(standing.guard_share),
        "guardLeast": str(standing.guard_least),
    }
    limit = Guard("", standing.guard_share, standing.guard_least, holds=True)
    [examples] = re.findall(
        r"(\S+) people may lose access in a workspace of (\S+), and (\S+) in one of (\S+)\.", text
    )
    allowed, users, more, many = (int(number.replace(",", "")) for number in examples)
    assert (limit.allowed(users, 0), limit.allowed(many, 0)) == (allowed, more)


def workspace_defaults():
    return Workspace(1, "w", "rfc7644", strict=False, created="")


def test_the_index_of_decisions_has_every_page_with_its_title():
    folder = ROOT / "docs/decisions"
    rows = re.findall(
        r"^\| \[(\d+)\]\((.+)\) \| (.+) \|$", (folder / "README.md").read_text(), re.M
    )
    pages = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert [name for _, name, _ in rows] == pages
    for position, (number, name, title) in enumerate(rows, 1):
        assert int(number) == position
        assert (folder / name).read_text().startswith(f"# {number}. {title}\n")


def test_the_glossary_is_in_order():
    glossary = (ROOT / "docs/explanation/glossary.md").read_text()
    _, product, code = re.split(r"^## .+$", glossary, flags=re.M)
    for part in (product, code):
        words = re.findall(r"^### (.+)$", part, re.M)
        assert len(words) > 20
        assert words == sorted(words)


def test_the_table_of_the_console_is_its_menu():
    text = (REFERENCE / "console.md").read_text()
    table = text.partition("| menu | page | contents |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in row.split("|")[1:3]] for row in table.splitlines()[2:]]
    shown = [(menu, title) for menu, titles in rows for title in titles.split(", ")]
    pages = [(group.title, page.title) for group in GROUPS for page in group.pages]
    assert [title for _, title in shown[: len(pages)]] == [title for _, title in pages]
    assert list(dict.fromkeys(menu for menu, _ in shown if menu)) == [
        *dict.fromkeys(title for title, _ in pages if title),
        "all workspaces",
    ]


def test_the_pages_of_the_management_api_have_each_route_with_its_permission():
    text = "".join(path.read_text() for path in sorted(REFERENCE.glob("management-*.md")))
    sections = dict(re.findall(r"^`(\w+ /api/v1/\S+)`\n(.*?)(?=^### |^## |\Z)", text, re.M | re.S))
    for method, path, permission in ROUTES:
        found = [
            section
            for heading, section in sections.items()
            if re.fullmatch(re.sub(r"{\w+}", "[^/]+", heading.partition("/api/v1")[2]), path)
            and heading.startswith(f"{method} ")
        ]
        assert found, (method, path)
        assert any(f"`{permission}`" in section for section in found), (method, path)


def test_the_readme_is_short_and_its_figures_are_those_of_the_benchmarks():
    assert len(README.splitlines()) <= 150
    table = README.partition("## Speed")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in table.splitlines()
        if re.match(r"\|[^|]*\| [\d,]+ \|", line)
    ]
    assert 5 <= len(rows) <= 8
    measured = (ROOT / "docs" / "reference" / "benchmarks.md").read_text()
    for _, rate, half, most in rows:
        assert f"| {rate}/s | {half} | {most} |" in measured, rate


def _limits():
    """The rows of docs/reference/limits.md: each limit and its value."""
    text = (ROOT / "docs" / "reference" / "limits.md").read_text()
    rows = re.findall(r"^\| *([^|]*?) *\| *([^|]*?) *\| *([^|]*?) *\|", text, re.M)
    return {
        what: (default, setting) for what, default, setting in rows if what not in ("limit", "---")
    }


def test_the_limits_are_those_of_the_code():
    fixed = {
        "depth of a body": [media._MAX_DEPTH],
        "operations of a PATCH": [patch.MAX_OPERATIONS],
        "operations of a bulk request": [discovery.Limits().max_operations],
        "operations of a bulk request that refer to each other in a cycle": [bulk.MAX_CYCLE],
        "headers of a request": [message.MAX_HEADERS],
        "bytes of all headers": [message.MAX_HEADER_BYTES],
        "bytes of each of `Cookie`, `If-Match` and `If-None-Match`": [message.MAX_HEADER],
        "bytes of `Authorization`": [message.MAX_HEADER],
        "bytes of a query": [message._MAX_QUERY],
        "parameters of a query": [message._MAX_PARAMETERS],
        "characters of a filter or a path": [lexer.MAX_LENGTH],
        "conditions of a filter, a value path counting as one": [grammar.MAX_TERMS],
        "depth of a filter": [grammar.MAX_DEPTH],
        "names in `attributes` or `excludedAttributes`": [bounds.MAX_NAMES],
        "bytes of a form of the console": [web._MAX_FORM],
        "fields of a form of the console": [web._MAX_FIELDS],
        "bytes of a CSV file to import": [table.MAX_BYTES],
        "rows of a CSV file to import": [table.MAX_ROWS],
        "lines of a CSV file to import, blank ones included": [table.MAX_LINES],
        "columns of a CSV file to import": [table.MAX_COLUMNS],
        "protected users": [protection.MOST_PROTECTED],
        "connections of a workspace": [MAX_CONNECTIONS],
        "set-up links that work": [setup_links.MAX_LINKS],
        "set-up links that are over": [setup_links.MAX_ENDED],
        "bytes of the logo of the brand": [MAX_LOGO],
        "active platform keys of the installation": [platform_keys.MAX_KEYS],
        "days that usage figures are kept": [USAGE_DAYS],
        "CSV imports that are stored": [store._MOST],
        "changes in an answer of the feed or the audit log": [feed.MAX_ROWS],
        "sending one chunk of a streamed answer": [message.SEND_SECONDS],
        "a long poll of the feed": [feed.MAX_WAIT],
        "requests with a session of the console, in all and per administrator": [
            service._SESSIONS,
            service._OF_ONE,
        ],
        "streamed answers, in all and per workspace or administrator": [
            service._STREAMS,
            service._STREAMS_OF_ONE,
        ],
        "connections": [serving._CONNECTIONS],
        "waiting writes": [writer.MAX_WAITING],
        "waiting searches without an index, in all; running and waiting, per workspace": [
            turns.MAX_WAITING,
            turns.MAX_WAITING_PER_WORKSPACE + 1,
        ],
        "requests that wait to be stored in the request log, and bytes of their bodies": [
            recorder._WAITING,
            recorder._HELD,
        ],
    }
    limits = _limits()
    for what, amounts in fixed.items():
        assert re.findall(r"\d+", limits[what][0].replace(",", "")) == [
            str(amount) for amount in amounts
        ], what
    named = set()
    for what, (default, setting) in limits.items():
        for name in re.findall(r"MUSTER_(\w+)", setting):
            named.add(name)
            amount = Settings.model_fields[name.lower()].default / (
                4 if "quarter" in setting else 1
            )
            assert f"{amount:,.0f}" in default, what
    assert {name for name in Settings.model_fields if name.startswith("max_")} <= {
        name.lower() for name in named
    }
