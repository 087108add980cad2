"""Kept answers are those that the database would give, whoever writes, and in bounded memory."""

import asyncio
import itertools
import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import muster
from muster.access.keys import KeyOptions
from muster.access.permissions import ADMIN
from muster.http.scim.answer_cache import _MAX_PLACES, _OVERHEAD, MIB, AnswerCache, KeptAnswer
from muster.http.wire.message import Request
from muster.scim.schema.model import registry
from muster.storage.repair.derived import bound
from muster.upkeep.check import check
from tests.support.databases import migrated_file
from tests.support.people import group, patch, person, replace

# ---- the memory


class Storage:
    """A storage whose state the test sets."""

    def __init__(self):
        self.number = 1
        self.follower = None

    def follow(self, follower):
        self.follower = follower
        return lambda: self.number


def place(n, workspace=1):
    return workspace, "https://a.example", f"/scim/v2/Users/{n}", ""


SMALL = 1_000 - _OVERHEAD - len(place(0)[2])


def answer(n, size=SMALL, grouped_in=None):
    return KeptAnswer(f"id{n}", "getUser", b"x" * size, "1", grouped_in, registry())


def cache(size=100_000):
    storage = Storage()
    return AnswerCache(storage, size), storage


def keep(kept, where, one, state):
    """Read an answer twice, so that it is kept."""
    kept.keep(where, one, state)
    kept.keep(where, one, state)


def found(kept, n, workspace=1):
    return kept.find(place(n, workspace), registry()) is not None


def test_memory_is_bounded_and_answers_in_use_stay():
    kept, _ = cache()
    for n in range(10):
        keep(kept, place(n), answer(n), 1)
    for n in range(10, 1_000):
        assert found(kept, 3)
        keep(kept, place(n), answer(n), 1)
        assert kept.size <= 100_000
    assert found(kept, 3)
    assert not found(kept, 4)
    assert 80 <= sum(found(kept, n) for n in range(1_000)) <= 100
    assert (kept.misses, kept.hits > 990) == (2_000, True)


def test_a_walk_through_all_resources_keeps_nearly_nothing():
    kept, _ = cache(4 * MIB)
    for n in range(1_000):
        kept.keep(place(n), answer(n), 1)
    assert sum(found(kept, n) for n in range(1_000)) < 100
    for n in range(1_000):
        kept.keep(place(n), answer(n), 1)
    assert sum(found(kept, n) for n in range(1_000)) > 900


def test_the_memory_that_is_counted_is_about_that_which_is_taken():
    import tracemalloc

    kept, _ = cache(4 * MIB)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for n in range(1_000):
        where = (1, "https://a.example", f"/scim/v2/Users/{n:036}", "")
        keep(
            kept,
            where,
            KeptAnswer(f"{n:036}", "getUser", bytes(1_000), f"{n}", None, registry()),
            1,
        )
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert 0.6 * kept.size < taken < kept.size


def test_a_large_answer_and_many_ways_to_ask_for_one_do_not_displace_the_others():
    kept, _ = cache()
    keep(kept, place(1), answer(1, 5_000), 1)
    assert not found(kept, 1)
    keep(kept, place(2), answer(2), 1)
    for n in range(100, 200):
        keep(kept, place(n), answer(3), 1)
    assert found(kept, 2)
    assert sum(found(kept, n) for n in range(100, 200)) == _MAX_PLACES
    kept.forget("id3")
    assert not any(found(kept, n) for n in range(100, 200))
    assert kept.size == 1_000


def test_an_answer_read_in_a_former_state_is_not_kept():
    kept, storage = cache()
    before = kept.state()
    storage.number += 1
    keep(kept, place(1), answer(1), before)
    assert not found(kept, 1)
    keep(kept, place(1), answer(1), kept.state())
    assert found(kept, 1)


def test_answers_of_groups_are_forgotten_by_workspace():
    kept, _ = cache()
    keep(kept, place(1), answer(1), 1)
    keep(kept, place(2), answer(2, grouped_in=1), 1)
    keep(kept, place(3, 2), answer(3, grouped_in=2), 1)
    kept.forget_grouped(1)
    assert [found(kept, 1), found(kept, 2), found(kept, 3, 2)] == [True, False, True]
    keep(kept, place(2), answer(2, grouped_in=1), 1)
    assert found(kept, 2)
    kept.forget_all()
    assert [found(kept, 1), found(kept, 2), found(kept, 3, 2)] == [False, False, False]


def test_an_answer_holds_only_for_the_schemas_and_the_place_that_it_was_made_with():
    kept, _ = cache()
    keep(kept, place(1), answer(1), 1)
    assert kept.find(place(1), object()) is None
    for other in ((2, *place(1)[1:]), (1, "https://b.example", *place(1)[2:])):
        assert kept.find(other, registry()) is None


def test_nothing_is_kept_without_memory_or_if_the_engine_cannot_tell_of_changes():
    kept = AnswerCache(Storage(), 0)
    assert kept.state() is None
    keep(kept, place(1), answer(1), None)
    assert not found(kept, 1)


# ---- the service


class Asked:
    """An answer as a client sees it, without its request id."""

    def __init__(self, response):
        self.status, self.body = response.status, response.body
        self.headers = {n: v for n, v in response.headers if n != "x-request-id"}

    def shown(self):
        return self.status, self.headers, self.body

    def json(self):
        return json.loads(self.body)


class Twins:
    """Two services on one SQLite file; only one of them keeps answers."""

    def __init__(self, folder):
        database = f"sqlite:///{migrated_file(folder / 'm.db')}"
        self.runner = asyncio.Runner()
        made = (
            muster.Settings(
                database=database,
                rate_limit=0,
                request_log=False,
                metrics=False,  # they take the counts away once a second
                answer_cache_mib=size,
            )
            for size in (64, 0)
        )
        self.keeping, self.plain = map(muster.create_app, made)
        self.names = itertools.count()
        self.run(self.keeping.start())
        self.run(self.plain.start())
        self.new_workspace()

    def run(self, coroutine):
        return self.runner.run(coroutine)

    def new_workspace(self):
        """Begin to use an empty workspace."""

        async def make():
            storage, keys = self.plain.storage, self.plain.keys
            name = f"w{next(self.names)}"
            self.workspace = await storage.add_workspace(name, "rfc7644", False, "2026-01-01")
            self.token = (await keys.create(self.workspace, "k", KeyOptions((ADMIN,))))[0]

        self.run(make())

    def ask(self, app, method, path, body=None, token=None, host="a.example", **headers):
        """Send a request in process. Returns its answer."""
        content = b"" if body is None else json.dumps(body).encode()
        given = {
            "authorization": f"Bearer {token or self.token}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }

        async def read(_):
            return content

        path, _, query = path.partition("?")
        client = "127.0.0.1:50000"
        request = Request(method, path, query, given.get, read, client, "http", host)
        return Asked(self.run(app.service.answer(request)))

    def same(self, path, **options):
        """Ask both services, the keeping one until it gives an answer again.

        Returns:
            The answer, which must be the same.
        """
        *kept, plain = (
            self.ask(app, "GET", path, **options)
            for app in (self.keeping, self.keeping, self.keeping, self.plain)
        )
        assert [one.shown() for one in kept] == [plain.shown()] * 3
        return plain

    def hits(self):
        return self.keeping._answers.hits

    def close(self):
        self.run(self.keeping.close())
        self.run(self.plain.close())
        self.runner.close()


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    made = Twins(tmp_path_factory.mktemp("twins"))
    yield made
    made.close()


@pytest.fixture
def fresh(twins):
    twins.new_workspace()
    return twins


def by_name(value):
    return searched(f'userName eq "{value}"')


def searched(text):
    return f"/scim/v2/Users?filter={quote(text)}"


NAMES = ("anna@x.example", "ben@x.example", "carla@x.example")
GROUPS = ("sales", "staff")


class World:
    """A workspace with a few users and groups that a sequence of steps changes."""

    def __init__(self, twins):
        self.twins = twins
        self.users, self.groups = [], []

    def send(self, app, method, path, body=None):
        return self.twins.ask(app, method, f"/scim/v2{path}", body)

    def step(self, app, what, a, b):
        """Make a change; it may be refused."""
        user = self.users[a % len(self.users)] if self.users else "none"
        team = self.groups[a % len(self.groups)] if self.groups else "none"
        anyone = [*self.users, *self.groups] or ["none"]
        member = {"value": anyone[b % len(anyone)]}
        match what:
            case "create":
                done = self.send(app, "POST", "/Users", person(NAMES[b % len(NAMES)]))
                self.users += [done.json()["id"]] if done.status == 201 else []
            case "title":
                self.send(app, "PATCH", f"/Users/{user}", replace("title", str(b)))
            case "rename":
                body = replace("userName", NAMES[b % len(NAMES)])
                self.send(app, "PATCH", f"/Users/{user}", body)
            case "delete":
                self.send(app, "DELETE", f"/Users/{user}")
            case "restore":
                path = f"/api/v1/history/{user}"
                changes = self.twins.ask(app, "GET", path).json().get("changes", [])
                if changes:
                    at = {"change": changes[b % len(changes)]["id"]}
                    self.twins.ask(app, "POST", f"{path}/restore", at)
            case "group":
                body = group(GROUPS[b % len(GROUPS)], {"id": member["value"]})
                done = self.send(app, "POST", "/Groups", body)
                self.groups += [done.json()["id"]] if done.status == 201 else []
            case "join":
                body = patch({"op": "add", "path": "members", "value": [member]})
                self.send(app, "PATCH", f"/Groups/{team}", body)
            case "leave":
                path = f'members[value eq "{member["value"]}"]'
                body = patch({"op": "remove", "path": path})
                self.send(app, "PATCH", f"/Groups/{team}", body)
            case "call":
                body = replace("displayName", f"{GROUPS[b % len(GROUPS)]}{a}")
                self.send(app, "PATCH", f"/Groups/{team}", body)
            case "dissolve":
                self.send(app, "DELETE", f"/Groups/{team}")
            case "settings":
                self.twins.ask(app, "PATCH", "/api/v1/settings", {"strict": bool(b % 2)})

    def check(self):
        for user in self.users:
            shown = self.twins.same(f"/scim/v2/Users/{user}")
            tag = shown.headers.get("etag", "none")
            self.twins.same(f"/scim/v2/Users/{user}", if_none_match=tag)
            self.twins.same(f"/scim/v2/Users/{user}", host="b.example", accept="application/json")
        for name in NAMES:
            self.twins.same(by_name(name))
            self.twins.same(by_name(name.upper()))


WHAT = (
    *("create", "create", "title", "rename", "delete", "restore"),
    *("group", "group", "join", "join", "leave", "call", "dissolve", "settings"),
)


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from(WHAT), st.integers(0, 5), st.integers(0, 5)),
        min_size=4,
        max_size=14,
    )
)
def test_after_any_writes_a_kept_answer_is_that_of_the_database(twins, steps):
    twins.new_workspace()
    world = World(twins)
    for n in range(2):
        world.step(twins.plain, "create", n, n)
        world.step(twins.plain, "group", n, n)
    before = twins.hits()
    world.check()
    assert twins.hits() > before
    for elsewhere, what, a, b in steps:
        world.step(twins.plain if elsewhere else twins.keeping, what, a, b)
        world.check()


def test_answers_are_kept_by_id_and_by_unique_value(fresh):
    user = fresh.ask(fresh.plain, "POST", "/scim/v2/Users", person("dora@x.example")).json()
    for path in (f"/scim/v2/Users/{user['id']}", by_name("dora@x.example")):
        before = fresh.hits()
        assert fresh.same(path).status == 200
        assert fresh.hits() > before


def test_answers_that_depend_on_more_than_one_resource_are_not_kept(fresh):
    user = fresh.ask(fresh.plain, "POST", "/scim/v2/Users", person("emil@x.example")).json()
    team = fresh.ask(fresh.plain, "POST", "/scim/v2/Groups", group("t", user)).json()
    for path in (
        *("/scim/v2/Users", f"/scim/v2/Groups/{team['id']}", by_name("nobody")),
        *(f"/scim/v2/Users/{user['id']}?attributes=userName", f"/scim/v2/Users/{team['id']}"),
        searched('title eq "x"'),
    ):
        before = fresh.hits()
        fresh.same(path)
        assert fresh.hits() == before, path


def test_me_is_the_user_of_the_key_that_asks(fresh):
    made = [
        fresh.ask(fresh.plain, "POST", "/scim/v2/Users", person(f"me{n}@x.example")).json()
        for n in range(2)
    ]

    async def key(user):
        options = KeyOptions((ADMIN,), user=user["id"])
        return (await fresh.plain.keys.create(fresh.workspace, user["id"], options))[0]

    tokens = [fresh.run(key(user)) for user in made]
    for _ in range(2):
        for token, user in zip(tokens, made, strict=True):
            assert fresh.same("/scim/v2/Me", token=token).json()["id"] == user["id"]
            assert fresh.same(f"/scim/v2/Users/{user['id']}").json()["id"] == user["id"]


def test_another_workspace_gets_no_kept_answer(fresh):
    user = fresh.ask(fresh.plain, "POST", "/scim/v2/Users", person("fay@x.example")).json()
    paths = (f"/scim/v2/Users/{user['id']}", by_name("fay@x.example"))
    for path in paths:
        assert user["id"] in fresh.same(path).body.decode()
    fresh.new_workspace()
    assert [fresh.same(path).status for path in paths] == [404, 200]
    assert fresh.same(paths[1]).json()["totalResults"] == 0


def test_conditions_hold_for_kept_answers(fresh):
    user = fresh.ask(fresh.plain, "POST", "/scim/v2/Users", person("gus@x.example")).json()
    path = f"/scim/v2/Users/{user['id']}"
    assert fresh.same(path).status == 200
    tag = user["meta"]["version"]
    assert fresh.same(path, if_none_match=tag).status == 304
    assert fresh.same(path, if_none_match='W/"7"').status == 200
    assert fresh.same(path, if_match='W/"7"').status == 412
    assert fresh.same(path, if_match=tag).status == 200


def test_a_kept_answer_is_refused_as_any_other(fresh):
    user = fresh.ask(fresh.plain, "POST", "/scim/v2/Users", person("hal@x.example")).json()
    path = f"/scim/v2/Users/{user['id']}"
    created = fresh.ask(
        fresh.plain, "POST", "/api/v1/keys", {"name": "k2", "permissions": [ADMIN]}
    ).json()
    assert fresh.same(path, token=created["token"]).status == 200
    fresh.ask(fresh.plain, "DELETE", f"/api/v1/keys/{created['id']}")
    assert fresh.same(path, token=created["token"]).status == 401
    paused = fresh.ask(fresh.plain, "POST", "/api/v1/connections/default/pause", {"reason": "x"})
    assert paused.status == 200, paused.body
    assert fresh.same(path).status == 503
    fresh.ask(fresh.plain, "POST", "/api/v1/connections/default/resume")
    assert fresh.same(path).status == 200
    allowed = {"ipAllowlist": ["192.0.2.0/24"], "confirmLockout": True}
    done = fresh.ask(fresh.plain, "PATCH", "/api/v1/connections/default", allowed)
    assert done.status == 200, done.body
    assert fresh.ask(fresh.keeping, "GET", path).status == 403


def test_a_repair_is_seen_at_once(fresh):
    user = fresh.ask(fresh.plain, "POST", "/scim/v2/Users", person("ida@x.example")).json()
    team = fresh.ask(fresh.plain, "POST", "/scim/v2/Groups", group("t", user)).json()
    path, storage = f"/scim/v2/Users/{user['id']}", fresh.plain.storage
    assert fresh.same(path).json()["groups"][0]["value"] == team["id"]
    hide = "UPDATE resources SET grouped = NULL WHERE workspace = $1 AND id = $2"
    harm = bound(hide, fresh.workspace.id, user["id"])
    fresh.run(storage.transact(fresh.workspace.id, [harm]))
    fresh.keeping._answers.forget_all()
    assert "groups" not in fresh.same(path).json()
    said = []
    fresh.run(check(storage, True, said.append))
    assert said
    assert "groups" in fresh.same(path).json()
