"""Memberships by SQL agree with a plain model, after any sequence of writes."""

import itertools

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muster.directory.documents import parse
from muster.directory.groups.memberships import split, with_groups
from muster.directory.versions import index_of_document, make_put, next_version
from muster.scim.dialects import Dialect
from muster.scim.filter.evaluate import matches
from muster.scim.filter.grammar import And, Compare, Not, Or, Present, ValuePath
from muster.scim.filter.predicate import bind
from muster.scim.schema.model import GROUP, USER, registry
from muster.storage.ids import IdSource
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.errors import NoSuchMember
from muster.storage.port.members import MemberDelta, MemberEdit
from muster.storage.port.resources import Keep, Query, Remove, Write

USER_TYPE, GROUP_TYPE = registry().types["/Users"], registry().types["/Groups"]
TYPES = {"User": USER_TYPE, "Group": GROUP_TYPE}
NOW = "2020-01-01T00:00:00.000Z"
NAMES = ("Sales", "SALES", "straße", "Strasse", "", "a%b")
_ids = IdSource()
_numbers = itertools.count()


@pytest.fixture
def workspace(bench):
    return bench.new_workspace()


class Model:
    """Users and groups in the storage, and the same as plain dicts."""

    def __init__(self, bench, workspace):
        self.bench = bench
        self.workspace = workspace
        self.kinds, self.documents, self.members = {}, {}, {}

    def write(self, kind, resource_id, decide, members=None):
        def touch(standing):
            return next_version(standing, parse(standing.document), GROUP_TYPE, NOW)

        write = Write(
            self.workspace.id,
            kind,
            resource_id,
            decide,
            ChangeOrigin("a", "r", NOW),
            members,
            touch,
        )
        return self.bench.run(self.bench.storage.write(write))

    def make(self, kind, name, members=()):
        resource_type = TYPES[kind]
        document = {"schemas": [USER if kind == "User" else GROUP], "displayName": name}
        if kind == "User":
            document["userName"] = f"u{next(_numbers)}"

        def decide(_):
            return make_put(document, resource_type, _ids(1_600_000_000_000), 1, NOW, NOW)

        edit = MemberEdit(tuple(members)) if members else None
        stored = self.write(kind, None, decide, edit).stored
        self.kinds[stored.id], self.documents[stored.id] = kind, parse(stored.document)
        if kind == "Group":
            self.members[stored.id] = set(members)
        return stored.id

    def edit(self, group_id, edit):
        def decide(now):
            if not now.delta:
                return Keep(now)
            return next_version(now, parse(now.document), GROUP_TYPE, NOW)

        before = set(self.members[group_id])
        outcome = self.write("Group", group_id, decide, edit)
        self.members[group_id] = (set() if edit.clear else before - set(edit.remove)) | set(
            edit.add
        )
        return outcome

    def remove(self, resource_id):
        def decide(now):
            return Remove(now, index_of_document(parse(now.document), TYPES[kind]))

        kind = self.kinds.pop(resource_id)
        self.write(kind, resource_id, decide, MemberEdit(clear=True) if kind == "Group" else None)
        del self.documents[resource_id]
        self.members.pop(resource_id, None)
        for members in self.members.values():
            members.discard(resource_id)

    def rename(self, resource_id, name):
        kind = TYPES[self.kinds[resource_id]]

        def decide(now):
            return next_version(now, {**parse(now.document), "displayName": name}, kind, NOW)

        self.documents[resource_id] = parse(
            self.write(kind.name, resource_id, decide).stored.document
        )

    def called(self, resource_id):
        document = self.documents[resource_id]
        return document.get("displayName") or document.get("userName")

    def elements(self, group_id):
        return [
            {"value": member, "type": self.kinds[member], "display": self.called(member)}
            for member in sorted(self.members[group_id])
        ]

    def groups(self, user_id):
        direct = {group for group, members in self.members.items() if user_id in members}
        reached, found = set(), set(direct)
        while found:
            reached |= found
            found = {
                group for group, members in self.members.items() if members & reached
            } - reached
        return [
            {
                "value": group,
                "type": "direct" if group in direct else "indirect",
                "display": self.called(group),
            }
            for group in sorted(reached)
        ]

    def full(self, resource_id):
        document = dict(self.documents[resource_id])
        if self.kinds[resource_id] == "User":
            return {**document, "groups": self.groups(resource_id)}
        return {**document, "members": self.elements(resource_id)}

    def ids(self, kind):
        return sorted(item for item, its_kind in self.kinds.items() if its_kind == kind)

    def found(self, kind, predicate):
        page = self.bench.run(
            self.bench.storage.find(Query(self.workspace.id, TYPES[kind], predicate, limit=1000))
        )
        assert page.total == page.count
        return [resource_id for resource_id, _ in split(page.documents)]


def _without_references(elements):
    return [{key: value for key, value in element.items() if key != "$ref"} for element in elements]


operators = st.sampled_from(("eq", "ne", "co", "sw", "ew", "gt", "le"))


def _inside(ids, types):
    terms = st.one_of(
        st.builds(Compare, st.just("value"), operators, st.sampled_from(ids)),
        st.builds(Compare, st.just("display"), operators, st.sampled_from((*NAMES, "sal", "u"))),
        st.builds(Compare, st.just("type"), operators, st.sampled_from(types)),
        st.builds(Present, st.sampled_from(("value", "type", "display"))),
    )
    return st.recursive(terms, _joined, max_leaves=3)


def _joined(children):
    several = st.lists(children, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(And, several), st.builds(Or, several), st.builds(Not, children))


def _filters(name, ids, types):
    leaves = st.one_of(
        st.builds(ValuePath, st.just(name), _inside(ids, types)),
        st.builds(
            Compare, st.sampled_from((name, f"{name}.value")), operators, st.sampled_from(ids)
        ),
        st.builds(Compare, st.just(f"{name}.display"), operators, st.sampled_from(NAMES)),
        st.builds(Compare, st.just(f"{name}.type"), operators, st.sampled_from(types)),
        st.builds(Compare, st.just("displayName"), operators, st.sampled_from(NAMES)),
        st.builds(Compare, st.just(name), st.sampled_from(("eq", "ne")), st.none()),
        st.builds(Present, st.sampled_from((name, f"{name}.value", f"{name}.display"))),
    )
    return st.recursive(leaves, _joined, max_leaves=4)


@pytest.mark.slow
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(data=st.data())
def test_memberships_agree_with_a_plain_model(bench, data):
    model = Model(bench, bench.new_workspace())
    for _ in range(data.draw(st.integers(1, 5))):
        model.make("User", data.draw(st.sampled_from(NAMES)))
    for _ in range(data.draw(st.integers(1, 5))):
        there = sorted(model.kinds)
        model.make(
            "Group",
            data.draw(st.sampled_from([name for name in NAMES if name])),
            data.draw(st.sets(st.sampled_from(there), max_size=4)),
        )
    for _ in range(data.draw(st.integers(0, 4))):
        _compare(bench, model)  # what readers keep of groups is good for one state of them
        there = sorted(model.kinds)
        groups = model.ids("Group")
        if data.draw(st.integers(0, 3)) == 0:
            model.rename(
                data.draw(st.sampled_from(there)),
                data.draw(st.sampled_from([name for name in NAMES if name])),
            )
        elif groups and data.draw(st.booleans()):
            some = st.sets(st.sampled_from(there), max_size=3)
            add = data.draw(some)
            edit = MemberEdit(tuple(add), tuple(data.draw(some) - add), data.draw(st.booleans()))
            model.edit(data.draw(st.sampled_from(groups)), edit)
        elif len(there) > 2:
            model.remove(data.draw(st.sampled_from(there)))
    _compare(bench, model)
    gone = _ids(1_600_000_000_000)
    for kind, name, types in (
        ("User", "groups", ("direct", "INDIRECT", "x")),
        ("Group", "members", ("User", "group", "x")),
    ):
        for _ in range(4):
            node = data.draw(_filters(name, (*sorted(model.kinds), gone, "x"), types))
            predicate = bind(node, TYPES[kind], Dialect())
            wanted = [
                resource_id
                for resource_id in model.ids(kind)
                if matches(predicate, model.full(resource_id))
            ]
            assert model.found(kind, predicate) == wanted, node


def _compare(bench, model):
    """Every user's groups and every group's members, as reads and as lists have them."""
    storage, workspace = bench.storage, model.workspace
    memberships = bench.run(storage.memberships(workspace.id, list(model.kinds)))
    for user_id in model.ids("User"):
        stored = bench.run(storage.get(workspace.id, "User", user_id))
        assert memberships.get(user_id) == stored.groups
        shown = orjson.loads(with_groups(stored).document.replace(b"\x01", b""))
        assert _without_references(shown.get("groups", [])) == model.groups(user_id)
        page = bench.run(storage.find(Query(workspace.id, USER_TYPE)))
        assert page.grouped or not any(model.groups(user) for user in model.ids("User"))
    for group_id in model.ids("Group"):
        found = bench.run(storage.members(workspace.id, group_id, -1, 1000))
        assert [
            {"value": m.id, "type": m.type, "display": m.display} for m in found
        ] == model.elements(group_id)
        assert [bench.run(storage.members(workspace.id, group_id, m.key, 1)) for m in found] == [
            [m] for m in found[1:]
        ] + [[]] * bool(found)


def test_adding_a_member_that_does_not_exist_is_refused(bench, workspace):
    model, other = Model(bench, workspace), Model(bench, bench.new_workspace())
    user, stranger = model.make("User", "a"), other.make("User", "b")
    group = model.make("Group", "g", [user])
    for wrong in (
        stranger,
        _ids(1_600_000_000_000),
        "x",
        "",
        user.upper(),
        user[:-1] + ("0" if user[-1] != "0" else "1"),
    ):
        with pytest.raises(NoSuchMember):
            model.edit(group, MemberEdit((user, wrong)))
        with pytest.raises(NoSuchMember):
            model.make("Group", "h", [wrong])
        assert len(bench.run(bench.storage.members(workspace.id, group, -1, 10))) == 1
    assert len(model.found("Group", None)) == 1


def test_delta_lists_exactly_the_changed_members(bench, workspace):
    model = Model(bench, workspace)
    a, b, c = (model.make("User", name) for name in "abc")
    group = model.make("Group", "g", [a])
    model.edit(group, MemberEdit((a, b), (c,)))
    model.edit(group, MemberEdit((a,), (c,)))
    model.edit(group, MemberEdit((c,), (), True))
    model.remove(c)
    model.remove(group)
    changes = bench.run(bench.storage.changes(workspace.id, 0, 100))
    moved = [
        (change.action, change.version, change.members) for change in changes if change.id == group
    ]
    assert moved == [
        ("create", 1, MemberDelta((a,))),
        ("update", 2, MemberDelta((b,))),
        ("update", 3, MemberDelta((c,), (a, b))),
        ("update", 4, MemberDelta((), (c,))),
        ("delete", 4, None),
    ]


def test_group_version_increases_when_a_member_is_renamed_or_deleted(bench, workspace):
    model = Model(bench, workspace)
    user, inner = model.make("User", "a"), model.make("Group", "inner")
    group = model.make("Group", "g", [user, inner])

    def version():
        return bench.run(bench.storage.get(workspace.id, "Group", group)).version

    def rename(kind, resource_id, **attributes):
        def decide(now):
            return next_version(now, {**parse(now.document), **attributes}, TYPES[kind], NOW)

        model.write(kind, resource_id, decide)

    rename("User", user, title="t")
    assert version() == 1
    rename("User", user, displayName="b")
    assert version() == 2
    rename("Group", inner, displayName="other")
    assert version() == 3
    model.remove(user)
    assert version() == 4
    model.remove(inner)
    assert version() == 5
    assert bench.run(bench.storage.members(workspace.id, group, -1, 10)) == []


def test_group_that_contains_itself_can_be_deleted(bench, workspace):
    model = Model(bench, workspace)
    user = model.make("User", "a")
    group = model.make("Group", "g", [user])
    model.edit(group, MemberEdit((group,)))
    assert [item["type"] for item in model.groups(user)] == ["direct"]
    _compare(bench, model)
    model.remove(group)
    _compare(bench, model)
    assert bench.run(bench.storage.get(workspace.id, "User", user)).groups is None


def test_group_with_many_members_is_written_at_once(bench, workspace):
    model = Model(bench, workspace)
    users = [model.make("User", f"u{n}") for n in range(250)]
    group = model.make("Group", "g", users[:150])
    model.edit(group, MemberEdit(tuple(users[100:]), tuple(users[:50])))
    assert len(bench.run(bench.storage.members(workspace.id, group, -1, 1000))) == 200
    model.edit(group, MemberEdit(tuple(users[:10]), (), True))
    _compare(bench, model)
