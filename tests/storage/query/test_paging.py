"""The steps of a page, run against lists instead of a database."""

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.scim.schema.model import registry
from muster.scim.sorting import sort_field
from muster.storage.ids import id_of, key_of
from muster.storage.port.engine import Statement
from muster.storage.port.errors import PageTooLarge
from muster.storage.port.resources import Position, Query
from muster.storage.query.compiler import Arm, QueryPlan
from muster.storage.query.paging import StaleMark, page_steps

USER_TYPE = registry().types["/Users"]
MARK = 17


class Database:
    """Rows in arms, as the statements of a plan see them.

    Attributes:
        counted: The arms whose rows were counted.
    """

    def __init__(self, sizes, running_count):
        number = iter(range(sum(sizes)))
        self.arms = [[id_of(1_700_000_000_000 << 21 | next(number), 0) for _ in range(size)]
                     for size in sizes]  # fmt: skip
        self.ids = [one for arm in self.arms for one in arm]
        self.counted = []
        self.plan = QueryPlan(
            tuple(
                Arm(Statement("page", (n,)), Statement("count", (n,))) for n in range(len(sizes))
            ),
            None,
            Statement("total", ()) if running_count else None,
            True,
        )

    def answer(self, statement):
        match statement.sql, statement.parameters:
            case "page", (arm, limit, offset):
                rows = self.arms[arm][offset : offset + limit]
                text = b",".join(orjson.dumps({"id": one}) for one in rows)
                return len(rows), text, ",".join(rows).encode(), 0
            case "count", (arm,):
                self.counted.append(arm)
                return (len(self.arms[arm]),)
            case "total", ():
                return (len(self.ids),)
        if "max(sequence)" in statement.sql:
            return (MARK,)
        key = statement.parameters[0]
        return (orjson.dumps({"userName": f"User{self.ids.index(id_of(key, 0))}"}),)

    def page(self, **asked):
        steps = page_steps(Query(1, USER_TYPE, **asked), self.plan)
        row = None
        while True:
            try:
                row = self.answer(next(steps) if row is None else steps.send(row))
            except StopIteration as end:
                return end.value


databases = st.builds(Database, st.lists(st.integers(0, 5), min_size=1, max_size=4), st.booleans())


def ids_on(page):
    return [one["id"] for one in orjson.loads(b"[%b]" % page.documents)]


@given(databases, st.integers(0, 22), st.integers(0, 8))
def test_a_page_is_a_slice_of_the_arms_in_sequence(database, offset, limit):
    page = database.page(offset=offset, limit=limit)
    wanted = database.ids[offset : offset + limit]
    assert ids_on(page) == wanted
    assert page.count == len(wanted)
    assert page.total == len(database.ids)
    assert (page.mark, page.last) == (None, None)


@given(databases, st.integers(1, 8))
def test_a_full_page_of_a_walk_ends_at_the_position_of_its_last_resource(database, limit):
    page = database.page(limit=limit, walk=True)
    assert page.mark == MARK
    if page.count == limit:
        assert page.last == Position(None, key_of(ids_on(page)[-1]))
    else:
        assert page.last is None


def test_the_position_of_a_sorted_page_has_the_value_as_it_compares():
    page = Database([3], False).page(limit=2, walk=True, sort=sort_field(USER_TYPE, "userName"))
    assert page.last == Position("user1", key_of(ids_on(page)[-1]))


@given(databases, st.integers(0, 5))
def test_a_resumed_page_counts_no_total(database, limit):
    page = database.page(after=Position(None, 0), limit=limit, offset=99)
    assert page.total is None
    assert ids_on(page) == database.ids[:limit]


def test_a_walk_that_is_outdated_is_not_resumed():
    database = Database([3], False)
    assert database.page(walk=True, mark=MARK).count == 3
    with pytest.raises(StaleMark):
        database.page(walk=True, mark=MARK - 1)


def test_only_arms_without_a_row_at_the_offset_are_counted():
    database = Database([3, 2, 4], running_count=True)
    assert ids_on(database.page(offset=4, limit=3)) == database.ids[4:7]
    assert database.counted == [0]


def test_documents_that_exceed_a_page_are_an_error():
    database = Database([1], False)
    database.answer = lambda statement: (1, None, None, 0)
    with pytest.raises(PageTooLarge):
        database.page()


@pytest.mark.parametrize(
    ("matches", "asked", "counts"),
    [(7, 1001, []), (1001, 1001, []), (1001, 2000, [0]), (1001, None, [0]), (None, 1001, [0])],
)
def test_matches_that_are_known_are_not_counted_again(matches, asked, counts):
    database = Database([7], running_count=False)
    database.plan = replace(database.plan, matches=matches)
    page = database.page(limit=2, counted=asked)
    assert database.counted == counts
    assert page.total == (7 if counts else matches)
