"""The blocks of pages that need PostgreSQL, which the other blocks run without."""

import pytest

from tests.docs.blocks import ROOT, blocks
from tests.docs.commands import CommandServer
from tests.docs.session import Session
from tests.support import postgres
from tests.support.databases import migrated_database
from tests.support.in_process import InProcessServer

pytestmark = pytest.mark.outside
REASON = "needs PostgreSQL; tests/docs/test_on_postgresql.py runs it"


def _blocks(page):
    found = [block for block in blocks(ROOT / "docs/how-to" / page) if block.reason == REASON]
    assert found
    return found


def _run(page, folder, server, replaced, **options):
    (folder / "page").mkdir()
    with CommandServer(server, folder) as commands:
        path = f"{commands.folder}:{postgres.programs()}:/usr/local/bin:/usr/bin:/bin"
        own = {key: value for key, value in server.environment.items() if key.startswith("MUSTER")}
        with Session(folder / "page", {"PATH": path, **own, **options}, replaced) as session:
            for block in _blocks(page):
                session.run(block)


def test_workspaces_move_from_sqlite_to_postgresql(tmp_path):
    new = postgres.new_database()
    with InProcessServer(tmp_path) as server:
        server.muster("workspaces", "create", "acme")
        server.muster("demo", "--workspace", "acme", "--users", "30")
        server.muster("demo", "--workspace", "default", "--users", "5")
        _run(
            "sqlite-to-postgresql.md",
            tmp_path,
            server,
            {"postgresql://muster@db.internal:5432/muster": new},
        )
        moved = (tmp_path / "page" / "acme.new").read_text()
    assert moved.count('"userName"') == 30
    assert sorted(moved.splitlines()) == sorted(
        (tmp_path / "page" / "acme.jsonl").read_text().splitlines()
    )


def test_a_dump_of_postgresql_is_restored(tmp_path):
    url = migrated_database()
    with InProcessServer(tmp_path) as server:
        server.muster("demo", "--users", "20", "--database", url)
        _run("back-up.md", tmp_path, server, {}, MUSTER_DATABASE=url)
        assert "20 resources" in server.muster("check", "--database", url).stdout
