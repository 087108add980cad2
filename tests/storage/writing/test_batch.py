"""Batches: each write sees the ones before it, and only the net effect is stored."""

import dataclasses

import pytest

from muster.directory.documents import parse
from muster.directory.versions import index_of_document, make_put, next_version
from muster.scim.schema.model import GROUP, USER, registry
from muster.storage.ids import IdSource, key_of
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.errors import Conflict, Held, KeyTaken
from muster.storage.port.members import MemberDelta
from muster.storage.port.resources import Guard, Keep, Remove, Write
from muster.storage.writing.batch import Batch, Current, GuardFigures
from muster.storage.writing.steps import Statements, steps

TYPES = {"User": registry().types["/Users"], "Group": registry().types["/Groups"]}
NOW = "2020-01-01T00:00:00.000Z"
GUARD = Guard(since=NOW, share=0, least=1, holds=True)
SQL = Statements(*(each.name for each in dataclasses.fields(Statements)))
_ids = IdSource()


class Database:
    """Facts that a test sets."""

    def __init__(self, users=10, done=0, unique_names=False, **owners):
        self.figures = GuardFigures(users, done)
        self.unique_names = unique_names
        self.owners = owners

    def owner(self, value):
        return self.owners.get(value[2])

    def guard_figures(self, write, guard, returning):
        return self.figures

    def names_are_unique(self):
        return self.unique_names


def touch(group):
    return next_version(group, parse(group.document), TYPES["Group"], NOW)


def write(kind, resource_id, decide, guard=None):
    return Write(1, kind, resource_id, decide, ChangeOrigin("a", "r", NOW), None, touch, guard)


def document(kind, name):
    if kind == "Group":
        return {"schemas": [GROUP], "displayName": name}
    return {"schemas": [USER], "userName": name, "displayName": name}


def created(name, kind="User", resource_id=None, **secrets):
    resource_id = resource_id or _ids(1_600_000_000_000)
    return make_put(document(kind, name), TYPES[kind], resource_id, 1, NOW, NOW, None, secrets)


def creation(put, kind="User"):
    return write(kind, None, lambda _: put)


def renaming(resource_id, name, kind="User"):
    def decide(standing):
        index = index_of_document(parse(standing.document), TYPES[kind])
        version = standing.version + 1
        return make_put(document(kind, name), TYPES[kind], resource_id, version, NOW, NOW, index)

    return write(kind, resource_id, decide)


def deletion(resource_id, kind="User", guard=None):
    def decide(standing):
        index = index_of_document(parse(standing.document), TYPES[kind])
        return Remove(standing, index, deprovisions=guard is not None)

    return write(kind, resource_id, decide, guard)


def standing(put, kind="User", groups=()):
    key = key_of(put.stored.id)
    return {key: Current(key, kind, put.stored, put.display, groups)}


def batch(current=None, facts=None):
    return Batch(1, current or {}, facts or Database())


def stored(decided):
    """Return the rows of each step of a batch, in order."""
    return {name: rows for name, rows, _ in steps(decided, SQL)}


def test_user_created_and_renamed_is_inserted_once_under_the_last_name():
    put = created("ada")
    decided = batch()
    decided.decide(creation(put))
    assert decided.decide(renaming(put.stored.id, "bob")).stored.version == 2
    rows = stored(decided)
    assert [(row[2], row[4]) for row in rows["insert"]] == [(key_of(put.stored.id), 2)]
    assert [row[3] for row in rows["add_unique"]] == ["bob"]
    assert rows["count"] == [(1, "User", 1)]
    assert not {"update", "drop_unique", "drop_lookups", "delete"} & rows.keys()
    assert [change[5] for change in decided.changes] == ["create", "update"]


def test_user_created_and_deleted_leaves_only_changes():
    put = created("ada", password="hash")
    decided = batch()
    decided.decide(creation(put))
    decided.decide(deletion(put.stored.id))
    assert stored(decided) == {}
    assert [change[5] for change in decided.changes] == ["create", "delete"]


def test_value_that_one_user_gives_up_goes_to_another():
    ada, bob = created("ada"), created("bob")
    decided = batch(standing(ada), Database(ada=key_of(ada.stored.id)))
    with pytest.raises(Conflict):
        decided.decide(creation(created("ada")))
    decided.decide(renaming(ada.stored.id, "cy"))
    decided.decide(creation(dataclasses.replace(bob, index=ada.index)))
    names = [name for name, _, _ in steps(decided, SQL)]
    assert names.index("drop_unique") < names.index("add_unique")
    with pytest.raises(Conflict):
        decided.decide(creation(created("cy")))


def test_refused_write_leaves_no_trace():
    ada, bob = created("ada"), created("bob")
    decided = batch(standing(ada) | standing(bob), Database(bob=key_of(bob.stored.id)))
    with pytest.raises(Conflict):
        decided.decide(renaming(ada.stored.id, "bob"))
    assert stored(decided) == {}
    assert decided.changes == []
    assert decided.decide(write("User", ada.stored.id, Keep)).stored == ada.stored


def test_key_of_another_resource_of_the_batch_is_taken():
    put = created("ada")
    decided = batch()
    decided.decide(creation(put))
    with pytest.raises(KeyTaken):
        decided.decide(creation(created("bob", resource_id=put.stored.id)))


def test_id_of_another_type_or_spelling_names_nothing():
    put = created("ada")
    decided = batch(standing(put))
    found = []

    def look(standing):
        found.append(standing)
        return Keep(put.stored)

    for kind, resource_id in (("Group", put.stored.id), ("User", put.stored.id.upper())):
        decided.decide(write(kind, resource_id, look))
    assert found == [None, None]


def test_guard_counts_the_writes_of_the_batch():
    ada, bob = created("ada"), created("bob")
    decided = batch(standing(ada) | standing(bob))
    decided.decide(deletion(ada.stored.id, guard=GUARD))
    with pytest.raises(Held):
        decided.decide(deletion(bob.stored.id, guard=GUARD))
    assert stored(decided)["deprovision"] == [(1, NOW, key_of(ada.stored.id))]
    assert stored(decided)["forget_deprovisioned"] == [(1, NOW)]


def deactivation(resource_id, guard):
    back = renaming(resource_id, f"left {resource_id}")
    return dataclasses.replace(
        back,
        guard=guard,
        decide=lambda now: dataclasses.replace(back.decide(now), deprovisions=True),
    )


@pytest.mark.parametrize("taken", ["deleted", "deactivated", "alternately"])
def test_the_share_of_the_guard_is_that_of_the_users_before(taken):
    """Half of eight are four, whether they are deleted, which takes them from the users, or not."""
    users = [created(f"user{n}") for n in range(8)]
    current = {key: found for put in users for key, found in standing(put).items()}
    decided = batch(current, Database(users=8))
    guard = Guard(since=NOW, share=50, least=0, holds=True)
    writes = [
        (deletion if taken == "deleted" or (taken == "alternately" and n % 2) else deactivation)(
            put.stored.id, guard=guard
        )
        for n, put in enumerate(users)
    ]
    for each in writes[:4]:
        decided.decide(each)
    for each in writes[4:]:
        with pytest.raises(Held) as held:
            decided.decide(each)
        assert (held.value.done, held.value.allowed) == (4, 4)


def test_guard_that_only_watches_needs_no_figures():
    ada = created("ada")
    facts = Database()
    facts.guard_figures = None
    decided = batch(standing(ada), facts)
    decided.decide(deletion(ada.stored.id, guard=dataclasses.replace(GUARD, holds=False)))
    assert stored(decided)["deprovision"] == [(1, NOW, key_of(ada.stored.id))]


def test_user_who_regains_access_in_the_batch_no_longer_counts():
    ada, bob = created("ada"), created("bob")
    facts = Database(done=1)
    facts.figures = dataclasses.replace(facts.figures, returning={key_of(ada.stored.id)})
    decided = batch(standing(ada) | standing(bob), facts)
    with pytest.raises(Held):
        decided.decide(deletion(bob.stored.id, guard=GUARD))
    back = renaming(ada.stored.id, "ada")
    decided.decide(
        dataclasses.replace(
            back, decide=lambda now: dataclasses.replace(back.decide(now), reprovisions=True)
        )
    )
    decided.decide(deletion(bob.stored.id, guard=GUARD))
    assert stored(decided)["reprovision"] == [(1, key_of(ada.stored.id))]


def test_last_hash_of_a_secret_is_stored():
    put = created("ada", password="one")
    decided = batch()
    decided.decide(creation(put))
    rename = renaming(put.stored.id, "ada")
    decided.decide(
        dataclasses.replace(
            rename,
            decide=lambda now: dataclasses.replace(
                rename.decide(now), secrets={"password": "two", "pin": None}
            ),
        )
    )
    rows = stored(decided)
    assert rows["keep_secrets"] == [(1, key_of(put.stored.id), "password", "two")]
    assert rows["forget_secrets"] == [(1, key_of(put.stored.id), "pin")]


def test_groups_of_a_renamed_and_of_a_deleted_user_are_touched():
    group = created("g", "Group")
    ada, bob = created("ada"), created("bob")
    groups = [group.stored.id]
    decided = batch(standing(ada, groups=groups) | standing(bob, groups=groups))
    decided.decide(renaming(ada.stored.id, "cy"))
    decided.decide(deletion(bob.stored.id))
    assert decided.deleted_members() == [key_of(bob.stored.id)]
    assert decided.touched_groups() == [group.stored.id] * 2
    touching = decided.touching(standing(group, "Group"))
    assert [delta for _, delta in touching] == [None, MemberDelta(removed=(bob.stored.id,))]
    touched = batch(standing(group, "Group"))
    for each, delta in touching:
        touched.decide(each, delta)
    assert [row[:3] for row in stored(touched)["update"]] == [(1, key_of(group.stored.id), 3)]
    assert [change[5:7] for change in touched.changes] == [("update", 2), ("update", 3)]
    assert decided.touching({}) == []


def test_renamed_and_deleted_groups_are_named():
    one, two = created("one", "Group"), created("two", "Group")
    decided = batch(standing(one, "Group") | standing(two, "Group"))
    decided.decide(renaming(one.stored.id, "three", "Group"))
    decided.decide(deletion(two.stored.id, "Group"))
    assert decided.renamed_groups() == [one.stored.id, two.stored.id]
    assert decided.deleted_groups() == [key_of(two.stored.id)]
    assert decided.deleted_members() == []


@pytest.mark.parametrize("unique", [True, False])
def test_group_names_are_unique_if_the_workspace_demands_it(unique):
    decided = batch(facts=Database(unique_names=unique))
    decided.decide(creation(created("g", "Group"), "Group"))
    if unique:
        with pytest.raises(Conflict):
            decided.decide(creation(created("G", "Group"), "Group"))
    else:
        decided.decide(creation(created("G", "Group"), "Group"))
    assert ("add_unique" in stored(decided)) is unique
