"""A search that checks many bytes waits for its turn, on both engines."""

import contextlib

import pytest

from muster.directory.versions import make_put
from muster.scim.dialects import Dialect
from muster.scim.filter.shapes import read_filter
from muster.scim.schema.model import USER, registry
from muster.storage.ids import IdSource
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.resources import Query
from muster.storage.query.paging import QUICK_BYTES

USER_TYPE = registry().types["/Users"]
NOW = "2020-01-01T00:00:00.000Z"
USERS = 10
MANY = " or ".join(f'emails[type eq "t{n}" or value ew "{n}z"]' for n in range(30))


@pytest.fixture(scope="module")
def workspaces(bench):
    """Two workspaces of ten users: small ones, and ones of a tenth of the bound."""
    new_id = IdSource()

    def fill(size):
        workspace = bench.new_workspace()
        puts = [
            make_put(
                {
                    "schemas": [USER],
                    "userName": f"u{n}",
                    "title": "x" * size,
                    "emails": [{"value": "everyone@example.com"}],
                },
                USER_TYPE,
                new_id(1_600_000_000_000),
                1,
                NOW,
                NOW,
            )
            for n in range(USERS)
        ]
        origin = ChangeOrigin("a", "r", NOW)
        bench.run(bench.storage.load(workspace.id, "User", puts, origin))
        return workspace

    return {"small": fill(10), "large": fill(QUICK_BYTES // 10 // USERS)}


@pytest.mark.parametrize(
    ("chosen", "waits"),
    [
        ('userName sw "u" and title pr', False),
        (f'userName sw "u" and ({MANY})', True),
        (f'emails.value eq "everyone@example.com" and ({MANY})', True),
        (f'emails[value eq "everyone@example.com"] and ({MANY})', True),
        (f'userName sw "u" and displayName sw "x" and ({MANY})', False),
        ('userName eq "u1" and title pr', False),
        ('userName sw "u"', False),
    ],
)
def test_a_search_over_many_bytes_waits_for_its_turn(bench, workspaces, monkeypatch, chosen, waits):
    turns, taken = bench.storage._turns, []
    turn = turns.turn

    @contextlib.asynccontextmanager
    async def counted(workspace):
        taken.append(workspace)
        async with turn(workspace):
            yield

    monkeypatch.setattr(turns, "turn", counted)
    for name, workspace in workspaces.items():
        taken.clear()
        predicate = read_filter(chosen, USER_TYPE, Dialect())
        bench.run(bench.storage.find(Query(workspace.id, USER_TYPE, predicate, limit=5)))
        assert bool(taken) is (waits and name == "large"), name
