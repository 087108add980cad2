"""Pages over several types are the matches of all types in one order."""

import itertools

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.directory.caller import Caller
from muster.directory.search import merge as merging
from muster.directory.search.merge import merge
from muster.directory.service import Directory
from muster.scim.filter.evaluate import comparable
from muster.scim.schema.model import GROUP, USER, registry
from muster.scim.sorting import sort_field, sort_value
from muster.storage.ids import key_of
from muster.storage.port.errors import PageTooLarge
from muster.storage.port.resources import Query

USERS, GROUPS = registry().types["/Users"], registry().types["/Groups"]
TYPES = (USERS, GROUPS)
WORDS = ("a", "A", "b", "zoë", "ZOË", None)
SORTS = ("displayName", "externalId", "meta.created", "id", "userName", None)
_names = itertools.count()


@pytest.fixture(scope="module")
def mixed(bench):
    """A workspace with users and groups in turn, and its documents."""
    caller, directory = Caller(bench.new_workspace(), "key", "request"), Directory(bench.storage)
    documents = []
    for number, word in enumerate(WORDS * 3):
        named = {} if word is None else {"externalId": word}
        if number % 2:
            body = {"schemas": [GROUP], "displayName": word or "none", **named}
            stored = bench.run(directory.create(caller, GROUPS, body))
        else:
            shown = {} if word is None else {"displayName": word}
            body = {"schemas": [USER], "userName": f"u{next(_names)}", **shown, **named}
            stored = bench.run(directory.create(caller, USERS, body))
        documents.append(orjson.loads(stored.document.replace(b"\x01", b"")))
    return bench, caller.workspace.id, documents


def expected(documents, sort_by, descending):
    """Sort by RFC 7644 section 3.4.2.3: missing values last, or first descending."""

    def value(document):
        resource_type = USERS if USER in document["schemas"] else GROUPS
        field = None if sort_by is None else sort_field(resource_type, sort_by, TYPES)
        found = None if field is None else sort_value(field, document)
        return None if found is None else comparable(field.attribute, found)

    by_key = sorted(documents, key=lambda document: key_of(document["id"]))
    valued = [document for document in by_key if value(document) is not None]
    valued = sorted(valued, key=value, reverse=descending)
    missing = [document for document in by_key if value(document) is None]
    return [d["id"] for d in (missing + valued if descending else valued + missing)]


def queries(workspace, sort_by, descending):
    fields = [None if sort_by is None else sort_field(each, sort_by, TYPES) for each in TYPES]
    return [
        Query(workspace, each, sort=field, descending=descending)
        for each, field in zip(TYPES, fields, strict=True)
    ]


def ids(page):
    return [orjson.loads(found.document.replace(b"\x01", b""))["id"] for found in page.found]


@given(
    st.sampled_from(SORTS), st.booleans(), st.integers(0, 20), st.integers(0, 20), st.integers(1, 5)
)
def test_a_page_is_a_slice_of_all_matches_in_order(
    mixed, sort_by, descending, offset, count, chunk
):
    bench, workspace, documents = mixed
    in_order = expected(documents, sort_by, descending)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(merging, "_CHUNK", chunk)
        given_ones = queries(workspace, sort_by, descending)
        page = bench.run(merge(bench.storage, given_ones, offset, count, (None, None)))
    assert ids(page) == in_order[offset : offset + count]
    assert page.total == len(documents)
    assert (page.following is not None) == (count > 0 and offset + count < len(documents))
    for found in page.found:
        assert found.resource_type.core.id.encode() in found.document


@given(st.sampled_from(SORTS), st.booleans(), st.integers(1, 7))
def test_pages_by_cursor_have_every_match_once(mixed, sort_by, descending, count):
    bench, workspace, documents = mixed
    found, places = [], (None, None)
    while places is not None:
        given_ones = queries(workspace, sort_by, descending)
        page = bench.run(merge(bench.storage, given_ones, 0, count, places))
        assert (page.total is None) == bool(found)
        assert len(page.found) == count or page.following is None
        found += ids(page)
        places = page.following
    assert found == expected(documents, sort_by, descending)


def test_a_page_has_at_most_the_bytes_of_a_page(mixed, monkeypatch):
    bench, workspace, documents = mixed
    given_ones = queries(workspace, None, False)
    whole = bench.run(merge(bench.storage, given_ones, 0, 6, (None, None)))
    size = len(b",".join(found.document for found in whole.found))
    monkeypatch.setattr(bench.storage, "page_bytes", size)
    assert bench.run(merge(bench.storage, given_ones, 0, 6, (None, None))) == whole
    monkeypatch.setattr(bench.storage, "page_bytes", size - 1)
    with pytest.raises(PageTooLarge):
        bench.run(merge(bench.storage, given_ones, 0, 6, (None, None)))
    assert len(bench.run(merge(bench.storage, given_ones, 0, 5, (None, None))).found) == 5
    assert len(documents) > 6
