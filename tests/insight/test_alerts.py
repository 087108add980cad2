"""The alerts of a workspace, one for each matter that needs attention."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from muster.access.connections import BY_ADMINISTRATOR, BY_GUARD, Connection, Pause
from muster.base.clock import timestamp
from muster.directory.caller import Caller
from muster.events.webhooks.endpoints import GAVE_UP
from muster.insight.alerts import Alerts, counted
from muster.insight.reactivations import Reversal
from muster.storage.port.accounts import KeyRecord, Workspace
from muster.storage.port.changes import Change, ChangeOrigin

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
WORKSPACE = Workspace(1, "w", "rfc7644", False, "")
QUIET = SimpleNamespace(held=[], mode="watch", done=0, allowed=20)


def key(name="okta", expires=None):
    when = None if expires is None else timestamp(NOW + expires)
    return KeyRecord(1, name, name, b"", (), None, "", when, None, None)


def webhook(host="x", failure=None, disabled=None):
    return SimpleNamespace(
        id=host, url=f"https://{host}.example/hook", disabled=disabled, failure=failure
    )


class Parts:
    """The guard, the doctor and the webhooks, with the answers of a test."""

    def __init__(self, guard=QUIET, findings=0, lost=0, webhooks=(), reversals=(), returns=()):
        self._reversals, self._returns = reversals, returns
        self._guard, self._findings, self._lost = guard, findings, lost
        self._webhooks = webhooks

    async def state(self, caller):
        return self._guard

    async def open_findings(self, workspace):
        return SimpleNamespace(refusals=[None] * self._findings, lost=[None] * self._lost)

    async def all(self, workspace):
        return self._webhooks

    async def health(self, found):
        return found

    async def recent(self, workspace, now):
        return self._reversals

    async def clients(self, workspace):
        return {"key:okta": 'key "okta"'}

    async def returned(self, workspace, now):
        return self._returns


class Connected:
    """The connections of a workspace."""

    def __init__(self, *connections):
        self._connections = connections

    async def all(self, workspace):
        return self._connections


def collect(workspace=WORKSPACE, keys=(), failed=0, unauthorized=0, connections=(), **given):
    parts = Parts(**given)
    caller = Caller(workspace, "actor", "request")
    alerts = Alerts(parts, parts, parts, parts, Connected(*connections))
    alerts = alerts.collect(caller, keys, failed, unauthorized, NOW)
    return asyncio.run(alerts)


def guard(held=(), mode="watch", done=0):
    return SimpleNamespace(held=list(held), mode=mode, done=done, allowed=20)


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("given", "name", "count", "text", "page"),
    [
        (
            {"guard": guard("ab", "hold", 30)},
            *("held", 2, "The deprovisioning guard holds changes to 2 users for review.", "/guard"),
        ),
        (
            {"guard": guard(done=21)},
            *("guardLimit", 21),
            "21 users lost access in the last hour, more than the guard's limit of 20.",
            "/guard",
        ),
        ({"findings": 1, "lost": 1}, "doctor", 2, "The doctor has 2 open findings.", "/doctor"),
        (
            {"findings": 1, "failed": 1200},
            *("doctor", 1),
            "1,200 requests failed in the last 24 hours. The doctor has 1 open finding.",
            "/doctor",
        ),
        (
            {"unauthorized": 1},
            *("unknownKey", 1),
            "1 request in the last 24 hours used an unknown, expired or revoked key.",
            "/requests?status=401&range=24h",
        ),
        (
            {"webhooks": [webhook(failure="status 500"), webhook("y")]},
            *("webhook", 1),
            "Deliveries to the webhook at x.example are failing (status 500).",
            "/webhooks/x",
        ),
        (
            {"webhooks": [webhook(disabled=f"{GAVE_UP} x"), webhook("y", disabled="by ann")]},
            *("webhookPaused", 1, f"The webhook at x.example is paused: {GAVE_UP} x."),
            "/webhooks/x",
        ),
        (
            {"keys": [key(expires=14 * DAY - timedelta(seconds=1))]},
            *("expiring", 1, 'API key "okta" expires within 14 days.', "/keys/okta"),
        ),
        (
            {"keys": [key(expires=timedelta(seconds=-1))]},
            *("expired", 1, 'API key "okta" has expired.', "/keys/okta"),
        ),
        (
            {"keys": [key(f"k{n}", expires=(5 - n) * DAY) for n in range(5)]},
            *("expiring", 5, '5 API keys expire within 14 days: "k4", "k3", "k2" and 2 more.'),
            "/keys",
        ),
        (
            {"workspace": replace(WORKSPACE, automatic_provisioning=False)},
            *("provisioning", 1, "Automatic provisioning is off, so no users are created."),
            "/settings",
        ),
        (
            {"workspace": replace(WORKSPACE, automatic_deprovisioning=False)},
            *("deprovisioning", 1),
            "Automatic deprovisioning is off, so no users are deactivated or deleted.",
            "/settings",
        ),
    ],
)
def test_each_matter_has_one_alert_that_leads_to_its_page(given, name, count, text, page):
    (alert,) = collect(**given)
    assert (alert.name, alert.count, alert.text, alert.page) == (name, count, text, page)
    assert alert.link


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"guard": guard(mode="off", done=21)},
        {"guard": guard(done=20)},
        {"failed": 5},
        {"keys": [key(), key(expires=14 * DAY), key(expires=-15 * DAY)]},
        {"webhooks": [webhook(), webhook("y", disabled="by ann")]},
    ],
)
def test_a_workspace_in_order_has_no_alerts(given):
    assert collect(**given) == []


def test_the_most_urgent_alert_comes_first():
    off = replace(WORKSPACE, automatic_provisioning=False)
    keys = [key("a", -DAY), key("b", DAY)]
    found = collect(off, keys, 1, 1, guard=guard("a"), findings=1, webhooks=[webhook(failure="x")])
    assert [alert.name for alert in found] == [
        *("held", "doctor", "unknownKey", "webhook", "expired", "expiring", "provisioning"),
    ]


@pytest.mark.parametrize(("number", "text"), [(0, "0 users"), (1, "1 user"), (1234, "1,234 users")])
def test_a_number_with_its_noun(number, text):
    assert counted(number, "user") == text


def reversal(user_id, actor="key:okta"):
    """A reactivation by a client at 14:02, after a deactivation at 13:58."""
    rows = ((actor, "14:02"), ("openid:*:ann@x.org", "13:58"))
    return Reversal(
        *(
            Change(
                *(1, ChangeOrigin(actor, "request", f"2026-01-31T{time}:00.000Z"), "User"),
                *(user_id, "update", 2, b'{"userName":"bea@x.org"}'),
            )
            for actor, time in rows
        )
    )


def test_creations_against_an_administrator():
    (alert,) = collect(keys=[key()], returns=[reversal("u1")])
    assert alert.text == (
        'bea@x.org was created again by key "okta" at 2026-01-31 14:02 UTC, after ann@x.org had'
        " deleted them at 2026-01-31 13:58 UTC."
    )
    assert (alert.name, alert.count, alert.page) == ("recreated", 1, "/users/u1")


def test_reactivations_against_an_administrator():
    (alert,) = collect(keys=[key()], reversals=[reversal("u1")])
    assert alert.text == (
        'bea@x.org was reactivated by key "okta" at 2026-01-31 14:02 UTC, after ann@x.org had'
        " deactivated them at 2026-01-31 13:58 UTC."
    )
    assert (alert.name, alert.count, alert.page) == ("reactivated", 1, "/users/u1")
    several = collect(reversals=[reversal(f"u{number}") for number in range(5)])
    assert [alert.count for alert in several] == [1, 1, 1, 2]
    for actor, words in (("key:x", "a revoked key"), ("oauth:x", "an OAuth client")):
        (alert,) = collect(reversals=[reversal("u1", actor)])
        assert f"was reactivated by {words} at" in alert.text
    assert several[-1].text == (
        "2 other users were reactivated by a client after an administrator's deactivation."
    )


def test_paused_connections_are_named_with_the_reason():
    paused = Pause(BY_GUARD, "2026-01-31T09:00:00.000Z", "1 users lost access")
    moved = Pause(BY_ADMINISTRATOR, "2026-01-31T09:00:00.000Z")
    every = [
        Connection(),
        Connection("a", "Okta", pause=paused),
        Connection("b", "Entra", pause=moved),
    ]
    assert [(alert.name, alert.page, alert.text) for alert in collect(connections=every)] == [
        (
            *("connectionPaused", "/connections/a"),
            'The deprovisioning guard paused the connection "Okta" at 2026-01-31 09:00 UTC:'
            " 1 users lost access.",
        ),
        (
            *("connectionPaused", "/connections/b"),
            'An administrator paused the connection "Entra" at 2026-01-31 09:00 UTC.',
        ),
    ]
