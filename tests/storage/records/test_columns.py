"""Settings, keys, items and notes become columns, and come back as they were."""

from dataclasses import MISSING, fields, replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.storage.port.accounts import Deletion, KeyRecord, Suspension, Workspace
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.items import Item
from muster.storage.port.resources import UNCACHED_KINDS
from muster.storage.records import columns

_texts = st.text(max_size=8)
_optional = st.none() | _texts
_OF_SETTINGS = {
    bool: st.booleans(),
    int: st.integers(0, 100),
    str: _texts,
    tuple: st.lists(_texts, max_size=3).map(tuple),
    type(None): st.none() | st.integers(0, 100),
}
_SETTINGS = {
    field.name: _OF_SETTINGS[type(field.default)]
    for field in fields(Workspace)
    if field.default is not MISSING
}
_SETTINGS["ip_descriptions"] = st.lists(st.tuples(_texts, _texts), max_size=3).map(tuple)
_SETTINGS["suspended"] = st.none() | st.builds(Suspension, _texts, _texts)
_SETTINGS["deleted"] = st.none() | st.builds(Deletion, _texts, _texts, st.booleans())
workspaces = st.builds(
    Workspace, st.integers(1, 9), _texts, st.just("rfc7644"), st.booleans(), _texts, **_SETTINGS
)
keys = st.builds(
    KeyRecord,
    st.integers(1, 9),
    *(_texts, _texts, st.binary(max_size=4)),
    st.lists(_texts, max_size=3).map(tuple),
    st.none() | st.integers(0, 100),
    *(_texts, _optional, _optional, _optional, _optional, _optional),
)
_items = st.builds(
    Item,
    st.integers(0, 9),
    st.sampled_from(["role", *sorted(UNCACHED_KINDS)]),
    _texts,
    st.dictionaries(_texts, st.none() | _texts | st.integers(0, 9), max_size=3),
)


def row_of(workspace):
    return (
        *(workspace.id, workspace.name, workspace.contract, workspace.strict, workspace.created),
        columns.settings_to_column(workspace),
        columns.details_to_column(workspace),
    )


@given(workspaces)
def test_a_workspace_comes_back_as_it_was(workspace):
    assert columns.workspace_from_row(row_of(workspace)) == workspace
    # SQLite has no booleans
    _, _, _, strict, *_ = row = list(row_of(workspace))
    row[3] = int(strict)
    assert columns.workspace_from_row(row) == workspace


def test_only_settings_that_differ_from_their_defaults_are_stored():
    plain = Workspace(1, "w", "rfc7644", False, "")
    assert columns.settings_to_column(plain) is None
    changed = replace(plain, guard_share=0, automatic_provisioning=False)
    assert orjson.loads(columns.settings_to_column(changed)) == {
        "guard_share": 0,
        "automatic_provisioning": False,
    }


def test_settings_of_a_later_version_are_ignored():
    column = orjson.dumps({"guard_share": 5, "of_tomorrow": [1]}).decode()
    details = orjson.dumps({"display_name": "W", "of_tomorrow": 1}).decode()
    found = columns.workspace_from_row((1, "w", "cortex", 1, "t", column, details))
    assert found == Workspace(1, "w", "cortex", True, "t", guard_share=5, display_name="W")


def test_attributes_that_were_among_the_settings_are_read_from_there():
    column = b'{"require_second_factor":true,"ip_descriptions":[["192.0.2.0/24","Office"]]}'
    found = columns.workspace_from_row((1, "w", "rfc7644", 0, "t", column.decode(), None))
    assert found.require_second_factor
    assert found.ip_descriptions == (("192.0.2.0/24", "Office"),)
    assert columns.settings_to_column(found) is None
    again = replace(found, require_second_factor=False)
    assert columns.workspace_from_row(row_of(again)) == again


@given(keys)
def test_a_key_comes_back_as_it_was(key):
    row = columns.key_row(key)
    assert len(row) == len(columns.KEY.split(","))
    assert columns.key_from_row(row) == key


@given(workspaces, workspaces)
def test_a_workspace_is_unchanged_if_it_is_equal(read, current):
    assert columns.is_unchanged(read, row_of(read))
    assert columns.is_unchanged(read, row_of(current)) == (read == current)


@given(keys, keys, _optional)
def test_a_key_is_unchanged_whenever_it_was_last_used(read, current, used):
    assert columns.is_unchanged(read, columns.key_row(replace(read, last_used=used)))
    same = replace(read, last_used=None) == replace(current, last_used=None)
    assert columns.is_unchanged(read, columns.key_row(current)) == same


@given(_items, _items)
def test_an_item_is_unchanged_if_its_members_are_the_same(read, current):
    def without(body):
        return {name: value for name, value in body.items() if value is not None}

    row = (orjson.dumps(current.body),)
    assert columns.is_unchanged(read, (orjson.dumps(read.body),))
    assert columns.is_unchanged(read, row) == (without(read.body) == without(current.body))


@pytest.mark.parametrize(
    "read",
    [
        Workspace(1, "w", "rfc7644", False, ""),
        KeyRecord(1, "k", "n", b"", (), None, "", None, None, None),
        Item(1, "role", "r", {}),
    ],
)
def test_what_is_gone_has_changed(read):
    assert not columns.is_unchanged(read, None)


def test_an_item_that_did_not_exist_is_unchanged_only_if_it_still_does_not():
    absent = Item(1, "role", "r", None)
    assert columns.is_unchanged(absent, None)
    assert not columns.is_unchanged(absent, (b"{}",))


@given(st.lists(workspaces | keys | _items | _items.map(lambda item: replace(item, body=None))))
def test_only_items_that_no_process_caches_leave_the_epoch_as_it_is(puts):
    cached = [put for put in puts if not isinstance(put, Item) or put.kind == "role"]
    assert columns.increments_epoch(puts) == bool(cached)
    for put in puts:
        assert columns.workspace_of(put) == (
            put.id if isinstance(put, Workspace) else put.workspace
        )


@given(workspaces | keys | _items | _items.map(lambda item: replace(item, body=None)))
def test_a_statement_has_a_value_for_each_of_its_parameters(put):
    for statement in (columns.store_statement(put), columns.read_statement(put)):
        numbers = range(1, len(statement.parameters) + 1)
        assert all(f"${number}" in statement.sql for number in numbers)
        assert f"${len(statement.parameters) + 1}" not in statement.sql


def test_each_kind_of_setting_is_stored_and_read_back(bench):
    """The statements, run on each engine."""
    workspace = replace(bench.new_workspace(), guard_share=3, ip_allowlist=("10.0.0.0/8",))
    key = KeyRecord(workspace.id, "k", "n", b"d", ("A",), 5, "t", None, None, None, "role", "user")
    item = Item(workspace.id, "role", "r", {"a": [1]})
    for put in (workspace, key, item):
        bench.run(bench.storage.transact(workspace.id, [columns.store_statement(put)]))
        (row,) = bench.run(bench.storage.query(columns.read_statement(put)))
        assert columns.is_unchanged(put, row)
    gone = replace(item, body=None)
    bench.run(bench.storage.transact(workspace.id, [columns.store_statement(gone)]))
    assert bench.run(bench.storage.query(columns.read_statement(gone))) == []


def test_a_note_is_a_change_of_version_0():
    origin = ChangeOrigin("admin:a", "r1", "t", "10.0.0.1")
    note = Note(1, origin, "Role", "r", "put", b'{"a":1}')
    assert columns.note_row(note) == (
        *("t", "admin:a", "r1", "Role", "r", "put", 0, '{"a":1}', None, "10.0.0.1"),
        None,
    )
