"""Searches that outlines help find what the same searches find without them."""

import itertools

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muster.access.registries import Registries
from muster.directory.caller import Caller
from muster.directory.search.outliner import Outliner
from muster.directory.service import Directory
from muster.scim.dialects import Dialect
from muster.scim.filter.evaluate import comparable, matches
from muster.scim.filter.grammar import parse as parse_filter
from muster.scim.filter.predicate import bind, field_at
from muster.scim.schema.model import registry
from muster.scim.sorting import sort_value
from muster.storage.ids import key_of
from muster.storage.port.resources import Position, Query
from muster.storage.query import outlines
from muster.storage.query.outlines import Outline, covered
from muster.storage.records.leases import Leases
from tests.support.people import person

USER_TYPE = registry().types["/Users"]
NAMES = ("ada", "Ada Lovelace", "lovelace", "zoë", "x\ty", "a\nb", "a b", "%", None)
FILTERS = (
    'displayName co "{0}"',
    'userName co "{0}" or name.familyName co "{0}" or displayName co "{0}" or emails.value co "{0}"',
    'emails[value co "{0}"]',
    'displayName co "{0}" and active eq false',
    'not (displayName co "{0}")',
    'meta.created ge "{1}"',
    'meta.created gt "{1}" and displayName co "{0}"',
    'meta.created lt "{1}"',
)
SORTS = (None, "displayName", "name.familyName", "emails.value", "userName", "title")
_numbers = itertools.count()


@pytest.fixture
def small(monkeypatch):
    """Outlines of three lines, for types with any number of resources."""
    for name, value in {
        "LEAST_RESOURCES": 0,
        "LINES": 3,
        "MOST_LINES": 5,
        "_BATCH": 2,
        "_MANY_LACKING": 2,
        "_SPARE": 0,
    }.items():
        monkeypatch.setattr(outlines, name, value)
    monkeypatch.setattr("muster.directory.search.outliner.LINES", 3)
    monkeypatch.setattr("muster.directory.search.outliner.MOST_LINES", 5)


def outline(bench, workspace):
    """Build the outlines of users, or bring them on."""
    storage = bench.storage
    outliner = Outliner(storage, Registries(storage).of, Leases(storage))
    bench.run(outliner.bring_on(workspace, "User"))


def named(display, family, mail):
    """A user with some of the names."""
    document = person(userName=f"u{next(_numbers)}@example.com", displayName=display)
    document["name"] = {} if family is None else {"familyName": family}
    document["emails"] = [] if mail is None else [{"value": mail}]
    return {key: value for key, value in document.items() if value not in (None, {}, [])}


USERS = st.builds(named, *[st.sampled_from(NAMES)] * 3)
WRITES = st.lists(
    st.tuples(st.sampled_from(("create", "replace", "delete")), USERS, st.integers(0, 30)),
    max_size=14,
)


def carry_out(bench, workspace, writes):
    """Execute writes on the users of a workspace."""
    directory, caller = Directory(bench.storage), Caller(workspace, "actor", "request")
    for action, document, place in writes:
        ids = [found["id"] for found in everybody(bench, workspace)]
        if action == "create" or not ids:
            bench.run(directory.create(caller, USER_TYPE, document))
        elif action == "replace":
            chosen = ids[place % len(ids)]
            bench.run(directory.replace(caller, USER_TYPE, chosen, document, lambda _: None))
        else:
            bench.run(directory.delete(caller, USER_TYPE, ids[place % len(ids)], lambda _: None))


def find(bench, workspace, **query):
    page = bench.run(bench.storage.find(Query(workspace.id, USER_TYPE, **query)))
    return page, orjson.loads(b"[%b]" % page.documents.replace(b"\x01", b""))


def everybody(bench, workspace):
    return find(bench, workspace, limit=1000)[1]


def expected(documents, predicate, sort, descending):
    """The ids of the matches, in order."""
    found = [
        document for document in documents if predicate is None or matches(predicate, document)
    ]
    if sort is None:
        return [document["id"] for document in found]

    def value(document):
        raw = sort_value(sort, document)
        return None if raw is None else comparable(sort.attribute, raw)

    missing = [document for document in found if value(document) is None]
    present = [document for document in found if value(document) is not None]
    present.sort(key=value, reverse=descending)
    return [one["id"] for one in (missing + present if descending else present + missing)]


@pytest.mark.slow
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(data=st.data())
def test_searches_with_outlines_agree_with_evaluate(bench, small, data):
    workspace = bench.new_workspace()
    carry_out(bench, workspace, data.draw(WRITES))
    outline(bench, workspace)
    carry_out(bench, workspace, data.draw(WRITES))
    if data.draw(st.booleans()):
        outline(bench, workspace)
        carry_out(bench, workspace, data.draw(WRITES))
    documents = everybody(bench, workspace)
    times = sorted(one["meta"]["created"] for one in documents) or ["2020-01-01T00:00:00Z"]
    for _ in range(6):
        text = data.draw(st.sampled_from(("ada", "love", "e", "zo", "a b", " ", "u", "@")))
        filter_ = data.draw(st.sampled_from((None, *FILTERS)))
        time = data.draw(st.sampled_from(times))
        predicate = (
            filter_
            and bind(
                parse_filter(filter_.format(text, time), Dialect()), USER_TYPE, Dialect(strict=True)
            )
        ) or None
        path = data.draw(st.sampled_from(SORTS))
        sort = None if path is None else field_at(USER_TYPE, path)
        order = {"sort": sort, "descending": data.draw(st.booleans()) and sort is not None}
        wanted = expected(documents, predicate, **order)
        page, found = find(bench, workspace, predicate=predicate, **order)
        assert [one["id"] for one in found] == wanted
        assert page.total == len(wanted)
        limit, most = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
        page, found = find(
            bench, workspace, predicate=predicate, **order, limit=limit, counted=most, walk=True
        )
        assert [one["id"] for one in found] == wanted[:limit]
        assert page.total == len(wanted) or most <= page.total <= len(wanted)
        ids = [one["id"] for one in found]
        while page.last is not None:
            page, found = find(
                bench,
                workspace,
                predicate=predicate,
                **order,
                limit=limit,
                counted=most,
                walk=True,
                after=Position(page.last.value, page.last.key),
            )
            ids += [one["id"] for one in found]
        assert ids == wanted


def hints_of(bench, monkeypatch, workspace, text, **query):
    """Return the hints that a search used."""
    given_hints = []
    ask = bench.storage._hints

    async def remember(*arguments):
        given_hints.append(await ask(*arguments))
        return given_hints[-1]

    monkeypatch.setattr(bench.storage, "_hints", remember)
    predicate = None if text is None else bind(parse_filter(text, Dialect()), USER_TYPE, Dialect())
    find(bench, workspace, predicate=predicate, **query)
    return given_hints[-1] if given_hints else None


def test_searches_ask_for_outlines_once_they_are_missing_or_stale(bench, small, monkeypatch):
    workspace = bench.new_workspace()
    place = (workspace.id, "User")
    carry_out(bench, workspace, [("create", named("ada", "x", None), 0)] * 1)
    bench.storage.stale_outlines.clear()
    assert hints_of(bench, monkeypatch, workspace, 'displayName co "ada"') is None
    assert bench.storage.stale_outlines == {place}
    outline(bench, workspace)
    bench.storage.stale_outlines.clear()
    assert hints_of(bench, monkeypatch, workspace, 'displayName co "ada"').candidates
    assert not bench.storage.stale_outlines
    monkeypatch.setattr(outlines, "STALE", 0)
    carry_out(bench, workspace, [("create", named("bob", "x", None), 0)])
    assert hints_of(bench, monkeypatch, workspace, 'displayName co "bob"').candidates
    assert bench.storage.stale_outlines == {place}
    monkeypatch.setattr(outlines, "MOST_CHANGES", 0)
    assert hints_of(bench, monkeypatch, workspace, 'displayName co "bob"') is None


def test_types_with_few_resources_have_no_outlines(bench, monkeypatch):
    workspace = bench.new_workspace()
    carry_out(bench, workspace, [("create", named("ada", "x", None), 0)])
    bench.storage.stale_outlines.clear()
    assert hints_of(bench, monkeypatch, workspace, 'displayName co "ada"') is None
    assert not bench.storage.stale_outlines


def test_a_search_reads_only_candidates(bench, small, monkeypatch):
    workspace = bench.new_workspace()
    people = [("create", named(f"person {number}", "x", None), 0) for number in range(9)]
    carry_out(bench, workspace, [*people, ("create", named(None, "x", None), 0)])
    outline(bench, workspace)
    found = hints_of(bench, monkeypatch, workspace, 'displayName co "son 7"')
    assert len(found.candidates) == 1
    found = hints_of(bench, monkeypatch, workspace, 'displayName co "person"', counted=1, limit=1)
    assert found.partial
    assert len(found.candidates) <= 6
    sort = field_at(USER_TYPE, "displayName")
    found = hints_of(bench, monkeypatch, workspace, None, sort=sort, descending=True)
    assert len(found.lacking) == 1
    found = hints_of(bench, monkeypatch, workspace, 'meta.created gt "2999-01-01T00:00:00Z"')
    assert found.since > key_of(everybody(bench, workspace)[-1]["id"])
    assert found.since_size == outlines.MOST_LINES
    found = hints_of(bench, monkeypatch, workspace, 'meta.created gt "1999-01-01T00:00:00Z"')
    assert (found.since, found.since_size) == (0, 10 + outlines.MOST_LINES)


def test_an_outline_that_grows_is_split_and_keeps_the_last_line_of_each(bench, small):
    covers = covered(USER_TYPE)
    grown = Outline(0)
    for number in (5, 1, 2, 3, 4, 1):
        grown.add(number, {"displayName": f"n{number}-{len(grown.keys)}"}, covers)
    assert not grown.change(1, {"displayName": "n1-5"}, covers)
    parts = grown.split()
    assert [(part.first, part.keys) for part in parts] == [(0, [1, 2, 3]), (4, [4, 5])]
    assert parts[0].lines == ["n1-5", "n2-2", "n3-3"]
    row = parts[0].row()
    assert Outline.of_row(row[0], *row[2:]) == parts[0]
