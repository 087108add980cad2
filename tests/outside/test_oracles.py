"""Independent clients and testers against a started server."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import Error, PatchOp, PatchOperation, SearchRequest
from scim2_tester import Status, check_server

from tests.people import name

_numbers = itertools.count()


@pytest.fixture
def scim(server):
    """A client of a workspace of its own: the tester looks for what it made on the first page of everything."""
    workspace = f"oracle-{next(_numbers)}"
    server.muster("workspaces", "create", workspace)
    headers = {"Authorization": f"Bearer {server.key('oracle', '--workspace', workspace)}"}
    with httpx2.Client(base_url=f"{server.url}/scim/v2", headers=headers) as made:
        discovering = SyncSCIMClient(made)
        discovering.discover()
        yield discovering


def test_scim2_tester_finds_nothing(scim):
    results = check_server(scim)
    wrong = [f"{r.status} {r.title}: {r.reason}" for r in results if r.status in (Status.ERROR, Status.DEVIATION)]
    # the tester wants the members exactly as it sent them, and we fill in what each is called
    filled = [text for text in wrong if "unexpected value for 'members'" in text and "display='" in text]
    assert [text for text in wrong if text not in filled] == []
    assert len(filled) <= 2
    assert len(results) > 50


@pytest.mark.parametrize("resource", ["User", "Group"])
def test_scim_sanity_finds_no_failure(client, resource):
    token = client.headers["authorization"].removeprefix("Bearer ")
    command = [Path(sys.executable).parent / "scim-sanity", "probe", str(client.base_url).rstrip("/"), "--token", token]
    command += ["--i-accept-side-effects", "--json-output", "--resource", resource]
    probe = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    report = json.loads(probe.stdout)
    failed = [result for result in report["results"] if result["status"] in ("fail", "error")]
    # it adds a member that is none ("fake-member-id"), which is 400 here
    assert [result["name"] for result in failed] == (["PATCH /Groups/{id} add member"] if resource == "Group" else [])
    assert report["summary"]["passed"] > 10


def test_scim2_client_through_a_users_life(scim):
    model = scim.get_resource_model("User")
    user = scim.create(model(user_name=name(), display_name="Barbara"))
    assert user.id
    found = scim.query(model, query_parameters=SearchRequest(filter=f'userName eq "{user.user_name}"'))
    assert [item.id for item in found.resources] == [user.id]
    operation = PatchOperation(op=PatchOperation.Op.replace_, path="active", value=False)
    patched = scim.modify(model, user.id, PatchOp[model](operations=[operation]))
    assert patched.active is False
    patched.display_name = "Babs"
    assert scim.replace(patched).display_name == "Babs"
    assert scim.query(model, user.id).meta.version == 'W/"3"'
    scim.delete(model, user.id)
    gone = scim.query(model, user.id, raise_scim_errors=False)
    assert isinstance(gone, Error)
    assert gone.status == 404


def test_scim2_client_through_a_groups_life(scim):
    user_model, model = scim.get_resource_model("User"), scim.get_resource_model("Group")
    user = scim.create(user_model(user_name=name()))
    group = scim.create(model(display_name=name("crew"), members=[{"value": user.id}]))
    assert [(member.value, member.type) for member in group.members] == [(user.id, "User")]
    assert [item.value for item in scim.query(user_model, user.id).groups] == [group.id]
    remove = PatchOperation(op=PatchOperation.Op.remove, path=f'members[value eq "{user.id}"]')
    scim.modify(model, group.id, PatchOp[model](operations=[remove]))
    assert scim.query(model, group.id).members is None
    found = scim.query(model, query_parameters=SearchRequest(filter=f'displayName eq "{group.display_name.upper()}"'))
    assert [item.id for item in found.resources] == [group.id]
    scim.delete(model, group.id)
