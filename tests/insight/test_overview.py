"""The overview: checklist, alerts, figures over time and keys, in REST and console."""

import itertools
import re
from datetime import UTC, datetime

import pytest

from muster.access.permissions import SCIM
from muster.console import charts
from muster.insight.ranges import RANGES
from tests.console.browsing import Visitor, invitation
from tests.support.people import name, person, replace
from tests.support.tenant import problem
from tests.support.waiting import until


@pytest.fixture(scope="module")
def root(server):
    made = Visitor(server).accept(invitation(server), name("overview"))
    yield made
    made.close()


def overview(fresh, **parameters):
    """The overview, once all changes are counted."""
    return until(
        lambda: (
            (found := fresh.api.get("/overview", params=parameters).json())["activeUsers"] and found
        )
    )


def steps(found):
    return {step["name"]: step["done"] for step in found["checklist"]}


def test_figures_over_time_agree_with_the_requests(fresh):
    users = [fresh.user() for _ in range(3)]
    fresh.scim.patch(f"/Users/{users[0]['id']}", json=replace("active", False))
    fresh.scim.delete(f"/Users/{users[1]['id']}")
    fresh.scim.post("/Users", json=person(users[2]["userName"]))
    fresh.recorded(6)
    for range_, parts in (("24h", 24), ("7d", 28), ("30d", 30)):
        found = overview(fresh, range=range_)
        assert (found["range"], len(found["outcomes"])) == (range_, parts)
        last = found["outcomes"][-1]
        assert (last["succeeded"], last["refused"], last["errors"]) == (5, 1, 0)
        assert sum(part["succeeded"] for part in found["outcomes"]) == 5
        people = found["activeUsers"]
        assert (people["joined"], people["left"]) == (3, 2)
        assert [point["active"] for point in people["points"]] == [0] * parts + [1]
        assert people["points"][0]["time"] == found["outcomes"][0]["start"]
    assert (found["requests"], found["failed"], found["active"]) == (6, 1, 1)
    (key,) = found["keys"]
    assert (key["requests"], key["refused"], key["lastStatus"]) == (6, 1, 409)
    assert key["outcomes"] == found["outcomes"]
    refused = fresh.api.get("/requests", params={"failed": "true"}).json()["items"]
    oldest = fresh.api.get("/requests").json()["items"][-1]
    assert found["recordedSince"][:19] == oldest["time"][:19]
    assert key["lastRefused"][:19] == refused[0]["time"][:19]
    problem(fresh.api.get("/overview?range=1y"), 400)


def test_the_checklist_ticks_itself(root, server, fresh):
    base = f"/w/{fresh.name}"
    assert "<h2>Get started" in root.get(base).text
    fresh.user()
    until(lambda: steps(overview(fresh))["request"])
    assert steps(overview(fresh)) == {
        "key": True,
        "request": True,
        "user": True,
        "colleague": steps(overview(fresh))["colleague"],
        "guard": False,
    }
    colleague = Visitor(server).accept(invitation(server), name("colleague"))
    assert steps(overview(fresh))["colleague"]
    page = colleague.get(base).text
    assert f'<a href="{base}/settings">Turn on the guard' in page
    assert "Hide checklist" in colleague.submit(f"{base}/checklist", show="1").text
    hidden = colleague.submit(f"{base}/checklist").text
    assert "Hide checklist" not in hidden
    assert "Hide checklist" in root.get(base).text
    assert "Hide checklist" in colleague.submit(f"{base}/checklist", show="1").text
    fresh.api.patch("/settings", json={"guardMode": "hold"})
    done = colleague.get(base).text
    assert "<h2>Get started" not in done
    assert "checklist" not in done.partition("<main")[2]
    colleague.close()


def test_alerts_count_and_link(root, server, fresh):
    base = f"/w/{fresh.name}"
    assert "Nothing needs attention" in root.get(base).text
    assert overview(fresh)["alerts"] == []
    users = [fresh.user() for _ in range(2)]
    fresh.api.patch("/settings", json={"guardMode": "hold", "guardShare": 0, "guardLeast": 0})
    for user in users:
        fresh.scim.delete(f"/Users/{user['id']}")
    soon = {"name": "soon", "permissions": [SCIM], "expiresInSeconds": 3 * 86_400}
    made = fresh.api.post("/keys", json=soon)
    revoked = fresh.api.post("/keys", json={"name": "gone", "permissions": [SCIM]}).json()
    fresh.api.delete(f"/keys/{revoked['id']}")
    with fresh.client(revoked["token"], "/scim/v2") as client:
        assert client.get("/Users").status_code == 401
    fresh.api.patch("/settings", json={"automaticProvisioning": False})
    fresh.recorded(5)
    found = {alert["name"]: alert for alert in overview(fresh)["alerts"]}
    assert {name: alert["count"] for name, alert in found.items()} == {
        "held": 2,
        "doctor": 2,
        "unknownKey": 1,
        "expiring": 1,
        "provisioning": 1,
    }
    assert found["expiring"]["text"] == 'API key "soon" expires within 14 days.'
    assert "3 requests failed in the last 24 hours" in found["doctor"]["text"]
    page = root.get(base).text
    for place in ("/guard", "/doctor", f"/keys/{made.json()['id']}", "/settings"):
        assert f'href="{base}{place}"' in page
    link = re.search(r'href="([^"]+/requests\?status=401[^"]*)"', page)[1].replace("&amp;", "&")
    assert "Unknown" in root.get(link).text or "revoked" in root.get(link).text
    for finding in fresh.api.get("/doctor").json()["refusals"]:
        assert fresh.api.post(f"/doctor/{finding['id']}/resolve").status_code == 204
    assert "doctor" not in {alert["name"] for alert in overview(fresh)["alerts"]}


def test_the_page_keeps_the_range_and_draws_without_styles(root, fresh):
    fresh.scim.get("/Users/nobody")
    fresh.recorded(1)
    for range_, parts in (("24h", 24), ("7d", 28), ("30d", 30)):
        page = root.get(f"/w/{fresh.name}", range=range_).text
        assert re.search(rf'range={range_}" aria-current="true"', page)
        assert "style=" not in page
        assert page.count('<tr><td data-label="Time (UTC)">') == parts
        assert page.count('<rect class="refused"') == 2  # in the chart and its legend
    assert 'range=24h" aria-current="true"' in root.get(f"/w/{fresh.name}", range="x").text


def test_a_key_has_its_requests_and_its_last_refusal(root, fresh):
    made = fresh.api.post("/keys", json={"name": "okta", "permissions": [SCIM]}).json()
    with fresh.client(made["token"], "/scim/v2") as okta:
        okta.post("/Users", json=person())
        okta.get("/Users/nobody")
    number = fresh.recorded(2)[0]["number"]
    for path in ("", "/keys", f"/keys/{made['id']}"):
        page = root.get(f"/w/{fresh.name}{path}").text
        assert f'href="/w/{fresh.name}/requests/{number}"' in page, path
    assert "okta: 2 requests in the last 24 hours, 1 failed" in root.get(f"/w/{fresh.name}").text


def test_parts_of_a_range_end_with_the_one_that_contains_now():
    now = datetime(2026, 1, 31, 13, 20, tzinfo=UTC)
    for wanted in RANGES.values():
        starts = wanted.starts(now)
        assert len(starts) == wanted.parts + 1
        assert starts[-2] <= now < starts[-1]
        assert {later - earlier for earlier, later in itertools.pairwise(starts)} == {wanted.part}


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 0, [0, 1]),
        (0, 3, [0, 1, 2, 3]),
        (0, 9, [0, 5, 10]),
        (0, 1234, [0, 500, 1000, 1500]),
        (980, 1015, [980, 990, 1000, 1010, 1020]),
    ],
)
def test_ticks_are_round_and_enclose_the_values(low, high, ticks):
    assert charts._ticks(low, high) == ticks


def test_stacked_bars_reach_their_share_of_the_height():
    found = charts.stacked([("a", [1, 0, 3]), ("b", [1, 2, 1])], 4)
    assert [(b.name, b.y, b.height) for b in found] == [
        ("a", 75.0, 25.0),
        ("a", 25.0, 75.0),
        ("b", 50.0, 25.0),
        ("b", 50.0, 50.0),
        ("b", 0.0, 25.0),
    ]


def test_a_line_leaves_out_unknown_values_and_begins_at_zero_if_it_is_near():
    wanted = RANGES["24h"]
    starts = wanted.starts(datetime(2026, 1, 31, tzinfo=UTC))
    near = charts.line([None] * 23 + [5, 20], wanted, starts)
    assert (near.path, near.ticks[-1]) == ("M230 75.0 L240 0.0", "0")
    assert near.area.endswith("V100 H230 Z")
    far = charts.line([None] * 23 + [1000, 1001], wanted, starts)
    assert (far.ticks, far.area) == (["1,001", "1,000"], "")
    assert charts.line([None] * 25, wanted, starts).path == ""
