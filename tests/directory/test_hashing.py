"""Secrets within complex and multi-valued attributes are stored as hashes."""

import asyncio
import re
from dataclasses import replace

import pytest

from muster.base.passwords import verify_password
from muster.directory.caller import Caller
from muster.directory.documents import parse
from muster.directory.service import Directory, Search
from muster.directory.versions import next_version
from muster.scim.errors import ScimError
from muster.scim.schema.custom import extended, read_schema
from muster.scim.schema.model import registry
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.resources import Write
from muster.storage.repair.derived import bound
from tests.support.people import patch, person

VAULT = "urn:example:params:scim:schemas:extension:vault:2.0:User"
NEVER = {"returned": "never"}
SCHEMA = {
    "id": VAULT,
    "name": "Vault",
    "extends": ["User"],
    "attributes": [
        {"name": "codes", "multiValued": True, **NEVER},
        {"name": "level", "type": "integer", "mutability": "writeOnly"},
        {
            "name": "box",
            "type": "complex",
            "subAttributes": [
                {"name": "label"},
                {"name": "pin", **NEVER},
                {"name": "spare", "multiValued": True, "mutability": "writeOnly"},
            ],
        },
        {
            "name": "keys",
            "type": "complex",
            "multiValued": True,
            "subAttributes": [{"name": "value"}, {"name": "type"}, {"name": "pin", **NEVER}],
        },
        {
            "name": "notes",
            "type": "complex",
            "multiValued": True,
            "subAttributes": [{"name": "title"}, {"name": "pin", "mutability": "writeOnly"}],
        },
    ],
}


class Safe:
    """A user with secrets in a workspace's own schema, and its stored hashes."""

    def __init__(self, bench, strict=False, **vault):
        self._bench = bench
        known = extended(
            registry(), [read_schema(SCHEMA, registry())], [], unique_group_names=False
        )
        workspace = replace(bench.new_workspace(), strict=strict)
        self.caller = Caller(workspace, "key", "request", registry=known)
        self.kind = known.types["/Users"]
        self.directory = Directory(bench.storage)
        body = person(**({VAULT: vault} if vault else {}))
        body["schemas"].append(VAULT)
        self.body = body
        self.id = bench.run(self.directory.create(self.caller, self.kind, body)).id

    def shown(self):
        found = self._bench.run(self.directory.get(self.caller, self.kind, self.id)).document
        assert b"s3cret" not in found
        assert b"argon2" not in found
        return found

    def patch(self, *operations):
        done = self.directory.patch(
            self.caller, self.kind, self.id, patch(*operations), lambda _: None
        )
        return self._bench.run(done)

    def put(self, **vault):
        body = {**self.body, VAULT: vault}
        self._bench.run(
            self.directory.replace(self.caller, self.kind, self.id, body, lambda _: None)
        )

    def write(self, secrets):
        """Return a write that keeps the document and stores these secrets."""

        def decide(standing):
            document = parse(standing.document)
            return next_version(standing, document, self.kind, "2030-01-01T00:00:00.000Z", secrets)

        origin = ChangeOrigin("a", "r", "2030-01-01T00:00:00.000Z")
        write = Write(self.caller.workspace.id, "User", self.id, decide, origin)
        return self._bench.storage.write(write)

    def kept(self):
        query = bound(
            "SELECT name, hash FROM secrets WHERE workspace = $1", self.caller.workspace.id
        )
        return [
            (name.removeprefix(f"{VAULT}:"), hashed)
            for name, hashed in self._bench.run(self._bench.storage.query(query))
        ]

    def names(self):
        """Count the hashes stored under each name, without the parts in brackets."""
        self.hashes = self.kept()
        found = {}
        for name, _ in self.hashes:
            plain = re.sub(r"\[[^\]]*\]", "", name)
            found[plain] = found.get(plain, 0) + 1
        return found

    def holds(self, name, secret):
        """Return whether one of the hashes under a name is that of a secret."""
        self.names()
        plain = [hashed for known, hashed in self.hashes if known.startswith(name)]
        return any(self._bench.run(verify_password(hashed, secret)) for hashed in plain)


FULL = {
    "codes": ["s3cret-1", "s3cret-2"],
    "level": 7,
    "box": {"label": "L", "pin": "s3cret-3", "spare": ["s3cret-4", "s3cret-5"]},
    "keys": [{"value": "a", "pin": "s3cret-6"}, {"value": "b", "type": "t", "pin": "s3cret-7"}],
    "notes": [{"title": "n", "pin": "s3cret-8"}],
}
ALL = {"codes": 2, "level": 1, "box.pin": 1, "box.spare": 2, "keys.pin": 2, "notes.pin": 1}


@pytest.mark.parametrize("strict", [False, True])
def test_secrets_of_a_document_are_stored_as_hashes_and_never_returned(bench, strict):
    safe = Safe(bench, strict, **FULL)
    shown = safe.shown()
    for part in (b'"box":{"label":"L"}', b'"notes":[{"title":"n"}]'):
        assert part in shown
    assert b'"keys":[{"value":"a"},{"value":"b","type":"t"}]' in shown
    assert b"codes" not in shown
    assert safe.names() == ALL
    assert safe.holds("level", "7")
    assert safe.holds("keys", "s3cret-6")
    safe.put(
        box={"label": "L"}, keys=[{"value": "A"}, {"value": "b", "type": "t"}], notes=FULL["notes"]
    )
    assert safe.names() == ALL
    safe.put(keys=[{"value": "b", "type": "t", "pin": "s3cret-9"}])
    assert safe.names() == {**{k: n for k, n in ALL.items() if k != "notes.pin"}, "keys.pin": 1}
    assert safe.holds("keys", "s3cret-9")


def test_a_document_of_secrets_alone_stores_them_and_returns_nothing(bench):
    safe = Safe(bench, codes=["s3cret-1"], box={"pin": "s3cret-3"})
    assert VAULT.encode() not in safe.shown()
    assert safe.names() == {"codes": 1, "box.pin": 1}
    safe.patch({"op": "remove", "path": VAULT})
    assert safe.names() == {}


@pytest.mark.parametrize(
    ("operation", "left"),
    [
        ({"op": "add", "path": f"{VAULT}:codes", "value": ["s3cret-x"]}, {"codes": 3}),
        ({"op": "replace", "path": f"{VAULT}:codes", "value": ["s3cret-x"]}, {"codes": 1}),
        ({"op": "remove", "path": f"{VAULT}:codes"}, {"codes": 0}),
        ({"op": "replace", "path": f"{VAULT}:level", "value": None}, {"level": 0}),
        ({"op": "remove", "path": f"{VAULT}:box.pin"}, {"box.pin": 0}),
        (
            {"op": "replace", "path": f"{VAULT}:box", "value": {"pin": None, "label": "M"}},
            {"box.pin": 0},
        ),
        ({"op": "replace", "path": f"{VAULT}:box.pin", "value": "s3cret-x"}, {}),
        ({"op": "replace", "path": f"{VAULT}:box.spare", "value": ["s3cret-x"]}, {"box.spare": 1}),
        ({"op": "remove", "path": f"{VAULT}:box"}, {"box.pin": 0, "box.spare": 0}),
        (
            {"op": "add", "path": f"{VAULT}:keys", "value": [{"value": "a", "pin": "s3cret-x"}]},
            {},
        ),
        (
            {"op": "add", "path": f"{VAULT}:keys", "value": [{"value": "c", "pin": "s3cret-x"}]},
            {"keys.pin": 3},
        ),
        (
            {"op": "replace", "path": f'{VAULT}:keys[value eq "a"].pin', "value": "s3cret-x"},
            {},
        ),
        ({"op": "remove", "path": f'{VAULT}:keys[value eq "a"].pin'}, {"keys.pin": 1}),
        ({"op": "remove", "path": f'{VAULT}:keys[value eq "a"]'}, {"keys.pin": 1}),
        ({"op": "remove", "path": f"{VAULT}:keys"}, {"keys.pin": 0}),
        (
            {"op": "replace", "path": f'{VAULT}:keys[value eq "a"].value', "value": "z"},
            {"keys.pin": 1},
        ),
        ({"op": "add", "path": f"{VAULT}:notes", "value": [{"title": "n", "pin": "s3cret-x"}]}, {}),
        ({"op": "remove", "path": VAULT}, dict.fromkeys(ALL, 0)),
        ({"op": "replace", "path": "title", "value": "T"}, {}),
    ],
)
def test_a_patch_stores_and_forgets_secrets(bench, operation, left):
    safe = Safe(bench, **FULL)
    safe.patch(operation)
    assert safe.names() == {name: n for name, n in {**ALL, **left}.items() if n}
    safe.shown()
    if "s3cret-x" in str(operation):
        name = operation["path"].removeprefix(f"{VAULT}:").partition("[")[0]
        assert safe.holds(name, "s3cret-x")


def test_operations_on_secrets_apply_in_order(bench):
    safe = Safe(bench, **FULL)
    codes = f"{VAULT}:codes"
    safe.patch(
        {"op": "add", "path": codes, "value": ["s3cret-x"]},
        {"op": "remove", "path": codes},
        {"op": "add", "path": codes, "value": ["s3cret-y"]},
        {"op": "remove", "path": f"{VAULT}:box"},
        {"op": "add", "path": f"{VAULT}:box.pin", "value": "s3cret-z"},
    )
    assert safe.names() == {
        name: n for name, n in {**ALL, "codes": 1}.items() if name != "box.spare"
    }
    assert safe.holds("codes", "s3cret-y")
    assert safe.holds("box", "s3cret-z")


@pytest.mark.parametrize(
    ("operation", "scim_type"),
    [
        ({"op": "remove", "path": f'{VAULT}:keys[pin eq "s3cret-6"]'}, "invalidFilter"),
        ({"op": "remove", "path": f'{VAULT}:codes[value eq "s3cret-1"]'}, "invalidFilter"),
        ({"op": "remove", "path": f"{VAULT}:codes", "value": ["s3cret-1"]}, "invalidValue"),
        (
            {"op": "remove", "path": f"{VAULT}:keys", "value": [{"value": "a", "pin": "s3cret-6"}]},
            "invalidValue",
        ),
        ({"op": "add", "path": f"{VAULT}:notes", "value": [{"pin": "s3cret-6"}]}, "invalidValue"),
        ({"op": "remove", "path": f'{VAULT}:keys[value eq "no"].pin'}, "noTarget"),
        (
            {
                "op": "replace",
                "path": f"{VAULT}:codes",
                "value": [f"s3cret-{n}" for n in range(101)],
            },
            "invalidValue",
        ),
    ],
)
def test_a_patch_that_compares_secrets_or_sets_too_many_is_refused(bench, operation, scim_type):
    safe = Safe(bench, **FULL)
    with pytest.raises(ScimError) as caught:
        safe.patch(operation)
    assert caught.value.scim_type == scim_type
    assert "s3cret" not in caught.value.detail
    assert safe.names() == ALL


@pytest.mark.parametrize(
    "path", ["codes", "level", "box.pin", "box.spare", "keys.pin", "notes.pin"]
)
def test_a_search_cannot_filter_or_sort_by_secrets(bench, path):
    safe = Safe(bench, **FULL)
    for search in (
        Search(filter=f"{VAULT}:{path} pr"),
        Search(filter=f'{VAULT}:{path} eq "x"'),
        Search(sort_by=f"{VAULT}:{path}"),
    ):
        with pytest.raises(ScimError) as caught:
            bench.run(safe.directory.find(safe.caller, safe.kind, search))
        assert caught.value.scim_type in ("invalidFilter", "invalidPath")


def test_a_deleted_user_leaves_no_hash(bench):
    safe = Safe(bench, **FULL)
    bench.run(safe.directory.delete(safe.caller, safe.kind, safe.id, lambda _: None))
    assert safe.names() == {}


def test_writes_that_share_a_transaction_keep_their_order(bench):
    """These writes need no hashing, so they reach the storage together and in order."""
    safe = Safe(bench, **FULL)
    writes = []

    async def together():
        for secrets in (
            {"a[1]": "h"},
            {"a": None},
            {"a[2]": "h"},
            {"b": "h"},
            {"b": None},
            {"c": "h"},
        ):
            writes.append(safe.write(secrets))
        await asyncio.gather(*writes)

    bench.run(together())
    assert {name for name, _ in safe.kept() if len(name) < 5} == {"a[2]", "c"}
