"""Writes: all or nothing, with their look-ups, and with one change each."""

import asyncio
import dataclasses

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muster.directory.documents import parse
from muster.directory.versions import index_of_document, make_put
from muster.scim.dialects import Dialect
from muster.scim.document import read
from muster.scim.filter import grammar as filters
from muster.scim.filter.predicate import bind
from muster.scim.indexing import index_of
from muster.scim.schema.model import USER, registry
from muster.storage.ids import IdSource
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.engine import Statement
from muster.storage.port.errors import Conflict, Held, KeyTaken, StatementRejected
from muster.storage.port.resources import Guard, Keep, Query, Remove, Write
from tests.support.strategies import users

USER_TYPE = registry().types["/Users"]
NOW = "2020-01-01T00:00:00.000Z"
_ids = IdSource()


def write(bench, workspace, resource_id, decide):
    return bench.run(
        bench.storage.write(
            Write(workspace.id, "User", resource_id, decide, ChangeOrigin("actor", "request", NOW))
        )
    )


def made(document, version=1, resource_id=None, before=None, **secrets):
    canonical = read(document, USER_TYPE, Dialect())
    return make_put(
        canonical,
        USER_TYPE,
        resource_id or _ids(1_600_000_000_000),
        version,
        NOW,
        NOW,
        before,
        secrets,
    )


def user(name, **attributes):
    return {"schemas": [USER], "userName": name, **attributes}


def create(bench, workspace, document, **secrets):
    return write(bench, workspace, None, lambda _: made(document, **secrets)).stored


def index(stored):
    return index_of_document(parse(stored.document), USER_TYPE)


def total(bench, workspace, text=None):
    predicate = None if text is None else bind(filters.parse(text, Dialect()), USER_TYPE, Dialect())
    return bench.run(bench.storage.find(Query(workspace.id, USER_TYPE, predicate))).total


@pytest.fixture
def workspace(bench):
    return bench.new_workspace()


def test_written_documents_are_read_back(bench, workspace):
    stored = create(bench, workspace, user("a"))
    assert bench.run(bench.storage.get(workspace.id, "User", stored.id)) == stored
    assert bench.run(bench.storage.get(workspace.id, "Group", stored.id)) is None
    assert bench.run(bench.storage.get(bench.new_workspace().id, "User", stored.id)) is None
    assert bench.run(bench.storage.get(workspace.id, "User", stored.id.upper())) is None


def test_replaced_document_is_found_by_its_new_values_only(bench, workspace):
    stored = create(
        bench, workspace, user("a", displayName="old", emails=[{"value": "a@old.example"}])
    )

    def decide(standing):
        return made(user("b", displayName="new"), standing.version + 1, stored.id, index(standing))

    write(bench, workspace, stored.id, decide)
    assert (
        total(bench, workspace, 'userName eq "a"')
        == total(bench, workspace, 'displayName eq "old"')
        == 0
    )
    assert (
        total(bench, workspace, 'userName eq "b"')
        == total(bench, workspace, 'displayName eq "new"')
        == 1
    )
    assert (
        bench.run(bench.storage.find(Query(workspace.id, USER_TYPE, domain="old.example"))).total
        == 0
    )
    assert total(bench, workspace) == 1


def test_a_conflict_changes_nothing(bench, workspace):
    create(bench, workspace, user("a"))
    other = create(bench, workspace, user("b"))
    with pytest.raises(Conflict) as caught:
        create(bench, workspace, user("A"))
    assert caught.value.attribute == "userName"
    with pytest.raises(Conflict):
        write(bench, workspace, other.id, lambda now: made(user("a"), 2, other.id, index(now)))
    assert bench.run(bench.storage.get(workspace.id, "User", other.id)) == other
    assert total(bench, workspace) == 2
    assert len(bench.run(bench.storage.changes(workspace.id, 0, 100))) == 2


def test_two_workspaces_may_use_the_same_user_name(bench, workspace):
    create(bench, workspace, user("a"))
    create(bench, bench.new_workspace(), user("a"))


def test_deleted_resource_leaves_no_rows(bench, workspace):
    stored = create(bench, workspace, user("a", displayName="d"), password="hash")
    write(bench, workspace, stored.id, lambda now: Remove(now, index(now)))
    assert bench.run(bench.storage.get(workspace.id, "User", stored.id)) is None
    assert bench.run(bench.storage.secret(workspace.id, stored.id, "password")) is None
    assert total(bench, workspace) == total(bench, workspace, 'displayName eq "d"') == 0
    create(bench, workspace, user("a"))


def test_raising_decision_changes_nothing_and_affects_no_other_write(bench, workspace):
    def refuse(_):
        raise ValueError("no")

    async def together():
        writes = [
            Write(
                workspace.id,
                "User",
                None,
                lambda _, n=n: made(user(f"n{n}")),
                ChangeOrigin("a", "r", NOW),
            )
            for n in range(20)
        ]
        writes.insert(7, Write(workspace.id, "User", None, refuse, ChangeOrigin("a", "r", NOW)))
        return await asyncio.gather(
            *(bench.storage.write(w) for w in writes), return_exceptions=True
        )

    results = bench.run(together())
    assert [type(result) for result in results if isinstance(result, Exception)] == [ValueError]
    assert total(bench, workspace) == 20


def test_write_that_fails_half_way_is_undone_alone(bench, workspace):
    kind = dataclasses.replace(USER_TYPE, constrained=("displayName",))

    def put(name, display):
        canonical = read(user(name, displayName=display), kind, Dialect())
        return make_put(canonical, kind, _ids(1_600_000_000_000), 1, NOW, NOW)

    def asked(name, display):
        return Write(
            workspace.id, "User", None, lambda _: put(name, display), ChangeOrigin("a", "r", NOW)
        )

    async def together(writes):
        return await asyncio.gather(
            *(bench.storage.write(write) for write in writes), return_exceptions=True
        )

    bench.run(bench.storage.write(asked("first", "taken")))
    writes = [
        asked(f"n{n}", f"d{n}" if n % 3 else "Taken") for n in range(30)
    ]  # a name is taken before or after the other value
    results = bench.run(together(writes))
    assert [isinstance(result, Conflict) for result in results] == [n % 3 == 0 for n in range(30)]
    assert (
        total(bench, workspace) == len(bench.run(bench.storage.changes(workspace.id, 0, 100))) == 21
    )
    again = bench.run(together([asked(f"n{n}", f"d{n}") for n in range(0, 30, 3)]))
    assert not [result for result in again if isinstance(result, Exception)]
    assert total(bench, workspace) == 31


def test_guard_does_not_count_a_deprovisioning_that_conflicts(bench, workspace):
    guard = Guard(since=NOW, share=0, least=1, holds=True)
    create(bench, workspace, user("taken"))
    one, two = create(bench, workspace, user("one")), create(bench, workspace, user("two"))

    def deactivate(name, stored):
        def decide(now):
            put = made(user(name, active=False), now.version + 1, now.id, index(now))
            return dataclasses.replace(put, deprovisions=True)

        return bench.run(
            bench.storage.write(
                Write(
                    workspace.id,
                    "User",
                    stored.id,
                    decide,
                    ChangeOrigin("a", "r", NOW),
                    guard=guard,
                )
            )
        )

    with pytest.raises(Conflict):
        deactivate("taken", one)
    deactivate("two", two)
    with pytest.raises(Held):
        deactivate("one", one)


def test_every_write_records_a_change_except_keep(bench, workspace):
    stored = create(bench, workspace, user("a"))
    write(bench, workspace, stored.id, Keep)
    write(
        bench,
        workspace,
        stored.id,
        lambda now: made(user("a", title="t"), 2, stored.id, index(now)),
    )
    write(bench, workspace, stored.id, lambda now: Remove(now, index(now)))
    changes = bench.run(bench.storage.changes(workspace.id, 0, 10))
    assert [(change.action, change.version) for change in changes] == [
        ("create", 1),
        ("update", 2),
        ("delete", 2),
    ]
    assert {(change.origin.actor, change.origin.request_id, change.id) for change in changes} == {
        ("actor", "request", stored.id)
    }
    assert [change.sequence for change in changes] == sorted(change.sequence for change in changes)
    assert bench.run(bench.storage.changes(workspace.id, changes[0].sequence, 1)) == [changes[1]]


def test_secrets_are_stored_apart_from_documents(bench, workspace):
    stored = create(bench, workspace, user("a"), password="hash")
    assert b"hash" not in stored.document
    assert bench.run(bench.storage.secret(workspace.id, stored.id, "password")) == "hash"
    write(
        bench,
        workspace,
        stored.id,
        lambda now: made(user("a"), 2, stored.id, index(now), password=None),
    )
    assert bench.run(bench.storage.secret(workspace.id, stored.id, "password")) is None


def test_taken_key_is_decided_again_with_a_new_id(bench, workspace):
    first = create(bench, workspace, user("a"))
    ids = iter([first.id, first.id, _ids(1_600_000_000_001)])
    stored = write(bench, workspace, None, lambda _: made(user("b"), 1, next(ids))).stored
    assert stored.id != first.id
    with pytest.raises(KeyTaken):
        write(bench, workspace, None, lambda _: made(user("c"), 1, first.id))


def test_one_taken_key_among_writes_together_fails_only_its_own_write(bench, workspace):
    first = create(bench, workspace, user("a"))
    ids = iter([first.id])
    decisions = [
        lambda _: made(user("b")),
        lambda _: made(user("c"), 1, next(ids, None)),
        lambda _: made(user("d")),
        lambda _: made(user("e"), 1, first.id),
        lambda _: made(user("f")),
    ]

    async def together():
        origin = ChangeOrigin("actor", "request", NOW)
        writes = [Write(workspace.id, "User", None, decide, origin) for decide in decisions]
        return await asyncio.gather(*map(bench.storage.write, writes), return_exceptions=True)

    answers = bench.run(together())
    assert [isinstance(answer, KeyTaken) for answer in answers] == [False] * 3 + [True, False]
    assert total(bench, workspace) == 5
    found = bench.run(bench.storage.changes(workspace.id, 0, 100))
    assert len(found) == 5


def test_concurrent_changes_of_one_resource_all_take_effect(bench, workspace):
    stored = create(bench, workspace, user("a", title="0"))

    def add_one(standing):
        document = parse(standing.document)
        return made(
            user("a", title=str(int(document["title"]) + 1)),
            standing.version + 1,
            stored.id,
            index(standing),
        )

    async def together():
        write = Write(workspace.id, "User", stored.id, add_one, ChangeOrigin("a", "r", NOW))
        await asyncio.gather(*(bench.storage.write(write) for _ in range(100)))

    bench.run(together())
    standing = bench.run(bench.storage.get(workspace.id, "User", stored.id))
    assert (standing.version, parse(standing.document)["title"]) == (101, "100")


@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(documents=st.lists(users(), min_size=1, max_size=4))
def test_look_ups_match_the_document_after_every_change(bench, documents):
    workspace = bench.new_workspace()
    stored = create(bench, workspace, documents[0])
    for version, document in enumerate(documents[1:], 2):
        write(
            bench,
            workspace,
            stored.id,
            lambda now, d=document, v=version: made(d, v, stored.id, index(now)),
        )
    kept = index(bench.run(bench.storage.get(workspace.id, "User", stored.id)))
    paths = index_of(USER_TYPE).fields
    for entry in kept.lookups | kept.unique:
        if entry.attribute in paths and entry.attribute != "meta.lastModified":
            literal = orjson.dumps(entry.value).decode()
            assert total(bench, workspace, f"{entry.attribute} eq {literal}") == 1
    for name in paths:
        present = any(
            entry.attribute == name and entry.value for entry in kept.lookups | kept.unique
        )
        assert total(bench, workspace, f"{name} pr") == int(present)


def test_a_rejected_statement_fails_its_own_transaction_alone(bench):
    """Writes that are committed together are not undone by the mistake of one of them."""
    workspace = bench.new_workspace().id
    add = (
        "INSERT INTO configuration (workspace, kind, id, body)"
        " VALUES (CAST($1 AS INTEGER), 'k', $2, '{}')"
    )

    def statements(*ids):
        return [Statement(add, (workspace, one)) for one in ids]

    async def together():
        jobs = [["a", "b"], ["c", "a"], ["d"], ["e", "e"], ["f"]]
        writes = [bench.storage.transact(workspace, statements(*ids)) for ids in jobs]
        return await asyncio.gather(*writes, return_exceptions=True)

    ended = bench.run(together())
    assert [isinstance(one, StatementRejected) for one in ended] == [
        False,
        True,
        False,
        True,
        False,
    ]
    found = bench.run(bench.storage.items(workspace, "k"))
    assert [item.id for item in found] == ["a", "b", "d", "f"]
