"""Connections: their settings, names and owners; and no way around an exclusive owner."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.access.connections import (
    BY_GUARD,
    MAX_CONNECTIONS,
    Connection,
    Connections,
    all_connections,
    barred_from,
)
from muster.access.keys import KeyOptions, Keys
from muster.app import build_services
from muster.config import Settings
from muster.directory.caller import Caller
from muster.imports.store import IMPORTING
from muster.imports.table import read_table
from muster.scim.errors import ScimError
from muster.scim.schema.model import registry
from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import ChangeFilter
from muster.storage.port.engine import Statement
from tests.conftest import DATABASES
from tests.support.in_process import InProcessServer
from tests.support.people import group, name, patch, person
from tests.support.people import replace as replacing
from tests.support.tenant import Tenant, whole

USERS = registry().types["/Users"]


@pytest.fixture
def connections(bench):
    return Connections(bench.storage)


def made(bench, connections, administrator, **given):
    return bench.run(connections.create(administrator, {"name": name("c"), **given}))


def refusal(bench, work):
    with pytest.raises(ScimError) as refused:
        bench.run(work)
    return refused.value


def test_default_exists_without_a_row_and_keeps_its_id_when_it_is_renamed(
    bench, connections, administrator
):
    workspace = administrator.workspace.id
    assert bench.run(connections.get(workspace, "default")) == Connection()
    bench.run(connections.change(administrator, "default", {"name": "Okta"}))
    assert bench.run(connections.chosen(workspace, "OKTA")).id == "default"
    assert bench.run(connections.chosen(workspace, "default")).name == "Okta"


def test_names_are_taken_once_even_by_two_who_create_at_once(bench, connections, administrator):
    async def both():
        given = {"name": "Okta"}
        return await asyncio.gather(
            *(connections.create(administrator, given) for _ in range(2)), return_exceptions=True
        )

    outcomes = bench.run(both())
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Connection", "ScimError"]
    assert len(bench.run(all_connections(bench.storage, administrator.workspace.id))) == 2


def test_a_workspace_has_a_bounded_number_of_connections(bench, connections, administrator):
    for number in range(MAX_CONNECTIONS - 1):
        bench.run(connections.create(administrator, {"name": f"c{number}"}))
    error = refusal(bench, connections.create(administrator, {"name": "one more"}))
    assert (error.status, "at most 100" in error.detail) == (400, True)


OVERRIDES = {
    "strict": True,
    "contract": "cortex",
    "rate_limit": 7,
    "ip_allowlist": ("192.0.2.0/24",),
    "guard_mode": "hold",
    "guard_share": 3,
    "guard_least": 4,
    "automatic_provisioning": False,
    "automatic_deprovisioning": False,
    "record_reads": "2030-01-01T00:00:00.000Z",
}


@pytest.mark.parametrize("setting", OVERRIDES)
def test_a_setting_of_the_connection_wins_and_null_is_that_of_the_workspace(
    bench, connections, administrator, setting
):
    value = OVERRIDES[setting]
    workspace = administrator.workspace
    kept = made(bench, connections, administrator, **{setting: value})
    stored = bench.run(connections.get(workspace.id, kept.id))
    assert getattr(stored.through(workspace), setting) == value
    assert stored.through(workspace) != workspace
    back = bench.run(connections.change(administrator, kept.id, {setting: None}))
    assert back.through(workspace) == workspace
    # A value of the workspace's own applies then.
    assert getattr(back.through(replace(workspace, **{setting: value})), setting) == value


def test_reads_of_every_key_of_the_connection_are_recorded():
    workspace = Workspace(1, "w", "rfc7644", False, "", record_reads="a", record_reads_key="k")
    through = Connection(overrides={"record_reads": "b"}).through(workspace)
    assert (through.record_reads, through.record_reads_key) == ("b", None)


def test_the_guard_does_not_replace_the_pause_of_an_administrator(
    bench, connections, administrator
):
    one = made(bench, connections, administrator)
    bench.run(connections.pause(administrator, one.id, "Migration"))
    kept = bench.run(connections.pause(administrator, one.id, "too many", BY_GUARD))
    assert (kept.pause.by, kept.pause.reason) == ("administrator", "Migration")
    resumed = bench.run(connections.resume(administrator, one.id))
    assert (resumed.pause, resumed.guard_reset) == (None, "")
    bench.run(connections.pause(administrator, one.id, "too many", BY_GUARD))
    assert bench.run(connections.resume(administrator, one.id)).guard_reset


def test_barred_are_the_exclusive_connections_of_others():
    okta, entra = Connection("a", "Okta", ownership="exclusive"), Connection("b", "Entra")
    default = Connection(ownership="exclusive")
    every = [default, okta, entra]
    assert barred_from(okta, every) == {None: "default"}
    assert barred_from(entra, every) == {None: "default", "a": "Okta"}
    assert barred_from(None, every) == {None: "default", "a": "Okta"}


def test_resources_are_counted_by_owner_and_type(bench, connections, administrator):
    services = build_services(bench.storage, Settings())
    workspace = administrator.workspace
    one = made(bench, connections, administrator)
    for connection in (one.id, one.id, None, ""):
        caller = Caller(workspace, "key:x", "r", connection=connection)
        bench.run(services.directory.create(caller, USERS, person()))
    caller = Caller(workspace, "key:x", "r", connection=one.id)
    groups = registry().types["/Groups"]
    stored = bench.run(services.directory.create(caller, groups, group()))
    assert bench.run(connections.owned(workspace.id)) == {
        one.id: {"User": 2, "Group": 1},
        "default": {"User": 1},
        "": {"User": 1},
    }
    assert bench.run(connections.count_owned(workspace.id, one.id)) == 3
    assert bench.run(connections.owner(workspace.id, stored.id)).id == one.id
    other = stored.id[:-1] + ("0" if stored.id[-1] != "0" else "1")  # another id of the same key
    assert refusal(bench, connections.owner(workspace.id, other)).status == 404
    error = refusal(bench, connections.check_barred(workspace.id, {one.id: "Okta", "x": "X"}))
    assert (error.status, "'Okta' owns 3 resources" in error.detail) == (403, True)
    bench.run(connections.check_barred(workspace.id, {"x": "X"}))


def test_a_deleted_connection_leaves_no_key_and_no_credential(bench, connections, administrator):
    services = build_services(bench.storage, Settings())
    one = made(bench, connections, administrator)
    token, _ = bench.run(
        Keys(bench.storage).create(administrator.workspace, "k", KeyOptions(connection=one.id))
    )
    bench.run(services.oauth_clients.create(administrator, one.id, "c", "client_secret"))
    bench.run(connections.delete(administrator, one.id))
    assert bench.run(Keys(bench.storage).check(token)) is None
    assert bench.run(services.oauth_clients.all(administrator.workspace.id, one.id)) == []
    assert refusal(bench, connections.get(administrator.workspace.id, one.id)).status == 404
    assert refusal(bench, connections.delete(administrator, "default")).status == 409


def test_an_import_by_an_administrator_passes_and_is_in_the_audit_log(
    bench, connections, administrator
):
    services = build_services(bench.storage, Settings())
    workspace = administrator.workspace
    okta = made(bench, connections, administrator, name="Okta", ownership="exclusive")
    owned = Caller(workspace, "key:x", "r", connection=okta.id)
    user = bench.run(services.directory.create(owned, USERS, person("ada", title="Old")))
    email = f"{name('admin')}"
    roles = {str(workspace.id): ["Configure Open ID Connector & SCIM"]}
    origin = administrator.origin
    bench.run(services.administrators.create(email, "correct horse battery", roles, origin))
    table = read_table(b"userName,title\nada,New\nbob,Other\n")
    store = services.imports
    begun = bench.run(
        store.create(workspace.id, table, "a.csv", ["userName", "title"], f"admin:{email}", "")
    )
    bench.run(store.begin(begun, replace(begun, state=IMPORTING)))

    async def look():
        await services.importing.look()
        await services.importing.idle()

    bench.run(look())
    changes, _ = bench.run(
        bench.storage.search_changes(workspace.id, None, 10, ChangeFilter(f"admin:{email}", "User"))
    )
    assert {(change.action, change.id == user.id) for change in changes} == {
        ("update", True),
        ("create", False),
    }
    # The import changes no owner, and nobody owns what it creates.
    assert bench.run(connections.owned(workspace.id)) == {okta.id: {"User": 1}, "": {"User": 1}}


# ---- the property


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def service(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("owners")
    options = {"MUSTER_RATE_LIMIT": "0", **DATABASES[request.param]()}
    with InProcessServer(Path(folder), **options) as started:
        yield started


WHO = ("okta", "entra", "plain", "okta admin", "entra admin", "plain admin")
"""The keys that act: of two connections and of `default`, with the permission SCIM or all."""
OPERATIONS = (
    "create",
    "create group",
    "put",
    "patch",
    "delete",
    "bulk",
    "members",
    "undo",
    "restore",
    "wipe",
    "import",
    "ownership",
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(OPERATIONS),
        st.sampled_from(WHO),
        st.integers(0, 7),
        st.integers(0, 7),
    ),
    min_size=6,
    max_size=16,
)


class Merged:
    """A workspace into which two connections and plain keys provision."""

    def __init__(self, server):
        self.tenant = Tenant(server)
        self.server, self.api = server, self.tenant.api
        self.owners = {}  # of every resource there was
        self.passed = self.refused = 0
        self.connections, self.keys, self.managers = {"plain": "default"}, {}, {}
        for who in ("okta", "entra"):
            body = {"name": who, "ownership": "exclusive" if who == "okta" else "shared"}
            self.connections[who] = self.api.post("/connections", json=body).json()["id"]
        for who in WHO:
            connection = self.connections[who.partition(" ")[0]]
            role = {"role": "Admin"} if who.endswith("admin") else {}
            made = self.api.post("/keys", json={"name": who, "connection": connection, **role})
            self.keys[who] = made.json()["id"]
            token = made.json()["token"]
            self.managers[who] = self.tenant.client(token, "/api/v1")
            setattr(self, who.replace(" ", "_"), self.tenant.client(token, "/scim/v2"))

    def snapshot(self):
        """Return the owner and the document of each resource, and the members of each group."""

        async def read(storage):
            found = await storage.find_workspace(self.tenant.name)
            sql = 'SELECT id, type, connection, document, "key" FROM resources WHERE workspace = $1'
            rows = await storage.query(Statement(sql, (found.id,)))
            sql = "SELECT group_key, member_key FROM members WHERE workspace = $1"
            members = await storage.query(Statement(sql, (found.id,)))
            return [tuple(row) for row in rows], {tuple(row) for row in members}

        rows, members = self.server.administer(read)
        ids = {row[4]: row[0] for row in rows}
        found = {}
        for resource_id, kind, owner, document, key in rows:
            inside = {ids[member] for of, member in members if of == key and member in ids}
            found[resource_id] = (kind, owner or ("default" if owner is None else ""), document)
            if kind == "Group":  # its version follows the deletion of members
                names = document.split('"meta"')[0]
                found[resource_id] = (kind, found[resource_id][1], names, inside)
        return found

    def exclusive(self):
        items = self.api.get("/connections").json()["items"]
        return {item["id"] for item in items if item["ownership"] == "exclusive"}

    def step(self, operation, who, target, other):
        before, exclusive = self.snapshot(), self.exclusive()
        own = self.connections[who.partition(" ")[0]]
        by_administrator = operation in ("import", "ownership")
        getattr(self, operation.replace(" ", "_"))(who, sorted(before), target, other)
        after = self.snapshot()
        for resource_id, state in after.items():
            # A restored resource belongs to its owner again.
            assert state[1] == self.owners.setdefault(resource_id, state[1])
        if by_administrator:
            return
        gone = before.keys() - after.keys()
        for resource_id, state in before.items():
            if state[1] not in exclusive or state[1] == own:
                continue
            assert resource_id in after, f"{who} deleted a resource of {state[1]}"
            now = after[resource_id]
            assert now[:3] == state[:3], f"{who} changed a resource of {state[1]}"
            if state[0] == "Group":
                assert state[3] - now[3] <= gone
                assert now[3] <= state[3]
        for resource_id in after.keys() - before.keys():
            owner = after[resource_id][1]
            assert owner == own or owner not in exclusive, f"{who} made a resource of {owner}"

    def scim(self, who):
        return getattr(self, who.replace(" ", "_"))

    def _chosen(self, ids, number):
        return ids[number % len(ids)] if ids else "0193591c-1f00-7b5d-a1b2-3c4d5e6f7081"

    def _path(self, resource_id):
        found = self.api.get(f"/history/{resource_id}", params={"limit": 1})
        items = found.json()["items"] if found.status_code == 200 else []
        return ("Groups" if items and items[0]["resourceType"] == "Group" else "Users"), resource_id

    def create(self, who, ids, target, other):
        assert self.scim(who).post("/Users", json=person()).status_code == 201

    def create_group(self, who, ids, target, other):
        member = {"id": self._chosen(ids, target)}
        self.scim(who).post("/Groups", json=group(name("g"), *([member] if ids else [])))

    def put(self, who, ids, target, other):
        kind, resource_id = self._path(self._chosen(ids, target))
        body = person() if kind == "Users" else group()
        self.count(self.scim(who).put(f"/{kind}/{resource_id}", json=body))

    def patch(self, who, ids, target, other):
        kind, resource_id = self._path(self._chosen(ids, target))
        self.count(
            self.scim(who).patch(f"/{kind}/{resource_id}", json=replacing("displayName", name()))
        )

    def delete(self, who, ids, target, other):
        kind, resource_id = self._path(self._chosen(ids, target))
        self.count(self.scim(who).delete(f"/{kind}/{resource_id}"))

    def count(self, response):
        assert response.status_code < 500
        self.refused += response.status_code == 403
        self.passed += response.status_code < 300

    def bulk(self, who, ids, target, other):
        kind, resource_id = self._path(self._chosen(ids, target))
        second, other_id = self._path(self._chosen(ids, other))
        operations = [
            {"method": "POST", "path": "/Users", "bulkId": "a", "data": person()},
            {
                "method": "PATCH",
                "path": f"/{kind}/{resource_id}",
                "data": replacing("displayName", "x"),
            },
            {"method": "DELETE", "path": f"/{second}/{other_id}"},
        ]
        body = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": operations,
        }
        assert self.scim(who).post("/Bulk", json=body).status_code == 200

    def members(self, who, ids, target, other):
        kind, resource_id = self._path(self._chosen(ids, target))
        member = [{"value": self._chosen(ids, other)}]
        body = patch({"op": "add" if other % 2 else "remove", "path": "members", "value": member})
        self.count(self.scim(who).patch(f"/{kind}/{resource_id}", json=body))

    def undo(self, who, ids, target, other):
        since, until = "2026-01-01T00:00:00Z", "2100-01-01T00:00:00Z"
        period = {"key": self.keys[WHO[target % len(WHO)]], "since": since, "until": until}
        plan = self.managers[who].get("/undo", params=period)
        if plan.status_code != 200:
            return
        steps = [step for step in plan.json()["resources"] if step["action"] != "lost"]
        chosen = whole({"resources": steps[: other + 1]})
        if steps:
            body = {**period, "at": plan.json()["at"], **chosen}
            self.count(self.managers[who].post("/undo", json=body))

    def restore(self, who, ids, target, other):
        known = sorted(self.owners)
        resource_id = self._chosen(known, target)
        history = self.api.get(f"/history/{resource_id}")
        if history.status_code != 200:
            return
        items = [item for item in history.json()["items"] if item["version"]]
        if items:
            body = {"change": items[other % len(items)]["change"]}
            self.count(self.managers[who].post(f"/history/{resource_id}/restore", json=body))

    def wipe(self, who, ids, target, other):
        if target:  # seldom, or nothing is left
            return
        self.count(self.managers[who].post("/wipe", json={"workspace": self.tenant.name}))

    def ownership(self, who, ids, target, other):
        connection = self.connections[("okta", "entra", "plain")[target % 3]]
        body = {"ownership": "exclusive" if other % 2 else "shared"}
        assert self.api.patch(f"/connections/{connection}", json=body).status_code == 200

    def import_(self, who, ids, target, other):
        """An administrator changes a user, as a row of an import does."""

        async def work(storage):
            found = await storage.find_workspace(self.tenant.name)
            services = build_services(storage, Settings())
            admin = Caller(found, "admin:ada@example.com", "import-1")
            users = [one for one in ids if self._path_is_user(one)]
            if users:
                chosen = users[target % len(users)]
                body = replacing("title", name())
                await services.directory.patch(admin, USERS, chosen, body, lambda _: None)

        self.kinds = {one: state[0] for one, state in self.snapshot().items()}
        self.server.administer(work)

    def _path_is_user(self, resource_id):
        return self.kinds.get(resource_id) == "User"


setattr(Merged, "import", Merged.import_)


@pytest.mark.slow
def test_no_sequence_changes_what_another_connection_owns_exclusively(service):
    on_postgres = "postgres" in service.environment["MUSTER_DATABASE"]

    @settings(max_examples=6 if on_postgres else 20)
    @given(STEPS)
    def holds(steps):
        merged = Merged(service)
        with merged.tenant:
            for step in (("create", "okta", 0, 0), ("create group", "okta", 0, 0), *steps):
                merged.step(*step)

    holds()


def test_the_property_meets_refusals_and_successes(service):
    """The sequences would prove nothing if the requests failed for other reasons."""
    merged = Merged(service)
    with merged.tenant:
        merged.step("create", "okta", 0, 0)
        merged.step("patch", "entra", 0, 0)
        merged.step("wipe", "entra admin", 0, 0)
        assert (merged.refused, merged.passed) == (2, 0)
        merged.step("patch", "okta", 0, 0)
        merged.step("delete", "okta", 0, 0)
        merged.step("restore", "entra admin", 0, 0)
        assert (merged.refused, merged.passed) == (3, 2)
        merged.step("restore", "okta admin", 0, 1)
        merged.step("undo", "entra admin", 0, 0)
        assert (merged.refused, merged.passed) == (4, 3)
        merged.step("ownership", "plain", 0, 0)
        merged.step("delete", "entra", 0, 0)
        merged.step("restore", "plain admin", 0, 0)
        assert (merged.refused, merged.passed) == (4, 5)
        assert set(merged.owners.values()) == {merged.connections["okta"]}
