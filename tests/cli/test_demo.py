"""`muster demo`."""

import json

from tests.conftest import client_of
from tests.support.server import Server


def test_demo_without_options_fills_a_workspace_of_its_own(muster):
    muster("migrate")
    done = muster("demo", "--users", "3")
    assert "Created 3 users in workspace 'demo'" in done.stdout
    assert "keys create --workspace demo" in done.stdout
    assert done.stderr == ""
    assert len(muster("export", "--workspace", "demo").stdout.splitlines()) == 3
    assert muster("export", "--workspace", "default").stdout == ""
    assert json.loads(muster("demo", "--users", "1", "--json").stdout) == {
        "workspace": "demo",
        "created": 1,
    }


def test_demo_people_are_plausible_and_repeatable(tmp_path):
    server = Server(tmp_path)
    server.muster("demo", "--workspace", "acme", "--users", "1500")
    server.muster("demo", "--workspace", "acme", "--users", "10")
    with server as started, client_of(started, started.key("k", "--workspace", "acme")) as client:
        page = client.get("/Users", params={"count": 3}).json()
        assert page["totalResults"] == 1510
        assert all(user["emails"][0]["value"] == user["userName"] for user in page["Resources"])
        found = client.get("/Users", params={"filter": 'active eq false and domain ne "x"'})
        assert found.status_code == 400
