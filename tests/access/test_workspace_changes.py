"""Names and settings of a workspace change together, on the present state, or not at all."""

import contextlib

import pytest

from muster.access.settings import WorkspaceSettings
from muster.access.workspace_changes import NewState, change_workspace
from muster.access.workspaces import find_workspace
from muster.scim.errors import ScimError
from muster.storage.port.items import INSTALLATION
from tests.access.conftest import HERE
from tests.support.platform import label


@pytest.fixture
def change(bench):
    settings = WorkspaceSettings(bench.storage)

    def changed(workspace, *parts, **named):
        state = NewState(*parts, **named)
        return bench.run(change_workspace(bench.storage, settings, workspace, state, HERE))

    return changed


def notes(bench, workspace):
    rows = bench.run(bench.storage.changes(workspace, 0, 10_000))
    return [(row.type, row.action) for row in rows]


def test_all_parts_are_stored_and_recorded_in_one_transaction(bench, change, monkeypatch):
    made, name, calls = bench.new_workspace(), label(), []
    store = bench.storage.administer

    async def counted(*arguments):
        calls.append(arguments)
        await store(*arguments)

    monkeypatch.setattr(bench.storage, "administer", counted)
    changed = change(made, name, "Acme", {"guard_share": 1})
    assert len(calls) == 1
    assert bench.run(bench.storage.workspace(made.id)) == changed
    assert (changed.name, changed.display_name, changed.guard_share) == (name, "Acme", 1)
    assert bench.run(find_workspace(bench.storage, made.name)) == changed
    acts = [("Workspace", "rename"), ("Workspace", "update")]
    assert notes(bench, made.id) == [("Settings", "update"), *acts]
    assert notes(bench, INSTALLATION)[-2:] == acts
    assert change(changed, name, "Acme", {"guard_share": 1}) == changed
    assert len(calls) == 1  # nothing has changed


@pytest.mark.parametrize("lost", [False, True], ids=["checked", "lost to another rename"])
def test_only_the_refusal_of_a_name_is_raised_in_its_context(bench, monkeypatch, lost):
    settings, refused = WorkspaceSettings(bench.storage), []

    @contextlib.contextmanager
    def naming():
        try:
            yield
        except ScimError as error:
            refused.append(error.status)
            raise

    async def unchecked(*_):
        """Find nothing wrong, as before somebody else takes the name."""

    if lost:
        monkeypatch.setattr("muster.access.workspaces.check_name", unchecked)
    made, other = bench.new_workspace(), bench.new_workspace()
    no_client = NewState(label(), settings={"scim_credentials": "oauth"})
    for state in (NewState(other.name), no_client):
        with pytest.raises(ScimError):
            bench.run(change_workspace(bench.storage, settings, made, state, HERE, naming))
    assert refused == [409]


def test_the_change_is_made_to_the_present_state(bench, change):
    made = bench.new_workspace()
    change(made, display_name="Acme")
    change(made, settings={"guard_share": 1})  # with the state before
    found = bench.run(bench.storage.workspace(made.id))
    assert (found.display_name, found.guard_share) == ("Acme", 1)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ({"name": "Bad"}, 400),
        ({"settings": {"scim_credentials": "oauth"}}, 409),
    ],
)
def test_one_wrong_part_refuses_the_others(bench, change, state, status):
    made = bench.new_workspace()
    with pytest.raises(ScimError) as refused:
        change(made, **{"name": label(), "display_name": "Acme", **state})
    assert refused.value.status == status
    assert bench.run(bench.storage.workspace(made.id)) == made
    assert notes(bench, made.id) == []
