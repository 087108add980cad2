"""Searches by SQL agree with evaluate.py, for any filter, sort order and page."""

import itertools
from bisect import bisect_left
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muster.directory.documents import parse
from muster.directory.versions import make_put
from muster.scim.dialects import Dialect
from muster.scim.document import read
from muster.scim.errors import ScimError
from muster.scim.filter import grammar as filters
from muster.scim.filter.evaluate import comparable, matches
from muster.scim.filter.predicate import bind, field_at
from muster.scim.schema.model import USER, registry
from muster.scim.sorting import sort_value
from muster.scim.values import mail_domain
from muster.storage.ids import IdSource
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.resources import Query
from tests.support.strategies import DATES, EVERYTHING, everything, filters_of, users, users_of
from tests.support.strategies import filters as any_filter

USER_TYPE = registry().types["/Users"]
SORTS = (
    "userName",
    "displayName",
    "emails.value",
    "title",
    "active",
    "meta.lastModified",
    "name.familyName",
    "phoneNumbers.value",
)
_ids = IdSource()
_millis = itertools.count(1_600_000_000_000)


def put(document, modified="2020-01-01T00:00:00Z", resource_type=USER_TYPE):
    created = datetime.fromtimestamp(next(_millis) / 1000, UTC).isoformat().replace("+00:00", "Z")
    canonical = read(document, resource_type, Dialect())
    return make_put(canonical, resource_type, _ids(next(_millis)), 1, created, modified)


def find(bench, workspace, resource_type=USER_TYPE, **query):
    page = bench.run(bench.storage.find(Query(workspace.id, resource_type, **query)))
    return page.total, [
        document["id"] for document in orjson.loads(b"[%b]" % page.documents.replace(b"\x01", b""))
    ]


def _sorted(documents, field, descending):
    """Sort by RFC 7644 section 3.4.2.3.

    Missing values come last ascending and first descending; ties are ordered by id.
    """
    if field is None:
        return documents

    def value(document):
        found = sort_value(field, document)
        return None if found is None else comparable(field.attribute, found)

    missing = [document for document in documents if value(document) is None]
    present = sorted((d for d in documents if value(d) is not None), key=value, reverse=descending)
    if descending:  # reverse keeps ties in their order
        return missing + present
    return present + missing


def _at(document, domain):
    values = [
        document["userName"],
        *(item["value"] for item in document.get("emails", ()) if "value" in item),
    ]
    return domain is None or any(mail_domain(value) == domain for value in values)


@pytest.mark.slow
@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(data=st.data())
def test_agrees_with_evaluate(bench, data):
    puts = [
        put(document, data.draw(st.sampled_from(DATES)))
        for document in data.draw(st.lists(users(), max_size=8))
    ]
    workspace = bench.new_workspace()
    bench.run(bench.storage.load(workspace.id, "User", puts, ChangeOrigin("t", "t", "t")))
    documents = [parse(item.stored.document) for item in puts]
    for _ in range(6):
        node = data.draw(st.none() | any_filter())
        domain = data.draw(
            st.none() | st.sampled_from(("example.com", "exämple.com", "example.org", "nowhere"))
        )
        sort = data.draw(st.none() | st.sampled_from(SORTS))
        descending = data.draw(st.booleans())
        predicate = None if node is None else bind(node, USER_TYPE, Dialect())
        field = None if sort is None else field_at(USER_TYPE, sort)
        wanted = [
            d for d in documents if (predicate is None or matches(predicate, d)) and _at(d, domain)
        ]
        wanted = [document["id"] for document in _sorted(wanted, field, descending)]
        offset, limit = data.draw(st.integers(0, 5)), data.draw(st.integers(0, 6))
        query = {"predicate": predicate, "domain": domain, "sort": field, "descending": descending}
        assert find(bench, workspace, **query) == (len(wanted), wanted)
        assert find(bench, workspace, **query, offset=offset, limit=limit) == (
            len(wanted),
            wanted[offset : offset + limit],
        )


@pytest.mark.slow
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(data=st.data())
def test_agrees_with_evaluate_on_every_attribute(bench, data):
    """Filters are drawn from the schemas, with every type and operator.

    Value paths are drawn over every complex attribute.
    """
    kind = everything()
    drawn = data.draw(st.lists(users_of(kind), max_size=5))
    puts = [put(document, data.draw(st.sampled_from(DATES)), kind) for document in drawn]
    workspace = bench.new_workspace()
    bench.run(bench.storage.load(workspace.id, "User", puts, ChangeOrigin("t", "t", "t")))
    documents = [parse(item.stored.document) for item in puts]
    for node in data.draw(st.lists(filters_of(kind), min_size=10, max_size=10)):
        predicate = bind(node, kind, Dialect())
        wanted = [document["id"] for document in documents if matches(predicate, document)]
        assert find(bench, workspace, kind, predicate=predicate) == (len(wanted), wanted), (
            filters.to_text(node)
        )


DEEP = {
    "not": "not ({})",
    "or": "(title pr or {})",
    "and": "({} and title pr)",
    "and or": "(title pr and (nickName pr or {}))",
    "or not and": 'not (not (userName eq "x") and {})',
}


@pytest.mark.parametrize("shape", DEEP)
@pytest.mark.parametrize(
    "leaf",
    [
        "emails.value pr",
        'emails[type eq "work" or not (value pr)]',
        'name[familyName eq "F"]',
        "groups pr",
    ],
)
def test_filters_may_nest_as_deep_as_the_grammar_allows(bench, shape, leaf):
    """SQLite parses with a stack of 100 entries; PostgreSQL's nesting is bounded too."""
    workspace = bench.new_workspace()
    document = {
        "schemas": [USER],
        "userName": "u",
        "name": {"familyName": "F"},
        "emails": [{"value": "a@x", "type": "work"}],
    }
    item = put(document)
    bench.run(bench.storage.load(workspace.id, "User", [item], ChangeOrigin("t", "t", "t")))
    text, deepest = leaf, None
    while (predicate := _bound_or_none(text)) is not None:
        deepest = predicate
        text = DEEP[shape].format(text)
    wanted = [item.stored.id] if matches(deepest, parse(item.stored.document)) else []
    assert find(bench, workspace, predicate=deepest) == (len(wanted), wanted)


@pytest.mark.parametrize("shape", DEEP)
def test_value_paths_may_nest_as_deep_as_the_grammar_allows(bench, shape):
    workspace = bench.new_workspace()
    item = put({"schemas": [USER], "userName": "u", "emails": [{"value": "a@x", "type": "work"}]})
    bench.run(bench.storage.load(workspace.id, "User", [item], ChangeOrigin("t", "t", "t")))
    inside = (
        DEEP[shape]
        .replace("title", "type")
        .replace("nickName", "display")
        .replace("userName", "value")
    )
    for path in ("emails", "groups"):
        text, deepest = "value pr", None
        while (predicate := _bound_or_none(f"{path}[{text}]")) is not None:
            deepest = predicate
            text = inside.format(text)
        wanted = [item.stored.id] if matches(deepest, parse(item.stored.document)) else []
        assert find(bench, workspace, predicate=deepest) == (len(wanted), wanted)


@pytest.mark.parametrize("joiner", [" and ", " or "])
@pytest.mark.parametrize(
    "term",
    [
        'title eq "{}"',
        'emails[type eq "{}"]',
        "not (name[familyName pr])",
        'groups[display co "{}"]',
        "meta[created pr]",
    ],
)
def test_filters_may_have_as_many_terms_as_the_grammar_allows(bench, joiner, term):
    workspace = bench.new_workspace()
    item = put({"schemas": [USER], "userName": "u"})
    bench.run(bench.storage.load(workspace.id, "User", [item], ChangeOrigin("t", "t", "t")))
    texts = [term.format(number) for number in range(200)]

    def bound(number):
        return _bound_or_none(joiner.join(texts[:number]))

    most = bisect_left(range(1, len(texts) + 1), True, key=lambda number: bound(number) is None)
    predicate = bound(most)
    assert most == len(texts) or bound(most + 1) is None
    wanted = [item.stored.id] if matches(predicate, parse(item.stored.document)) else []
    assert find(bench, workspace, predicate=predicate) == (len(wanted), wanted)


def _bound_or_none(text):
    try:
        return _bound(text)
    except ScimError:
        return None


@pytest.fixture(scope="module")
def people(bench):
    workspace = bench.new_workspace()
    puts = [
        put(
            {
                "schemas": [USER],
                "userName": f"u{n:04}%_@example.com",
                "displayName": f"D{n % 7}",
                "title": f"T{n % 3}",
            }
        )
        for n in range(1500)
    ]
    bench.run(bench.storage.load(workspace.id, "User", puts, ChangeOrigin("t", "t", "t")))
    return workspace


def _bound(text):
    return bind(filters.parse(text, Dialect()), USER_TYPE, Dialect())


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ('userName eq "U0001%_@EXAMPLE.COM"', 1),
        ('userName co "%"', 1500),
        ('userName co "1%_"', 150),
        ('userName co "%%"', 0),
        ('userName sw "u000_"', 0),
        ('displayName eq "d3" and userName eq "u0003%_@example.com"', 1),
        ('displayName eq "d3" and userName eq "u0004%_@example.com"', 0),
        ('displayName eq "d3" and title eq "t0"', 72),
        ('displayName eq "d3" or userName eq "u0000%_@example.com"', 215),
        ('userName gt "u1490"', 10),
        ('title pr and not (displayName eq "d0")', 1285),
    ],
)
def test_filters_find_the_expected_number_among_many_users(bench, people, text, total):
    found, ids = find(bench, people, predicate=_bound(text), limit=2000)
    assert (found, len(ids)) == (total, total)


@pytest.mark.parametrize("sort", [None, "userName", "title", "displayName"])
@pytest.mark.parametrize("descending", [False, True])
def test_pages_cover_everything_once(bench, people, sort, descending):
    field = None if sort is None else field_at(USER_TYPE, sort)
    pages = [
        find(bench, people, sort=field, descending=descending, offset=n, limit=333)[1]
        for n in range(0, 1600, 333)
    ]
    ids = [resource_id for page in pages for resource_id in page]
    assert len(ids) == len(set(ids)) == 1500


def test_a_workspace_sees_nothing_of_another(bench, people):
    other = bench.new_workspace()
    for text in ('userName eq "u0001%_@example.com"', 'userName co "u"', 'title eq "t0"'):
        assert find(bench, other, predicate=_bound(text)) == (0, [])
    assert find(bench, other) == (0, [])
    assert find(bench, other, domain="example.com") == (0, [])


def test_documents_without_active_count_as_active(bench):
    """Users stored before muster stored `active` for all of them."""
    workspace = bench.new_workspace()
    ids = {}
    for name, active in (
        ("absent", {}),
        ("active", {"active": True}),
        ("inactive", {"active": False}),
    ):
        item = make_put(
            {"schemas": [USER], "userName": name, **active},
            USER_TYPE,
            _ids(next(_millis)),
            1,
            DATES[0],
            DATES[0],
        )
        bench.run(bench.storage.load(workspace.id, "User", [item], ChangeOrigin("t", "t", "t")))
        ids[item.stored.id] = name
    for text, wanted in {
        "active eq true": ["absent", "active"],
        "active ne true": ["inactive"],
        "active eq false": ["inactive"],
        "active ne false": ["absent", "active"],
        "active pr": ["absent", "active", "inactive"],
        "not (active pr)": [],
        "active eq null": [],
        "not (active eq true)": ["inactive"],
        'active eq true and userName sw "a"': ["absent", "active"],
        'active eq true or userName eq "inactive"': ["absent", "active", "inactive"],
    }.items():
        total, found = find(bench, workspace, predicate=_bound(text))
        assert (total, [ids[resource_id] for resource_id in found]) == (len(wanted), wanted), text
        assert find(bench, workspace, predicate=_bound(text), limit=0)[0] == len(wanted)


@pytest.mark.parametrize("operator", ["co", "sw", "ew"])
def test_empty_string_matches_every_present_value(bench, operator):
    workspace = bench.new_workspace()
    for name, held in (("without", {}), ("with", {"title": "t", "addresses": [{"locality": "l"}]})):
        bench.run(
            bench.storage.load(
                workspace.id,
                "User",
                [put({"schemas": [USER], "userName": name, **held})],
                ChangeOrigin("t", "t", "t"),
            )
        )
    for path in ("title", "addresses.locality"):
        assert find(bench, workspace, predicate=_bound(f'{path} {operator} ""'))[0] == 1
    assert find(bench, workspace, predicate=_bound(f'addresses[locality {operator} ""]'))[0] == 1


def test_filter_compares_each_value_of_a_multi_valued_sub_attribute(bench):
    kind, workspace = everything(), bench.new_workspace()
    item = put(
        {
            "schemas": [USER, EVERYTHING],
            "userName": "u",
            EVERYTHING: {"many": [{"substrings": ["x", "y"]}]},
        },
        resource_type=kind,
    )
    bench.run(bench.storage.load(workspace.id, "User", [item], ChangeOrigin("t", "t", "t")))
    for text, total in (
        ('substrings eq "Y"', 1),
        ('substrings ew "z"', 0),
        ("substrings pr", 1),
        ("subintegers pr", 0),
    ):
        predicate = bind(filters.parse(f"{EVERYTHING}:many.{text}", Dialect()), kind, Dialect())
        assert matches(predicate, parse(item.stored.document)) is bool(total)
        assert find(bench, workspace, kind, predicate=predicate)[0] == total


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", [None, "userName", "displayName"])
@pytest.mark.parametrize("counted", [1, 3, 5, 6, None])
def test_matches_are_counted_up_to_a_number(bench, sort, descending, counted):
    workspace = bench.new_workspace()
    names = [None, "b", None, "a", "c", None]
    documents = [
        {"schemas": [USER], "userName": f"u{n}", "title": "x" if n else "y"}
        | ({} if shown is None else {"displayName": shown})
        for n, shown in enumerate(names)
    ]
    origin = ChangeOrigin("test", "test", "2020-01-01T00:00:00Z")
    bench.run(bench.storage.load(workspace.id, "User", [put(d) for d in documents], origin))
    asked = {
        "predicate": _bound('title eq "x"'),
        "sort": None if sort is None else field_at(USER_TYPE, sort),
        "descending": descending,
    }
    total, found = find(bench, workspace, limit=2, counted=counted, **asked)
    assert (total, found) == (min(counted or 5, 5), find(bench, workspace, limit=2, **asked)[1])
    # A page that is not full tells the number by itself.
    assert find(bench, workspace, limit=9, counted=counted, **asked)[0] == 5


@pytest.mark.parametrize("sharing", [1, 2, 20, 21, 30])
def test_an_indexed_value_finds_all_that_have_it_whether_few_or_many(bench, sharing):
    workspace, other = bench.new_workspace(), bench.new_workspace()
    schemas = [USER]
    puts = [
        put(
            {"schemas": schemas, "userName": f"u{n}", "externalId": "x" if n < sharing else f"y{n}"}
        )
        for n in range(sharing + 3)
    ]
    alone = put({"schemas": schemas, "userName": "u", "externalId": "x"})
    origin = ChangeOrigin("a", "r", "2020-01-01T00:00:00Z")
    bench.run(bench.storage.load(workspace.id, "User", puts, origin))
    bench.run(bench.storage.load(other.id, "User", [alone], origin))
    for limit in (1, 5, 100):
        for text, wanted in (("x", puts[:sharing]), ("X", []), ("none", [])):
            predicate = bind(
                filters.parse(f'externalId eq "{text}"', Dialect()), USER_TYPE, Dialect()
            )
            total, found = find(bench, workspace, predicate=predicate, limit=limit)
            assert total == len(wanted)
            assert found == [one.stored.id for one in wanted][:limit]
