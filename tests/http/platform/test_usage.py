"""Usage figures: users now, requests and refusals by day, and the last request of connections."""

import csv
import io
from datetime import UTC, datetime

import pytest

from muster.storage.records.usage import UsageDay, UsageStore
from tests.support.people import person, replace
from tests.support.tenant import Tenant, problem
from tests.support.waiting import until


@pytest.fixture
def tenant(server):
    with Tenant(server) as made:
        yield made


def usage(platform, called, **given):
    answer = platform.api.get(f"/workspaces/{called}/usage", params=given)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_users_groups_and_requests_are_counted(platform, tenant):
    users = [tenant.user() for _ in range(3)]
    tenant.scim.patch(f"/Users/{users[0]['id']}", json=replace("active", False))
    assert tenant.scim.post("/Users", json=person(users[1]["userName"])).status_code == 409
    today = datetime.now(UTC).date().isoformat()
    found = until(
        lambda: (counted := usage(platform, tenant.name))["requests"] == 5 and counted, seconds=60
    )
    assert (found["users"], found["activeUsers"], found["groups"]) == (3, 2, 0)
    assert sum(day["requests"] for day in found["days"]) == 5
    assert found["refusals"] == 1
    (connection,) = found["connections"]
    assert (connection["connection"], connection["requests"]) == ("default", 5)
    assert connection["lastRequest"][:10] >= today


@pytest.fixture(scope="module")
def counted(platform, server):
    """Two workspaces with usage in January 2026."""
    prefix = platform.workspace()
    names = [platform.workspace(name=f"{prefix}-{number}") for number in range(2)]

    async def fill(storage):
        rows = []
        for name, requests in zip(names, (10, 100), strict=True):
            number = (await storage.find_workspace(name)).id
            for day in ("2026-01-01", "2026-01-02", "2026-01-31"):
                for connection in ("default", "okta"):
                    last = f"{day}T12:00:00.000Z"
                    rows.append(UsageDay(number, day, connection, requests, 1, last))
        await UsageStore(storage).add(rows)
        assert rows == []

    server.administer(fill)
    return names


JANUARY = {"since": "2026-01-01", "until": "2026-01-30"}


def test_days_and_connections_of_a_range(platform, counted):
    found = usage(platform, counted[0], **JANUARY)
    assert (found["requests"], found["refusals"]) == (40, 4)
    assert found["days"][0] == {"day": "2026-01-01", "requests": 20, "refusals": 2}
    assert [day["day"] for day in found["days"]] == ["2026-01-01", "2026-01-02"]
    assert found["connections"][1] == {
        "connection": "okta",
        "requests": 20,
        "refusals": 2,
        "lastRequest": "2026-01-02T12:00:00.000Z",
    }


def test_all_workspaces_in_pages_as_json_and_csv(platform, counted):
    given = {**JANUARY, "name": counted[0][:-1], "limit": 1}
    first = platform.api.get("/usage", params=given).json()
    second = platform.api.get("/usage", params={**given, "cursor": first["nextCursor"]}).json()
    assert [page["items"][0]["workspace"] for page in (first, second)] == counted
    assert (second["nextCursor"], second["items"][0]["requests"]) == (None, 400)
    answer = platform.api.get("/usage", params={**given, "format": "csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["workspace"], row["requests"], row["lastRequest"]) == (
        counted[0],
        "40",
        "2026-01-02T12:00:00.000Z",
    )
    following = answer.links["next"]["url"]
    last = platform.api.get(following)
    assert last.text.splitlines()[1].startswith(f"{counted[1]},active,0,0,0,400,4,")
    assert "next" not in last.links


def test_the_days_of_a_workspace_as_csv(platform, counted):
    answer = platform.api.get(
        f"/workspaces/{counted[0]}/usage", params={**JANUARY, "format": "csv"}
    )
    assert answer.text.splitlines() == [
        "day,requests,refusals",
        "2026-01-01,20,2",
        "2026-01-02,20,2",
    ]


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"since": "2026-02-30"}, "/since"),
        ({"until": "x"}, "/until"),
        ({"since": "2026-01-02", "until": "2026-01-01"}, "/since"),
        ({"since": "2025-01-01", "until": "2026-01-02"}, "/since"),
        ({"format": "xml"}, "/format"),
    ],
)
def test_a_range_that_is_none_is_refused(platform, counted, given, pointer):
    for path in ("/usage", f"/workspaces/{counted[0]}/usage"):
        refused = platform.api.get(path, params=given)
        problem(refused, 400)
        assert refused.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_the_ends_of_the_calendar_are_no_error(platform, counted, day):
    assert usage(platform, counted[0], until=day)["requests"] == 0
