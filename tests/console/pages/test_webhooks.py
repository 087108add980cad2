"""The pages of webhooks: trying one, its deliveries, its state in words."""

import re
from datetime import datetime

import pytest

from muster.console.pages.webhooks import state_in_words
from muster.directory.history.events import describe, event_types
from muster.events.webhooks.endpoints import Health, Webhook
from muster.scim.schema.model import registry

HOOK = Webhook(1, "h", "https://x.example/", ("*",), "", "2026-01-01T00:00:00.000Z", "e")


@pytest.mark.parametrize(
    ("due", "words"),
    [
        ("2026-01-01T14:02:30.000Z", "retry in 30 s"),
        ("2026-01-01T14:12:00.000Z", "retry in 10 min"),
        ("2026-01-01T18:02:00.000Z", "retry in 4 h"),
        ("2026-01-01T14:01:00.000Z", "retrying now"),
    ],
)
def test_the_state_says_since_when_it_fails_and_when_it_retries(monkeypatch, due, words):
    now = datetime.fromisoformat("2026-01-01T14:02:00.000Z")
    monkeypatch.setattr("muster.base.clock.now", lambda: now)
    state = state_in_words(HOOK, Health("status 500", "2026-01-01T14:00:00.000Z", due, 2), True)
    assert (state.kind, state.text, state.since) == (
        "bad",
        "Failing since",
        "2026-01-01T14:00:00.000Z",
    )
    assert state.retry == f"{words} (status 500, 2 attempts)"


def test_every_event_type_has_a_description():
    texts = [describe(event) for event in event_types(registry())]
    assert len(set(texts)) == len(texts)
    assert describe("user.reactivated") == "A user was activated again."


def test_a_webhook_is_tried_looked_at_and_edited(root, fresh):
    base = f"/w/{fresh.name}/webhooks"
    root.get(base)
    hook = root.post(base, url="http://127.0.0.1:1/hook", events="user.created").headers["location"]
    answer = root.post(f"{hook}/test")
    assert answer.status_code == 303
    page = root.get(hook).text
    assert "The test event was not accepted" in page
    delivery = re.search(rf'href="({hook}/deliveries/\d+)"', page)[1]
    shown = root.get(delivery).text
    assert "No response" in shown
    assert "&#34;type&#34;: &#34;webhook.test&#34;" in shown
    assert root.get(f"{hook}/deliveries/x").status_code == 404
    refused = root.post(hook, url="http://127.0.0.1:1/other", patterns="user.nonsense")
    assert refused.status_code == 400
    assert 'id="wrong-events"' in refused.text
    assert 'value="user.nonsense"' in refused.text
    assert root.post(hook, url="http://127.0.0.1:1/other", events="user.deleted").status_code == 303
    kept = fresh.api.get("/webhooks").json()["items"][0]
    assert (kept["url"], kept["events"]) == ("http://127.0.0.1:1/other", ["user.deleted"])


def test_a_webhook_is_created_paused_rotated_and_removed(root, fresh):
    base = f"/w/{fresh.name}"
    root.get(f"{base}/settings")
    made = root.post(
        f"{base}/webhooks", url="http://127.0.0.1:1/hook", events="group.created", patterns="user.*"
    )
    shown = made.headers["location"]
    assert re.search(r"whsec_\S+", root.get(shown).text)
    assert "whsec_" not in root.get(shown).text
    assert "url" in root.post(f"{base}/webhooks", url="nonsense").text
    hook = fresh.api.get("/webhooks").json()["items"][0]
    assert hook["events"] == ["group.created", "user.*"]
    assert shown == f"{base}/webhooks/{hook['id']}"
    assert root.post(f"{base}/webhooks/{hook['id']}/switch").status_code == 303
    assert "Paused by an administrator" in root.get(f"{base}/webhooks").text
    assert root.post(f"{base}/webhooks/{hook['id']}/rotate").status_code == 303
    assert "whsec_" in root.get(shown).text
    assert root.post(f"{base}/webhooks/{hook['id']}/remove").status_code == 303
    assert fresh.api.get("/webhooks").json()["items"] == []


@pytest.fixture
def hook(root, fresh):
    """The page of a webhook."""
    made = fresh.api.post("/webhooks", json={"url": "http://127.0.0.1:1/hook"}).json()
    root.get(f"/w/{fresh.name}/webhooks")
    return f"/w/{fresh.name}/webhooks/{made['id']}"


def test_an_old_page_does_not_set_back_the_events_of_a_webhook(root, fresh, hook):
    stamp = root.stamp(hook)
    path = f"/webhooks/{hook.rpartition('/')[2]}"
    fresh.api.patch(path, json={"events": ["group.*"]})
    sent = {"url": "http://127.0.0.1:1/other", "events": "user.*"}
    assert root.post(hook, **sent, seen=stamp).status_code == 409
    assert fresh.api.get(path).json()["events"] == ["group.*"]
    assert root.post(hook, **sent, seen=root.stamp(hook)).status_code == 303


@pytest.mark.parametrize(("button", "enabled"), [("Pause", False), ("Resume", True)])
def test_the_button_of_an_old_page_does_what_it_says(root, fresh, hook, button, enabled):
    path = f"/webhooks/{hook.rpartition('/')[2]}"
    fresh.api.patch(path, json={"enabled": not enabled})
    form = re.search(r'<button class="btn" name="to" value="(\w+)">(\w+)<', root.get(hook).text)
    assert form[2] == button
    for _ in range(2):  # as from two tabs
        assert root.post(f"{hook}/switch", to=form[1]).status_code == 303
        assert fresh.api.get(path).json()["enabled"] is enabled
