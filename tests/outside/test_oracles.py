"""scim2-client against a started server, and the versions of the suites."""

import importlib.metadata
import itertools
import re
from pathlib import Path

import httpx2
import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import Error, PatchOp, PatchOperation, SearchRequest

from tests.support.people import name

ROOT = Path(__file__).parents[2]
SUITES = ("schemathesis", "scim-sanity", "scim2-client", "scim2-models", "scim2-tester")
_numbers = itertools.count()


@pytest.fixture(params=["lenient", "strict"])
def workspace(server, request):
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
