"""`muster doctor` as a table and as JSON."""

import json

from tests.http.management.test_connections import connect, scim_of
from tests.support.people import patch, person
from tests.support.tenant import Tenant


def test_a_healthy_workspace(muster):
    muster("migrate")
    assert muster("doctor").stdout.startswith("No problems found")
    assert json.loads(muster("doctor", "--json").stdout) == []


def test_each_problem_names_its_client_advice_and_latest_request(server):
    with Tenant(server) as tenant:
        user = tenant.user()
        text = {"op": "replace", "path": "active", "value": "False"}
        tenant.scim.patch(f"/Users/{user['id']}", json=patch(text)).raise_for_status()
        for _ in range(2):
            tenant.scim.post("/Users", json=person(user["userName"]))
        latest = tenant.recorded(4)[0]["number"]
        said = server.muster("doctor", "--workspace", tenant.name, "--json").stdout
        table = server.muster("doctor", "--workspace", tenant.name).stdout
    found = {row["problem"]: row for row in json.loads(said)}
    refused, lost = found["createUser 409"], found[f"tries to create {user['userName']} again"]
    assert refused["count"] == lost["count"] == 2
    assert str(refused["latestRequest"]) == str(lost["latestRequest"]) == latest
    assert any(problem.startswith("sends a boolean as a string") for problem in found)
    for row in found.values():
        assert row["advice"] in table
        assert row["client"] in table


def test_each_problem_names_the_connection_of_its_client(server):
    with Tenant(server) as tenant:
        okta = connect(tenant, name="Okta")
        scim_of(tenant, okta).get("/Users/unknown")
        tenant.scim.get("/Groups/unknown")
        tenant.recorded(2)
        said = server.muster("doctor", "--workspace", tenant.name, "--json").stdout
        table = server.muster("doctor", "--workspace", tenant.name).stdout
    assert {row["connection"] for row in json.loads(said)} == {okta["id"], "default"}
    assert all(name in table for name in ("Okta", "default"))
