"""References in answers of the management API are absolute, as in those of SCIM."""

import pytest

import muster
from tests.support.people import group, replace


def _locations(value):
    """Every meta.location and $ref within a value."""
    if isinstance(value, dict):
        meta = value.get("meta")
        if isinstance(meta, dict) and "location" in meta:
            yield meta["location"]
        if "$ref" in value:
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _locations(item)


@pytest.fixture
def reads(tmp_path):
    app = muster.create_app(muster.Settings(database=f"sqlite:///{tmp_path}/m.db"))
    return [route.path for route in app.service._api.routes if route.method == "GET"]


def test_every_reference_is_absolute(server, fresh, reads):
    boss = fresh.user()
    extension = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    user = fresh.user(**{extension: {"manager": {"value": boss["id"]}}})
    crew = fresh.scim.post("/Groups", json=group("Crew", user)).json()
    fresh.scim.patch(f"/Users/{user['id']}", json=replace("title", "x"))
    base, found = f"{server.url}/scim/v2/", {}
    for resource in (user, crew):
        for path in reads:
            asked = path.replace("{id}", resource["id"])
            answer = fresh.api.get(
                asked, params={"time": "2050-01-01T00:00:00Z"} if path.endswith("/at") else None
            )
            if answer.status_code == 200:
                found[asked] = list(_locations(answer.json()))
        change = fresh.api.get(f"/history/{resource['id']}").json()["items"][-1]["change"]
        restored = fresh.api.post(
            f"/history/{resource['id']}/restore", json={"change": change}
        ).json()
        found[f"restore {resource['id']}"] = list(_locations(restored))
        assert restored["meta"]["location"] == resource["meta"]["location"]
    holding = {
        asked.partition("/")[2].partition("/")[0] or "restore"
        for asked, links in found.items()
        if links
    }
    assert {"history", "changes", "audit", "restore"} <= holding
    wrong = {
        asked: links
        for asked, links in found.items()
        if not all(link.startswith(base) for link in links)
    }
    assert wrong == {}
