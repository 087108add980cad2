"""Webhooks of a workspace: their URLs, patterns, secrets and states."""

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.access.registries import Registries
from muster.events.webhooks.endpoints import Webhook, Webhooks, audited_url
from muster.scim.errors import ScimError
from muster.storage.port.errors import Outdated
from muster.storage.records.webhooks import Delivery, State, WebhookStates

URL = "https://receiver.example/events"


class Hooks:
    """The webhooks of a workspace."""

    def __init__(self, bench, by, private=False):
        self.run, self.by, self.workspace = bench.run, by, by.workspace.id
        self.states = WebhookStates(bench.storage)
        self.webhooks = Webhooks(bench.storage, Registries(bench.storage), self.states, private)
        self.storage = bench.storage

    def create(self, position=0, **attributes):
        given_ones = {"url": URL, **attributes}
        return self.run(self.webhooks.create(self.by, given_ones, position))

    def change(self, webhook, **attributes):
        return self.run(self.webhooks.change(self.by, webhook, attributes))

    def refused(self, **attributes):
        with pytest.raises(ScimError) as caught:
            self.create(**attributes)
        assert self.run(self.webhooks.all(self.workspace)) == []
        return caught.value

    def deliver(self, webhook, status, error=None, failing_since=None, due=0):
        before = self.run(self.states.state(self.workspace, webhook.id))
        after = replace(before, attempts=3, failing_since=failing_since, due=due)
        assert self.run(self.states.advance(self.workspace, webhook.id, before, after))
        attempt = Delivery(1, 1, 0, "user.created", "2026-01-01", 1, status, error, 5)
        self.run(self.states.log(self.workspace, webhook.id, attempt))


@pytest.fixture
def hooks(bench, administrator):
    return Hooks(bench, administrator)


def test_a_webhook_gets_all_events_after_a_position(hooks):
    made = hooks.create(position=7)
    assert hooks.run(hooks.webhooks.get(hooks.workspace, made.id)) == made
    assert hooks.run(hooks.states.state(hooks.workspace, made.id)) == State(7)
    assert made.shown() == {
        "id": made.id,
        "url": URL,
        "events": ["*"],
        "description": "",
        "created": hooks.by.origin.time,
        "enabled": True,
        "disabled": None,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("url", None), ("url", ""), ("url", "/events"), ("url", "ftp://x.example/"),
        ("url", "http://x.example/"), ("url", "https://ann@x.example/"),
        ("url", "https://:secret@x.example/"), ("url", "https://@x.example/"),
        ("url", "https://[::1"), ("url", "https://x.example:0/"), ("url", "https://x:99999/"),
        ("url", "https://\u00e9.example/"), ("url", "https://x.example/ a"),
        ("url", "https://x.example/\n"), ("url", "https://" + "x" * 2000), ("url", 7),
        ("events", []), ("events", "*"), ("events", [7]), ("events", ["user.flown"]),
        ("events", ["user.*", "thing.*"]), ("events", ["user"]),
        ("description", 7), ("description", "x" * 2001),
        ("enabled", "yes"), ("enabled", None), ("secret", "x"),
    ],
)  # fmt: skip
def test_an_invalid_attribute_is_refused_by_name(hooks, name, value):
    error = hooks.refused(**{name: value})
    assert (error.status, error.scim_type) == (400, "invalidValue")
    assert name in error.detail


def test_plain_http_is_allowed_with_private_addresses(bench, administrator):
    hooks = Hooks(bench, administrator, private=True)
    assert hooks.create(url="http://localhost:8080/x").url == "http://localhost:8080/x"


def test_a_workspace_has_at_most_20_webhooks(hooks):
    made = [hooks.create() for _ in range(20)]
    with pytest.raises(ScimError, match="20") as caught:
        hooks.create()
    assert caught.value.status == 409
    hooks.run(hooks.webhooks.delete(hooks.by, made[0]))
    hooks.create()


def test_webhooks_are_listed_in_the_order_of_their_creation(hooks):
    made = []
    for number in (3, 1, 2):
        origin = replace(hooks.by.origin, time=f"2026-01-0{number}T00:00:00.000Z")
        hooks.by = replace(hooks.by, origin=origin)
        made.append(hooks.create(description=str(number)))
    listed = hooks.run(hooks.webhooks.all(hooks.workspace))
    assert [webhook.description for webhook in listed] == ["1", "2", "3"]


def test_a_webhook_of_another_workspace_does_not_exist(hooks, bench):
    made = hooks.create()
    with pytest.raises(ScimError) as caught:
        hooks.run(hooks.webhooks.get(bench.new_workspace().id, made.id))
    assert caught.value.status == 404


NOUNS, ACTIONS = ("user", "group", "device"), ("created", "deleted", "member_added")
EVENTS = st.builds("{}.{}".format, st.sampled_from(NOUNS), st.sampled_from(ACTIONS))
PATTERNS = st.one_of(
    EVENTS,
    st.sampled_from(NOUNS).map("{}.*".format),
    st.sampled_from(ACTIONS).map("*.{}".format),
    st.sampled_from(("*", "*.*")),
)


@given(st.lists(PATTERNS, max_size=3), EVENTS)
def test_an_event_is_wanted_if_a_pattern_has_its_noun_and_its_action(patterns, event):
    webhook = Webhook(1, "id", URL, tuple(patterns), "", "", "")

    def includes(pattern):
        parts = pattern.split(".") if "." in pattern else ("*", "*")
        return all(
            part in ("*", wanted) for part, wanted in zip(parts, event.split("."), strict=True)
        )

    assert webhook.wants(event) == any(map(includes, patterns))


def test_the_secret_differs_between_webhooks_and_lasts_until_it_is_rotated(hooks, bench):
    first, second = hooks.create(), hooks.create()
    secrets = [hooks.run(hooks.webhooks.secret(webhook)) for webhook in (first, second)]
    assert all(secret.startswith("whsec_") for secret in secrets)
    changed = hooks.change(first, description="other")
    assert hooks.run(hooks.webhooks.secret(changed)) == secrets[0]
    rotated = hooks.run(hooks.webhooks.rotate(hooks.by, changed))
    secrets.append(hooks.run(hooks.webhooks.secret(rotated)))
    elsewhere = replace(first, workspace=bench.new_workspace().id)
    secrets.append(hooks.run(hooks.webhooks.secret(elsewhere)))
    assert len(set(secrets)) == 4
    stored = hooks.run(hooks.storage.items(hooks.workspace, "webhook"))
    assert not any(secret.removeprefix("whsec_") in str(stored) for secret in secrets)


def test_a_change_made_from_an_outdated_webhook_is_refused(hooks):
    outdated = hooks.create()
    hooks.change(outdated, description="newer")
    with pytest.raises(Outdated):
        hooks.change(outdated, events=["user.*"])
    (kept,) = hooks.run(hooks.webhooks.all(hooks.workspace))
    assert (kept.description, kept.events) == ("newer", ("*",))


def test_enabling_starts_again_at_the_event_that_failed(hooks):
    made = hooks.create(position=4)
    hooks.deliver(made, 500, failing_since=1000, due=2000)
    disabled = hooks.change(made, enabled=False)
    assert disabled.disabled == "by an administrator"
    assert hooks.run(hooks.webhooks.health(disabled)).failure is None
    enabled = hooks.change(disabled, enabled=True)
    assert enabled.disabled is None
    assert hooks.run(hooks.states.state(hooks.workspace, made.id)) == State(4)


def test_changing_an_enabled_webhook_keeps_its_pause(hooks):
    made = hooks.create(position=4)
    hooks.deliver(made, 500, failing_since=1000, due=2000)
    hooks.change(made, enabled=True, description="same")
    assert hooks.run(hooks.states.state(hooks.workspace, made.id)).due == 2000


@pytest.mark.parametrize(
    ("status", "error", "shown"),
    [(500, None, "status 500"), (None, "connection refused", "connection refused")],
)
def test_health_shows_the_latest_failure_and_the_next_attempt(hooks, status, error, shown):
    made = hooks.create()
    assert hooks.run(hooks.webhooks.health(made)).shown()["failing"] is False
    hooks.deliver(made, status, error, failing_since=0, due=61_000)
    health = hooks.run(hooks.webhooks.health(made))
    assert (health.attempts, health.shown()) == (
        3,
        {
            "failing": True,
            "failure": shown,
            "failingSince": "1970-01-01T00:00:00.000Z",
            "nextAttempt": "1970-01-01T00:01:01.000Z",
        },
    )


def test_a_deleted_webhook_leaves_only_its_changes(hooks):
    made = hooks.create(url=f"{URL}?token=secret#x")
    hooks.deliver(made, 200)
    hooks.run(hooks.webhooks.delete(hooks.by, made))
    assert hooks.run(hooks.webhooks.all(hooks.workspace)) == []
    assert hooks.run(hooks.states.state(hooks.workspace, made.id)) is None
    assert hooks.run(hooks.states.deliveries(hooks.workspace, made.id, 10)) == []
    changes = hooks.run(hooks.storage.changes(hooks.workspace, 0, 10))
    assert [(change.type, change.action) for change in changes] == [
        ("Webhook", "create"),
        ("Webhook", "delete"),
    ]
    assert {orjson.loads(change.document)["url"] for change in changes} == {URL}


@pytest.mark.parametrize(
    ("url", "audited"),
    [
        ("https://x.example/a?b=c#d", "https://x.example/a"),
        ("https://ann:pw@x.example:8443/a", "https://x.example:8443/a"),
        ("https://x.example", "https://x.example"),
    ],
)
def test_an_audited_url_has_no_user_query_or_fragment(url, audited):
    assert audited_url(url) == audited


def test_the_old_secret_ends_with_its_overlap(hooks, monkeypatch):
    made = hooks.create()
    old = hooks.run(hooks.webhooks.secret(made))
    turned = hooks.run(hooks.webhooks.rotate(hooks.by, made, 60))
    stored = hooks.run(hooks.webhooks.get(hooks.workspace, made.id))
    assert stored == turned
    assert hooks.run(hooks.webhooks.secrets(stored))[1:] == [old]
    later = replace(stored, previous_until="2020-01-01T00:00:00.000Z")
    assert hooks.run(hooks.webhooks.secrets(later)) == [hooks.run(hooks.webhooks.secret(stored))]


def test_a_failure_is_told_although_a_later_event_sent_by_hand_arrived(hooks):
    made = hooks.create()
    hooks.deliver(made, 503, failing_since=1000, due=2000)
    by_hand = Delivery(2, 0, 0, "webhook.test", "2026-01-01", 1, 204, None, 5)
    hooks.run(hooks.states.log(hooks.workspace, made.id, by_hand))
    assert hooks.run(hooks.webhooks.health(made)).failure == "status 503"
