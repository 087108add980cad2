"""The deprovisioning guard: exact over connections and workers, and its review."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.http.management.test_connections import connect, scim_of
from tests.support import databases
from tests.support.people import error_of, person, replace
from tests.support.server import Server
from tests.support.tenant import Tenant, problem


@pytest.fixture
def guarded(server):
    with Tenant(server) as made:
        made.api.patch("/settings", json={"guardMode": "hold", "guardShare": 10, "guardLeast": 2})
        yield made


def test_writes_over_the_limit_are_held_and_others_continue(guarded):
    users = [guarded.user() for _ in range(6)]
    paths = [f"/Users/{user['id']}" for user in users]
    assert guarded.scim.patch(paths[0], json=replace("active", False)).status_code == 200
    assert guarded.scim.delete(paths[1]).status_code == 204
    assert "2 users lost access within the last hour, and the limit is 2" in error_of(
        guarded.scim.delete(paths[2]), 403
    )
    error_of(guarded.scim.patch(paths[3], json=replace("active", "False")), 403)
    error_of(guarded.scim.put(paths[4], json=person(users[4]["userName"], active=False)), 403)
    assert guarded.scim.patch(paths[5], json=replace("title", "goes on")).status_code == 200
    assert guarded.scim.delete(paths[0]).status_code == 204  # they had lost access before
    assert guarded.scim.get(paths[2]).json() == users[2]
    state = guarded.api.get("/guard").json()
    assert (state["mode"], state["done"], state["allowed"]) == ("hold", 2, 2)
    assert [(write["user"], write["attempted"]) for write in state["held"]] == [
        (users[2]["id"], "delete"), (users[3]["id"], "deactivate"), (users[4]["id"], "deactivate"),
    ]  # fmt: skip
    events = [
        event
        for event in guarded.api.get("/changes").json()["events"]
        if event["type"] == "guard.held"
    ]
    assert [event["resourceId"] for event in events] == [write["user"] for write in state["held"]]
    assert guarded.api.post(f"/guard/{users[2]['id']}/let").status_code == 204
    assert guarded.api.post(f"/guard/{users[3]['id']}/let").status_code == 204
    assert guarded.api.post(f"/guard/{users[4]['id']}/keep").status_code == 204
    error_of(guarded.scim.get(paths[2]), 404)
    assert guarded.scim.get(paths[3]).json()["active"] is False
    assert guarded.scim.get(paths[4]).json() == users[4]
    assert guarded.api.get("/guard").json()["held"] == []
    problem(guarded.api.post(f"/guard/{users[4]['id']}/let"), 404)
    actions = [row["action"] for row in guarded.api.get("/audit?limit=1000").json()["rows"]]
    assert (actions.count("hold"), actions.count("let"), actions.count("keep")) == (3, 2, 1)


@pytest.mark.parametrize("taken", ["deleted", "deactivated", "alternately"])
def test_the_share_is_that_of_the_users_however_they_lose_access(guarded, taken):
    """Deactivated users stay, and must not raise the limit; deleted ones must not lower it."""
    guarded.api.patch("/settings", json={"guardShare": 50, "guardLeast": 0}).raise_for_status()
    users = [guarded.user()["id"] for _ in range(8)]
    answers = []
    for number, user in enumerate(users):
        if taken == "deleted" or (taken == "alternately" and number % 2):
            answer = guarded.scim.delete(f"/Users/{user}")
        else:
            answer = guarded.scim.patch(f"/Users/{user}", json=replace("active", False))
        answers.append(answer.status_code)
        state = guarded.api.get("/guard").json()
        assert (state["done"], state["allowed"]) == (min(number + 1, 4), 4)
    assert [status < 300 for status in answers] == [True] * 4 + [False] * 4


def test_a_held_change_names_the_connection_that_asked_for_it(guarded):
    guarded.api.patch("/settings", json={"guardShare": 0, "guardLeast": 0})
    okta = connect(guarded, name="Okta")
    one, other = guarded.user()["id"], guarded.user()["id"]
    error_of(scim_of(guarded, okta).delete(f"/Users/{one}"), 403)
    error_of(guarded.scim.delete(f"/Users/{other}"), 403)
    held = guarded.api.get("/guard").json()["held"]
    found = {write["user"]: write["connection"] for write in held}
    assert found == {one: okta["id"], other: "default"}
    assert guarded.api.delete(f"/connections/{okta['id']}").status_code == 204
    held = guarded.api.get("/guard").json()["held"]
    assert {write["user"]: write["connection"] for write in held} == found


def test_several_held_changes_are_decided_at_once(guarded):
    guarded.api.patch("/settings", json={"guardShare": 0, "guardLeast": 0})
    users = [guarded.user()["id"] for _ in range(4)]
    for user in users[:3]:
        error_of(guarded.scim.delete(f"/Users/{user}"), 403)
    asked = {"decision": "let", "users": [*users[:2], users[0], users[3]]}
    answer = guarded.api.post("/guard/selection", json=asked).json()
    assert answer["decided"] == 2
    assert [(item["user"], item["status"]) for item in answer["refused"]] == [(users[3], 404)]
    kept = guarded.api.post("/guard/selection", json={"decision": "keep", "users": users[2:3]})
    assert kept.json() == {"decided": 1, "refused": []}
    assert guarded.api.get("/guard").json()["held"] == []
    found = guarded.scim.get("/Users?attributes=id").json()["Resources"]
    assert {user["id"] for user in found} == set(users[2:])
    for wrong in ({"decision": "approve", "users": users}, {"decision": "let", "users": []}):
        problem(guarded.api.post("/guard/selection", json=wrong), 400)


def test_who_has_access_again_is_not_counted(guarded):
    users = [guarded.user() for _ in range(4)]
    paths = [f"/Users/{user['id']}" for user in users]

    def done():
        return guarded.api.get("/guard").json()["done"]

    for _ in range(3):
        assert guarded.scim.patch(paths[0], json=replace("active", False)).status_code == 200
        assert done() == 1
        assert guarded.scim.patch(paths[0], json=replace("active", True)).status_code == 200
        assert done() == 0
    guarded.scim.patch(paths[0], json=replace("active", False)).raise_for_status()
    guarded.scim.delete(paths[1]).raise_for_status()
    error_of(guarded.scim.delete(paths[2]), 403)
    guarded.scim.put(paths[0], json=person(users[0]["userName"])).raise_for_status()
    history = guarded.api.get(f"/history/{users[1]['id']}").json()["items"]
    made = next(change for change in history if change["action"] == "create")
    restored = guarded.api.post(
        f"/history/{users[1]['id']}/restore", json={"change": made["change"]}
    )
    assert restored.status_code == 200, restored.text
    assert done() == 0
    assert guarded.scim.delete(paths[2]).status_code == 204
    assert guarded.scim.delete(paths[3]).status_code == 204
    error_of(guarded.scim.delete(paths[0]), 403)


def test_who_has_access_again_within_one_commit_is_not_counted(guarded):
    """The guard is exact within a batch too: as many go as come back, at once."""
    users = [guarded.user() for _ in range(12)]
    guarded.api.patch("/settings", json={"guardMode": "off"})
    for user in users[:2]:
        guarded.scim.patch(f"/Users/{user['id']}", json=replace("active", False)).raise_for_status()
    guarded.api.patch("/settings", json={"guardMode": "hold", "guardShare": 0, "guardLeast": 3})
    for _ in range(3):
        with ThreadPoolExecutor(12) as pool:
            for active in (False, True):
                asked = [(f"/Users/{user['id']}", replace("active", active)) for user in users[2:5]]
                statuses = list(
                    pool.map(lambda one: guarded.scim.patch(one[0], json=one[1]).status_code, asked)
                )
                assert statuses == [200] * 3
    assert guarded.api.get("/guard").json()["done"] == 0


def test_a_share_of_many(guarded):
    guarded.api.patch("/settings", json={"guardLeast": 0, "guardShare": 50})
    users = [guarded.user() for _ in range(10)]
    statuses = [guarded.scim.delete(f"/Users/{user['id']}").status_code for user in users]
    assert statuses == [204] * 5 + [403] * 5


def test_watched_only_and_off(guarded):
    for mode in ("watch", "off"):
        guarded.api.patch("/settings", json={"guardMode": mode})
        for user in [guarded.user() for _ in range(4)]:
            assert guarded.scim.delete(f"/Users/{user['id']}").status_code == 204
    state = guarded.api.get("/guard").json()
    assert (state["done"], state["held"]) == (4, [])


@pytest.mark.outside
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_never_one_too_many_over_connections_and_workers(tmp_path, engine):
    options = {"MUSTER_DATABASE": databases.migrated_database()} if engine == "postgres" else {}
    with (
        Server(tmp_path, "--workers", "2", MUSTER_RATE_LIMIT="0", **options) as server,
        Tenant(server) as tenant,
    ):
        tenant.api.patch("/settings", json={"guardMode": "hold", "guardShare": 0, "guardLeast": 7})
        users = [tenant.user()["id"] for _ in range(64)]

        def leave(user):
            with tenant.client(tenant.token, "/scim/v2") as client:
                if users.index(user) % 2:
                    return client.delete(f"/Users/{user}").status_code
                return client.patch(f"/Users/{user}", json=replace("active", False)).status_code

        with ThreadPoolExecutor(32) as threads:
            statuses = list(threads.map(leave, users))
        assert sum(status in (200, 204) for status in statuses) == 7
        assert statuses.count(403) == 57
        assert tenant.api.get("/guard").json()["done"] == 7
        assert len(tenant.api.get("/guard").json()["held"]) == 57
