"""Random writes have the same effect on both engines, whether decided one by one or in batches."""

import asyncio
import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muster.directory.documents import parse
from muster.directory.versions import index_of_document, make_put, next_version
from muster.scim.schema.model import GROUP, USER, registry
from muster.storage.ids import IdSource
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.engine import Statement
from muster.storage.port.members import MemberEdit
from muster.storage.port.resources import Guard, Keep, Query, Remove, Write
from tests.storage.conftest import ENGINES, Bench

pytestmark = pytest.mark.postgres

TYPES = {"User": registry().types["/Users"], "Group": registry().types["/Groups"]}
NOW = "2020-01-01T00:00:00.000Z"
ORIGIN = ChangeOrigin("actor", "request", NOW)
NAMES = ("ada", "ADA", "bob", "zoë", "cy")
_ids = IdSource()

names = st.sampled_from(NAMES)
targets = st.integers(0, 6)
secrets = st.sampled_from(({}, {"password": "one"}, {"password": "two", "pin": "1"}))
forgotten = st.sampled_from(({}, {"password": None}, {"pin": "2", "password": None}))
some = st.lists(targets, max_size=3, unique=True)
none = st.just([])


def operations(members):
    change = st.tuples(st.just("change"), targets, names, names, st.booleans(), secrets | forgotten)
    delete = st.tuples(st.just("delete"), targets)
    edit = st.tuples(st.just("members"), targets, members, members, st.booleans(), st.booleans())
    return st.one_of(
        st.tuples(st.just("create"), st.sampled_from(("User", "Group")), names, secrets, members),
        change,
        change,
        delete,
        delete,
        st.tuples(st.just("restore"), targets, names),
        edit,
        st.tuples(st.sampled_from(("fail", "keep")), targets),
    )


def rounds(ways, members, contained):
    """Draw rounds: how to execute some operations, and the operations.

    Args:
        contained: The first resources that the first groups contain.
    """
    beginning = [
        ("create", "User", "ada", {}, []),
        ("create", "User", "bob", {}, []),
        ("create", "Group", "one", {}, contained[:2]),
        ("create", "Group", "two", {}, contained),
    ]
    group = st.lists(operations(members), min_size=2, max_size=8)
    drawn = st.lists(st.tuples(st.sampled_from(ways), group), min_size=2, max_size=6)
    return drawn.map(lambda some: [("one by one", beginning), *some])


scripts = st.one_of(
    rounds(("together", "together", "one by one", "all or none", "rehearsed"), none, []),
    rounds(("together", "one by one", "rehearsed"), some, [0, 1, 2]),
)


class Refused(Exception):
    """Raised by a decision."""


class Script:
    """Turns drawn operations into the writes for one engine; ids are the same for each."""

    def __init__(self, workspace, ids, kinds, guard):
        self.workspace, self.ids, self.kinds, self.guard = workspace, ids, kinds, guard
        self.used = 0

    def writes(self, group):
        return [getattr(self, name)(*rest) for name, *rest in group]

    def write(self, kind, resource_id, decide, members=None):
        def touch(standing):
            return next_version(standing, parse(standing.document), TYPES["Group"], NOW)

        return Write(
            self.workspace,
            kind,
            resource_id,
            decide,
            ORIGIN,
            members,
            touch,
            self.guard if kind == "User" else None,
        )

    def named(self, target):
        return self.ids[target % self.used], self.kinds[target % self.used]

    def put(self, kind, resource_id, standing, document, hashes):
        """Return the next version of a document, with the flags that the guard counts."""
        before = (
            None if standing is None else index_of_document(parse(standing.document), TYPES[kind])
        )
        version = 1 if standing is None else standing.version + 1
        put = make_put(document, TYPES[kind], resource_id, version, NOW, NOW, before, hashes)
        if standing is None or kind != "User":
            return put
        was, now = parse(standing.document)["active"], document["active"]
        return dataclasses.replace(put, deprovisions=was and not now, reprovisions=now and not was)

    def document(self, kind, name, display, active=True):
        if kind == "Group":
            return {"schemas": [GROUP], "displayName": name}
        return {"schemas": [USER], "userName": name, "displayName": display, "active": active}

    def create(self, kind, name, hashes, members):
        resource_id = self.ids[self.used]
        edit = self.edit(members, (), False, True) if self.used and kind == "Group" else None
        self.used += 1
        document = self.document(kind, name, name)
        return self.write(
            kind, None, lambda _: self.put(kind, resource_id, None, document, hashes), edit
        )

    def change(self, target, name, display, active, hashes):
        resource_id, kind = self.named(target)

        def decide(standing):
            if standing is None:
                raise Refused
            document = self.document(kind, name, display, active)
            return self.put(kind, resource_id, standing, document, hashes)

        return self.write(kind, resource_id, decide)

    def delete(self, target):
        resource_id, kind = self.named(target)

        def decide(standing):
            if standing is None:
                raise Refused
            document = parse(standing.document)
            index = index_of_document(document, TYPES[kind])
            return Remove(standing, index, deprovisions=document.get("active", False))

        return self.write(kind, resource_id, decide)

    def restore(self, target, name):
        resource_id, kind = self.named(target)

        def decide(standing):
            if standing is not None:
                return Keep(standing)
            return self.put(kind, resource_id, None, self.document(kind, name, name), {})

        return self.write(kind, resource_id, decide)

    def members(self, target, add, remove, clear, lenient):
        resource_id, kind = self.named(target)

        def decide(standing):
            if standing is None:
                raise Refused
            if not standing.delta:
                return Keep(standing)
            return next_version(standing, parse(standing.document), TYPES["Group"], NOW)

        if kind != "Group":
            return self.fail(target)
        return self.write(kind, resource_id, decide, self.edit(add, remove, clear, lenient))

    def edit(self, add, remove, clear, lenient):
        ids = [tuple(self.named(each)[0] for each in some) for some in (add, remove)]
        return MemberEdit(*(tuple(dict.fromkeys(each)) for each in ids), clear, lenient)

    def fail(self, target):
        def decide(_):
            raise Refused(target)

        resource_id, kind = self.named(target)
        return self.write(kind, resource_id, decide)

    def keep(self, target):
        resource_id, kind = self.named(target)

        def decide(standing):
            if standing is None:
                raise Refused
            return Keep(standing)

        return self.write(kind, resource_id, decide)


def answer(result):
    """Return a result in a form that compares."""
    if isinstance(result, Exception):
        return type(result).__name__, vars(result), result.args
    stored = result.stored
    return type(result).__name__, stored.id, stored.version, stored.document, stored.groups


async def execute(storage, workspace, how, writes):
    """Execute writes, and return the answers."""
    if how == "together":
        results = await asyncio.gather(*map(storage.write, writes), return_exceptions=True)
    elif how == "all or none":
        try:
            results = await storage.write_all(workspace, writes)
        except Exception as error:
            results = [error]
    else:
        act = storage.rehearse if how == "rehearsed" else storage.write
        results = [
            (await asyncio.gather(act(write), return_exceptions=True))[0] for write in writes
        ]
    return [answer(result) for result in results]


async def state(storage, workspace, ids, kinds):
    """Return everything that reads show of a workspace."""
    chain = await storage.query(
        Statement("SELECT chain FROM changes WHERE workspace = $1 ORDER BY sequence", (workspace,))
    )
    owners = [
        await storage.owner(workspace, kind, attribute, name)
        for kind, attribute in (("User", "userName"), ("Group", "displayName"))
        for name in ("ada", "bob", "zoë", "cy")
    ]
    found = {
        "changes": [
            dataclasses.replace(change, sequence=0)
            for change in await storage.changes(workspace, 0, 10_000, with_before=True)
        ],
        "chain": [bytes(row[0]) for row in chain],
        "owners": owners,
        "deprovisioned": await storage.deprovisioned(workspace, NOW),
        "memberships": await storage.memberships(workspace, ids),
    }
    for table in ("resources", "searchable", "lookups", "unique_values", "members", "secrets"):
        rows = await storage.query(
            Statement(f"SELECT count(*) FROM {table} WHERE workspace = $1", (workspace,))
        )
        found[table] = rows[0][0]
    for kind, resource_type in TYPES.items():
        page = await storage.find(Query(workspace, resource_type))
        found[kind] = (page.total, page.documents)
    for resource_id, kind in zip(ids, kinds, strict=True):
        found[resource_id] = (
            await storage.get(workspace, kind, resource_id),
            await storage.secret(workspace, resource_id, "password"),
            await storage.secret(workspace, resource_id, "pin"),
            await storage.members(workspace, resource_id, -1, 100) if kind == "Group" else None,
        )
    return found


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    made = [Bench(make(tmp_path_factory.mktemp("agree"))) for make in ENGINES.values()]
    yield made
    for bench in made:
        bench.close()


@pytest.mark.slow
@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(drawn=scripts, least=st.sampled_from((1, 2, 100)), unique=st.booleans())
def test_random_writes_have_the_same_effect_on_both_engines(engines, drawn, least, unique):
    ids, kinds = [], []
    for operation in (each for _, group in drawn for each in group):
        if operation[0] == "create":
            ids.append(_ids(1_600_000_000_000))
            kinds.append(operation[1])
    guard = Guard(since=NOW, share=0, least=least, holds=True)
    answers, states = [], []
    for bench in engines:
        workspace = bench.new_workspace()
        if unique:
            changed = dataclasses.replace(workspace, unique_group_names=True)
            bench.run(bench.storage.administer([changed]))
        script = Script(workspace.id, ids, kinds, guard)
        answers.append(
            [
                (
                    bench.run(execute(bench.storage, workspace.id, how, script.writes(group))),
                    bench.run(bench.storage.memberships(workspace.id, ids)),
                )
                for how, group in drawn
            ]
        )
        states.append(bench.run(state(bench.storage, workspace.id, ids, kinds)))
    assert answers[0] == answers[1]
    for part, found in states[0].items():
        assert found == states[1][part], part
