"""The consumer of docs/how-to/feed.md over crashes, repetition and 410."""

import os
import sqlite3
import subprocess
import sys

import pytest

from tests.docs.blocks import ROOT, blocks
from tests.docs.served import ListeningServer
from tests.support.people import group, replace
from tests.support.tenant import Tenant
from tests.upkeep.test_trimmer import trim

pytestmark = pytest.mark.outside


class Consumer:
    """The program of the page, with its database."""

    def __init__(self, folder, tenant):
        [block] = [
            found for found in blocks(ROOT / "docs/how-to/feed.md") if found.title == "consume.py"
        ]
        self._folder, self._key, self._host = folder, tenant.token, tenant.server.url
        (folder / "consume.py").write_text(block.text)

    def run(self, lines=""):
        """Run it until it has caught up; `lines` change the program first. Returns its output."""
        program = (self._folder / "consume.py").read_text()
        changed = self._folder / "changed.py"
        changed.write_text(
            program.replace('if __name__ == "__main__":', f'{lines}\nif __name__ == "__main__":')
        )
        done = subprocess.run(
            [sys.executable, changed, "--once"],
            cwd=self._folder,
            env={"HOST": self._host, "KEY": self._key, "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.stdout + done.stderr

    def execute(self, sql):
        """Run a statement on its database. Returns the rows."""
        with sqlite3.connect(self._folder / "application.db") as database:
            return sorted(database.execute(sql).fetchall())


@pytest.fixture
def consumer(tmp_path):
    with ListeningServer(tmp_path, MUSTER_RATE_LIMIT="0") as server, Tenant(server) as tenant:
        folder = tmp_path / "consumer"
        folder.mkdir()
        made = Consumer(folder, tenant)
        made.tenant = tenant
        yield made


def people(consumer):
    return consumer.execute("SELECT id, active FROM people")


def memberships(consumer):
    return consumer.execute("SELECT group_id, member_id FROM memberships")


def test_a_crash_before_the_commit_loses_nothing_and_repeats_nothing(consumer):
    tenant = consumer.tenant
    consumer.run()
    users = [tenant.user() for _ in range(3)]
    crew = tenant.scim.post("/Groups", json=group("Crew", *users)).json()
    crash = "def keep(database, cursor):\n    raise SystemExit('crashed')"
    assert "crashed" in consumer.run(crash)
    assert people(consumer) == []
    consumer.run()
    assert people(consumer) == sorted((user["id"], 1) for user in users)
    assert memberships(consumer) == sorted((crew["id"], user["id"]) for user in users)


def test_pages_that_are_read_again_come_to_the_same(consumer):
    tenant = consumer.tenant
    consumer.run()
    start = consumer.execute("SELECT cursor FROM position")[0][0]
    ann, ben, cyd = tenant.user(), tenant.user(), tenant.user()
    tenant.scim.patch(f"/Users/{ann['id']}", json=replace("active", False))
    crew = tenant.scim.post("/Groups", json=group("Crew", ann, ben, cyd)).json()
    tenant.scim.delete(f"/Users/{ben['id']}")
    for _ in range(2):
        consumer.run()
        assert people(consumer) == sorted([(ann["id"], 0), (cyd["id"], 1)])
        assert memberships(consumer) == sorted((crew["id"], user["id"]) for user in (ann, cyd))
        consumer.execute(f"UPDATE position SET cursor = '{start}'")


def test_a_cursor_that_is_too_old_leads_to_a_resync(consumer):
    tenant = consumer.tenant
    ann, ben = tenant.user(), tenant.user()
    consumer.run()
    tenant.scim.delete(f"/Users/{ben['id']}")
    cyd = tenant.user()
    crew = tenant.scim.post("/Groups", json=group("Crew", cyd)).json()
    tenant.user()
    trim(tenant)
    assert "reading everything anew" in consumer.run()
    assert (ben["id"], 1) not in people(consumer)
    assert {(ann["id"], 1), (cyd["id"], 1)} <= set(people(consumer))
    assert memberships(consumer) == [(crew["id"], cyd["id"])]
