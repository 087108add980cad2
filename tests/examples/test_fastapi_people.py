"""The FastAPI example: events in any order, forged events, and what it missed."""

import importlib
import sys
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from standardwebhooks import Webhook

from muster.access.permissions import READ
from tests.examples.forgetful import ForgetfulMuster
from tests.support.people import person, replace

pytestmark = pytest.mark.parametrize("server", ["sqlite"], indirect=True)
FOLDER = Path(__file__).parents[2] / "examples" / "fastapi_people"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MODULES = ("app", "catching_up", "people")


@pytest.fixture(scope="module")
def module():
    """The module `app` of the example. The Django example has a module `people` too."""
    others = {name: sys.modules.pop(name) for name in MODULES if name in sys.modules}
    sys.path.insert(0, str(FOLDER))
    try:
        yield importlib.import_module("app")
    finally:
        sys.path.remove(str(FOLDER))
        for name in MODULES:
            sys.modules.pop(name, None)
        sys.modules.update(others)


@pytest.fixture
def start(module, fresh, server, tmp_path, monkeypatch):
    """Start the product; its database lasts from one start to the next."""
    from fastapi.testclient import TestClient

    key = fresh.api.post("/keys", json={"name": "product", "permissions": [READ]}).json()
    monkeypatch.setenv("DIRECTORY_URL", server.url)
    monkeypatch.setenv("DIRECTORY_KEY", key["token"])
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("PEOPLE_DATABASE", str(tmp_path / "people.db"))
    return lambda: TestClient(module.app)


def deliver(product, event, secret=SECRET):
    """Deliver an event as muster does; return the status."""
    body = orjson.dumps({"type": event["type"], "timestamp": event["time"], "data": event})
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", now, body.decode()),
    }
    return product.post("/webhooks/muster", content=body, headers=headers).status_code


def feed(fresh):
    """All events of the workspace."""
    return fresh.api.get("/changes", params={"limit": 500}).json()["items"]


def sign_in(product, user):
    return product.post("/sessions", json={"user_name": user["userName"]})


def test_a_session_ends_when_its_person_leaves(start, fresh):
    user = fresh.scim.post("/Users", json=person()).json()
    with start() as product:
        token = sign_in(product, user).json()["token"]
        mine = {"Authorization": f"Bearer {token}"}
        assert product.get("/me", headers=mine).json()["user_name"] == user["userName"]
        fresh.scim.patch(f"/Users/{user['id']}", json=replace("active", False))
        assert [deliver(product, event) for event in feed(fresh)] == [204] * len(feed(fresh))
        assert product.get("/me", headers=mine).status_code == 401
        assert sign_in(product, user).status_code == 403
        fresh.scim.patch(f"/Users/{user['id']}", json=replace("active", True))
        for event in feed(fresh):
            deliver(product, event)
        assert product.get("/me", headers=mine).status_code == 401
        assert sign_in(product, user).status_code == 201


def test_events_in_reverse_order_leave_the_newest_state(start, fresh):
    with start() as product:
        stays, leaves, gone = (fresh.scim.post("/Users", json=person()).json() for _ in range(3))
        fresh.scim.patch(f"/Users/{leaves['id']}", json=replace("active", False))
        fresh.scim.patch(f"/Users/{gone['id']}", json=replace("title", "Pilot"))
        fresh.scim.delete(f"/Users/{gone['id']}")
        for event in [*reversed(feed(fresh)), *feed(fresh), *reversed(feed(fresh))]:
            assert deliver(product, event) == 204
        assert [sign_in(product, one).status_code for one in (stays, leaves, gone)] == [
            201,
            403,
            403,
        ]


def test_a_forged_event_is_refused(start, fresh):
    with start() as product:
        user = fresh.scim.post("/Users", json=person()).json()
        [event] = feed(fresh)
        assert deliver(product, event, "whsec_" + "A" * 32) == 401
        assert product.post("/webhooks/muster", content=b"{}").status_code == 401
        assert sign_in(product, user).status_code == 403


def test_a_start_catches_up_with_what_was_missed(start, fresh):
    early = fresh.scim.post("/Users", json=person()).json()
    with start() as product:
        assert sign_in(product, early).status_code == 201
    late = fresh.scim.post("/Users", json=person()).json()
    fresh.scim.delete(f"/Users/{early['id']}")
    with start() as product:
        assert sign_in(product, late).status_code == 201
        assert sign_in(product, early).status_code == 403


def test_a_feed_that_does_not_go_back_far_enough_is_replaced_by_the_users(
    start, fresh, module, tmp_path
):
    early = fresh.scim.post("/Users", json=person()).json()
    with start():
        pass
    fresh.scim.delete(f"/Users/{early['id']}")
    late = fresh.scim.post("/Users", json=person()).json()
    muster = ForgetfulMuster(fresh)
    people = module.People(str(tmp_path / "people.db"))  # the file of the product
    sys.modules["catching_up"].catch_up(people, muster)
    assert muster.answers == [410]
    assert [one["user_name"] for one in people.active()] == [late["userName"]]
