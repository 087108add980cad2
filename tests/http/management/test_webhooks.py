"""Webhooks over HTTP: created, changed, delivered and redelivered."""

import contextlib
import http.server
import json
import threading

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from muster.events.webhooks import deliverer
from muster.events.webhooks.endpoints import audited_url
from tests.support.people import group, person, replace
from tests.support.tenant import Tenant, problem
from tests.support.waiting import until


class Endpoint(http.server.ThreadingHTTPServer):
    """A receiver of webhooks; it answers the next `refuse` requests 500."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.got = []
        self.refuse = 0
        self.url = f"http://127.0.0.1:{self.server_port}/hook"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def wait(self, number):
        until(lambda: len(self.got) >= number)
        return self.got


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        refused = self.server.refuse > 0
        self.server.refuse -= refused
        if not refused:
            self.server.got.append((dict(self.headers), body))
        self.send_response(500 if refused else 204)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def endpoint():
    with _served() as made:
        yield made


@pytest.fixture
def control():
    """An endpoint that has events, if and when another has none."""
    with _served() as made:
        yield made


@contextlib.contextmanager
def _served():
    made = Endpoint()
    yield made
    made.shutdown()
    made.server_close()


def kept(tenant, hook, number):
    """Wait for a number of deliveries: they are stored after the receiver's answer."""
    path = f"/webhooks/{hook['id']}/deliveries"
    assert until(lambda: len(tenant.api.get(path).json()["items"]) >= number)
    return tenant.api.get(path).json()["items"]


def test_changes_arrive_in_order_and_signed(fresh, endpoint):
    before = fresh.user()
    made = fresh.api.post("/webhooks", json={"url": endpoint.url, "description": "ours"})
    assert made.status_code == 201, made.text
    hook = made.json()
    assert hook["secret"].startswith("whsec_")
    assert (hook["enabled"], hook["events"]) == (True, ["*"])
    user = fresh.user()
    fresh.scim.patch(f"/Users/{user['id']}", json=replace("active", False))
    fresh.scim.post("/Groups", json=group(None, user))
    fresh.scim.delete(f"/Users/{user['id']}")
    got = endpoint.wait(7)
    messages = [Webhook(hook["secret"]).verify(body, headers) for headers, body in got]
    assert [message["type"] for message in messages] == [
        "user.created", "user.updated", "user.deactivated", "group.created", "group.member_added", "user.deleted",
        "group.member_removed",
    ]  # fmt: skip
    assert messages[0]["data"]["resource"]["userName"] == user["userName"]
    assert before["id"] not in str(messages)
    assert len({headers["webhook-id"] for headers, _ in got}) == 7
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 43 + "=").verify(got[0][1], got[0][0])
    shown = fresh.api.get(f"/webhooks/{hook['id']}").json()
    assert "secret" not in shown
    deliveries = kept(fresh, hook, 7)
    assert [(item["status"], item["attempt"]) for item in deliveries] == [(204, 1)] * 7
    assert hook["secret"] not in fresh.api.get("/audit").text
    assert hook["secret"].removeprefix("whsec_").encode() not in fresh.server.stored()


def test_an_undelivered_event_is_sent_again_before_later_ones(fresh, endpoint, monkeypatch):
    monkeypatch.setattr(deliverer, "PAUSES", (0.1,))  # of the service in this process
    endpoint.refuse = 1
    hook = fresh.api.post("/webhooks", json={"url": endpoint.url}).json()
    users = [fresh.user()["id"] for _ in range(3)]
    got = endpoint.wait(3)
    assert [json.loads(body)["data"]["resourceId"] for _, body in got] == users
    deliveries = kept(fresh, hook, 4)
    assert [(item["status"], item["attempt"]) for item in reversed(deliveries)] == [
        (500, 1),
        (204, 2),
        (204, 1),
        (204, 1),
    ]


def test_only_the_events_that_are_wanted(fresh, endpoint, control):
    hook = fresh.api.post(
        "/webhooks", json={"url": endpoint.url, "events": ["group.*", "*.deleted"]}
    ).json()
    user = fresh.user()
    fresh.scim.post("/Groups", json=group())
    fresh.scim.delete(f"/Users/{user['id']}")
    assert [json.loads(body)["type"] for _, body in endpoint.wait(2)] == [
        "group.created",
        "user.deleted",
    ]
    changed = fresh.api.patch(f"/webhooks/{hook['id']}", json={"enabled": False}).json()
    assert (changed["enabled"], changed["disabled"]) == (False, "by an administrator")
    fresh.api.post("/webhooks", json={"url": control.url, "events": ["user.created"]})
    fresh.user()
    control.wait(1)  # now the change is known
    fresh.scim.post("/Groups", json=group())
    fresh.user()
    assert len(control.wait(2)) == 2
    assert len(endpoint.got) == 2
    fresh.api.patch(f"/webhooks/{hook['id']}", json={"enabled": True})
    assert len(endpoint.wait(3)) == 3


def test_one_event_or_all_from_a_place_are_sent_again(fresh, endpoint):
    hook = fresh.api.post("/webhooks", json={"url": endpoint.url}).json()
    start = fresh.api.get("/changes", params={"cursor": "end"}).json()["cursor"]
    users = [fresh.user()["id"] for _ in range(2)]
    first = endpoint.wait(2)[0]
    path = f"/webhooks/{hook['id']}/redeliver"
    event = fresh.api.get("/changes", params={"cursor": start}).json()["events"][0]
    again = fresh.api.post(path, json={"event": event["id"]}).json()
    assert (again["status"], again["type"]) == (204, "user.created")
    assert endpoint.got[2][0]["webhook-id"] == first[0]["webhook-id"]
    assert fresh.api.post(path, json={"from": start}).status_code == 202
    assert [json.loads(body)["data"]["resourceId"] for _, body in endpoint.wait(5)[3:]] == users
    for wrong in (
        {},
        {"event": "x"},
        {"from": "x"},
        {"event": event["id"].split(".")[0] + ".9"},
        {"event": 7},
    ):
        problem(fresh.api.post(path, json=wrong), 404 if ".9" in str(wrong) else 400)
    turned = fresh.api.post(f"/webhooks/{hook['id']}/rotate").json()
    assert turned["secret"] != hook["secret"]
    fresh.scim.post("/Users", json=person())
    headers, body = endpoint.wait(6)[5]
    Webhook(turned["secret"]).verify(body, headers)
    assert fresh.api.delete(f"/webhooks/{hook['id']}").status_code == 204
    problem(fresh.api.get(f"/webhooks/{hook['id']}"), 404)


@pytest.mark.parametrize(
    "wrong",
    [{}, {"url": "ftp://x"}, {"url": "/x"}, {"url": "http://u:p@x/"}, {"url": "http://x y/"}, {"url": 7}, {"url": "http://[/"},
     {"url": "http://x", "events": []}, {"url": "http://x", "events": ["User"]}, {"url": "http://x", "secret": "mine"},
     {"url": "http://x", "enabled": "yes"}],
)  # fmt: skip
def test_a_webhook_that_cannot_be(fresh, wrong):
    problem(fresh.api.post("/webhooks", json=wrong), 400)
    assert fresh.api.get("/webhooks").json()["items"] == []


def test_a_webhook_is_one_workspaces(server, fresh, endpoint):
    hook = fresh.api.post("/webhooks", json={"url": endpoint.url}).json()
    with Tenant(server) as other:
        for method, path in (
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("POST", "/rotate"),
            ("GET", "/deliveries"),
        ):
            problem(other.api.request(method, f"/webhooks/{hook['id']}{path}", json={}), 404)
        other.user()
    fresh.user()
    assert len(endpoint.wait(1)) == 1


def test_two_holds_of_one_user_have_ids_of_their_own(fresh, endpoint):
    fresh.api.patch("/settings", json={"guardMode": "hold", "guardShare": 0, "guardLeast": 0})
    user = fresh.user()
    fresh.api.post("/webhooks", json={"url": endpoint.url, "events": ["guard.held"]})
    for _ in range(2):
        assert fresh.scim.delete(f"/Users/{user['id']}").status_code == 403
        assert fresh.api.post(f"/guard/{user['id']}/keep").status_code == 204
    got = endpoint.wait(2)
    assert [json.loads(body)["type"] for _, body in got] == ["guard.held"] * 2
    assert len({headers["webhook-id"] for headers, _ in got}) == 2


EVENTS = [
    "user.created", "user.updated", "user.deleted", "user.deactivated", "user.reactivated",
    "group.created", "group.updated", "group.deleted", "group.member_added", "group.member_removed", "guard.held",
]  # fmt: skip


@pytest.mark.parametrize(
    "known", [*EVENTS, "user.*", "group.*", "guard.*", "*.deleted", "*.held", "*"]
)
def test_event_types_that_exist(fresh, endpoint, known):
    made = fresh.api.post(
        "/webhooks", json={"url": endpoint.url, "events": ["user.created", known]}
    )
    assert made.status_code == 201, made.text


@pytest.mark.parametrize(
    "unknown",
    [
        "user.creatd", "users.created", "User.created", "user", "user.member_added", "group.deactivated", "guard.created",
        "badge.created", "badge.*", "*.nothing", "user.*.*", "", " ", "**",
    ],
)  # fmt: skip
def test_event_types_that_do_not_exist(fresh, endpoint, unknown):
    body = {"url": endpoint.url, "events": ["user.created", unknown]}
    detail = problem(fresh.api.post("/webhooks", json=body), 400)
    assert repr(unknown) in detail
    assert "guard.held" in detail
    made = fresh.api.post("/webhooks", json={"url": endpoint.url}).json()
    problem(fresh.api.patch(f"/webhooks/{made['id']}", json={"events": [unknown]}), 400)
    assert fresh.api.get(f"/webhooks/{made['id']}").json()["events"] == ["*"]


def test_events_of_a_resource_type_of_ones_own(fresh, endpoint):
    schema = {
        "id": "urn:example:params:scim:schemas:badge:2.0:Badge",
        "name": "Badge",
        "attributes": [{"name": "number"}],
    }
    assert fresh.api.post("/schemas", json=schema).status_code == 201
    kind = {"name": "Badge", "endpoint": "/Badges", "schema": schema["id"]}
    made = fresh.api.post("/resource-types", json=kind)
    assert made.status_code == 201, made.text
    assert (
        fresh.api.post(
            "/webhooks", json={"url": endpoint.url, "events": ["badge.created", "badge.*"]}
        ).status_code
        == 201
    )


def test_a_receiver_that_answers_500_is_shown_as_failing(fresh, endpoint):
    endpoint.refuse = 1000
    hook = fresh.api.post("/webhooks", json={"url": endpoint.url}).json()
    assert fresh.api.get("/webhooks").json()["items"][0]["failing"] is False
    fresh.user()
    path = f"/webhooks/{hook['id']}"
    assert until(lambda: fresh.api.get(path).json()["failing"])
    shown = fresh.api.get(path).json()
    assert (shown["upToDate"], shown["failure"]) == (False, "status 500")
    assert shown["failingSince"] < shown["nextAttempt"]
    assert fresh.api.get("/webhooks").json()["items"][0]["failing"] is True
    endpoint.refuse = 0
    fresh.api.patch(path, json={"enabled": False})
    assert fresh.api.get(path).json()["failing"] is False
    fresh.api.patch(path, json={"enabled": True})
    endpoint.wait(1)
    assert until(lambda: fresh.api.get(path).json()["upToDate"])
    assert fresh.api.get(path).json()["failing"] is False


def test_the_audit_log_has_the_url_of_a_webhook_without_its_secrets(fresh):
    url = "https://hooks.example.com:8443/in?token=t0psecret#s3cret"
    made = fresh.api.post("/webhooks", json={"url": url}).json()
    path = f"/webhooks/{made['id']}"
    assert fresh.api.patch(path, json={"enabled": False}).status_code == 200
    assert fresh.api.post(f"{path}/rotate").status_code == 200
    assert fresh.api.delete(path).status_code == 204
    rows = [row for row in fresh.api.get("/audit").json()["rows"] if row["type"] == "Webhook"]
    assert [row["action"] for row in rows] == ["create", "update", "rotate", "delete"]
    assert {row["document"]["url"] for row in rows} == {"https://hooks.example.com:8443/in"}
    assert audited_url("http://user:secret@[::1]:80/a;b?c") == "http://[::1]:80/a;b"


def test_a_test_event_is_signed_logged_and_audited(fresh, endpoint):
    hook = fresh.api.post("/webhooks", json={"url": endpoint.url, "events": ["group.*"]}).json()
    sent = fresh.api.post(f"/webhooks/{hook['id']}/test").json()
    assert (sent["type"], sent["status"], sent["error"]) == ("webhook.test", 204, None)
    headers, body = endpoint.wait(1)[0]
    message = Webhook(hook["secret"]).verify(body, headers)
    assert (message["type"], message["data"]["webhook"]) == ("webhook.test", hook["id"])
    assert [item["type"] for item in kept(fresh, hook, 1)] == ["webhook.test"]
    endpoint.refuse = 1
    assert fresh.api.post(f"/webhooks/{hook['id']}/test").json()["status"] == 500
    audited = fresh.api.get("/audit", params={"type": "Webhook", "action": "test"}).json()["items"]
    assert [item["resource"] for item in audited] == [hook["id"]] * 2


def test_the_old_secret_signs_too_during_the_overlap(fresh, endpoint):
    hook = fresh.api.post("/webhooks", json={"url": endpoint.url}).json()
    path = f"/webhooks/{hook['id']}"
    new = fresh.api.post(f"{path}/rotate", json={"overlapSeconds": 86400}).json()["secret"]
    fresh.api.post(f"{path}/test")
    headers, body = endpoint.wait(1)[0]
    for secret in (hook["secret"], new):
        assert Webhook(secret).verify(body, headers)["type"] == "webhook.test"
    last = fresh.api.post(f"{path}/rotate").json()["secret"]
    fresh.api.post(f"{path}/test")
    headers, body = endpoint.wait(2)[1]
    assert Webhook(last).verify(body, headers)["type"] == "webhook.test"
    for secret in (hook["secret"], new):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, headers)
    problem(fresh.api.post(f"{path}/rotate", json={"overlapSeconds": -1}), 400)


def test_the_types_of_events_are_listed_with_what_they_mean(fresh):
    found = fresh.api.get("/webhooks/event-types").json()["items"]
    types = {item["type"]: item["description"] for item in found}
    assert types["user.deactivated"] == "A user was deactivated."
    assert {"group.member_added", "guard.held"} <= set(types)
    hook = {"url": "https://receiver.example.com/", "events": list(types)}
    assert fresh.api.post("/webhooks", json=hook).status_code == 201
