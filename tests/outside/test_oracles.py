"""Independent clients and testers against a started server."""

import importlib.metadata
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import Error, PatchOp, PatchOperation, SearchRequest
from scim2_tester import Status, check_server

from tests.support.people import name

ROOT = Path(__file__).parents[2]
SUITES = ("schemathesis", "scim-sanity", "scim2-client", "scim2-models", "scim2-tester")
TESTER_DEVIATIONS = {
    r"unexpected value for 'members'\.\nPatched value: .*display=None.*\nReturned value: .*display='": (
        "It wants the members exactly as it sent them. The service adds `display`, which RFC 7643 section 4.2 leaves to it and"
        " which clients show. It appears for add and for replace."
    ),
}
"""The results of scim2-tester that are not a success, as patterns of their reasons, and why they are right."""
SANITY_DEVIATIONS = {
    "PATCH /Groups/{id} add member": (
        "It adds a member with the id `fake-member-id`. No resource has that id, so the request is 400 invalidValue and changes"
        " nothing; RFC 7643 section 4.2 has a member refer to a User or a Group."
    ),
}
"""The results of scim-sanity that are a failure, a warning or an error, and why they are right."""
SANITY_SKIPPED = {
    "Agent CRUD Lifecycle": "draft-abbey-scim-agent-extension is not served, and /ResourceTypes does not list it.",
    "AgenticApplication CRUD Lifecycle": "As Agent.",
    "Agent Rapid Lifecycle": "As Agent.",
}
_numbers = itertools.count()


@pytest.fixture(params=["lenient", "strict"])
def workspace(server, request):
    """A new workspace, as the tester expects its resources on the first page."""
    name = f"oracle-{next(_numbers)}"
    server.muster(
        "workspaces", "create", name, *(["--strict"] if request.param == "strict" else [])
    )
    return name, server.key("oracle", "--workspace", name)


@pytest.fixture
def scim(server, workspace):
    headers = {"Authorization": f"Bearer {workspace[1]}"}
    with httpx2.Client(base_url=f"{server.url}/scim/v2", headers=headers, timeout=60) as made:
        discovering = SyncSCIMClient(made)
        discovering.discover()
        yield discovering


@pytest.mark.parametrize("suite", SUITES)
def test_the_suites_are_those_of_the_lock(suite):
    locked = re.search(
        rf"^{suite}==(\S+)", (ROOT / "requirements/dev.lock").read_text(), re.MULTILINE
    )
    assert importlib.metadata.version(suite) == locked[1]


def test_scim2_tester_finds_nothing(scim):
    results = check_server(scim)
    wrong = [
        f"{r.status} {r.title}: {r.reason}"
        for r in results
        if r.status not in (Status.SUCCESS, Status.COMPLIANT)
    ]
    explained = [
        text for text in wrong if any(re.search(pattern, text) for pattern in TESTER_DEVIATIONS)
    ]
    assert [text for text in wrong if text not in explained] == []
    assert len(explained) <= 2
    assert len(results) > 130


def test_scim_sanity_finds_nothing(server, workspace):
    command = [
        Path(sys.executable).parent / "scim-sanity",
        "probe",
        f"{server.url}/scim/v2",
        "--token",
        workspace[1],
    ]
    command += ["--i-accept-side-effects", "--json-output"]
    probe = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    report = json.loads(probe.stdout)
    others = {
        result["name"] for result in report["results"] if result["status"] not in ("pass", "skip")
    }
    assert others == set(SANITY_DEVIATIONS)
    assert {result["name"] for result in report["results"] if result["status"] == "skip"} == set(
        SANITY_SKIPPED
    )
    assert report["summary"]["passed"] >= 27


def test_scim2_client_through_a_users_life(scim):
    model = scim.get_resource_model("User")
    user = scim.create(model(user_name=name(), display_name="Barbara"))
    assert user.id
    found = scim.query(
        model, query_parameters=SearchRequest(filter=f'userName eq "{user.user_name}"')
    )
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
    assert scim.query(model, group.id).members == []
    found = scim.query(
        model,
        query_parameters=SearchRequest(filter=f'displayName eq "{group.display_name.upper()}"'),
    )
    assert [item.id for item in found.resources] == [group.id]
    scim.delete(model, group.id)
