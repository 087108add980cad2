"""Workspaces are created and renamed; a former name leads to its workspace, and to no other."""

import asyncio
import itertools

import pytest

from muster.access.workspaces import create_workspace, find_workspace, rename_workspace
from muster.scim.errors import ScimError
from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import ChangeFilter, ChangeOrigin
from muster.storage.port.errors import Outdated
from muster.storage.port.items import INSTALLATION

_numbers = itertools.count()
ORIGIN = ChangeOrigin("admin:a@example.com", "r", "2026-01-01T00:00:00.000Z", "192.0.2.1")


def create(bench, name, contract="rfc7644"):
    return bench.run(create_workspace(bench.storage, name, contract, ORIGIN))


def rename(bench, workspace, name):
    return bench.run(rename_workspace(bench.storage, workspace, name, ORIGIN))


def found(bench, name):
    workspace = bench.run(find_workspace(bench.storage, name))
    return None if workspace is None else workspace.id


def test_every_former_name_leads_to_the_workspace(bench):
    made = create(bench, "one")
    second = rename(bench, made, "two")
    third = rename(bench, second, "three")
    assert [found(bench, name) for name in ("one", "two", "three", "four")] == [
        *([made.id] * 3),
        None,
    ]
    assert third.name == "three"
    back = rename(bench, third, "one")
    assert [found(bench, name) for name in ("one", "two", "three")] == [back.id] * 3


def test_nobody_else_gets_a_former_name(bench):
    renamed = rename(bench, create(bench, "old"), "new")
    other = create(bench, "other")
    for attempt in (lambda: create(bench, "old"), lambda: rename(bench, other, "old")):
        with pytest.raises(ScimError) as refused:
            attempt()
        assert (refused.value.status, renamed.name in refused.value.detail) == (409, True)


def test_a_refused_rename_leaves_no_former_name(bench):
    made, _ = create(bench, "mine"), create(bench, "taken")
    for name, status in (("taken", 409), ("Bad", 400), ("mine", 400)):
        with pytest.raises(ScimError) as refused:
            rename(bench, made, name)
        assert refused.value.status == status
    rename(bench, made, "moved")
    with pytest.raises(Outdated):  # decided on the state before
        rename(bench, made, "elsewhere")
    assert found(bench, "mine") == made.id
    assert found(bench, "elsewhere") is None


def test_simultaneous_renames_keep_the_former_name(bench):
    made = create(bench, "contested")

    async def both():
        return await asyncio.gather(
            *(rename_workspace(bench.storage, made, name, ORIGIN) for name in ("first", "second")),
            return_exceptions=True,
        )

    outcomes = bench.run(both())
    assert sorted(isinstance(each, Outdated) for each in outcomes) == [False, True]
    assert found(bench, "contested") == made.id
    with pytest.raises(ScimError):
        create(bench, "contested")


def test_a_rename_keeps_the_former_name_of_one_that_follows_at_once(bench, monkeypatch):
    """The second rename begins when the first has changed the workspace and not yet ended."""
    made, last = create(bench, "alpha"), []
    administer = bench.storage.administer

    async def meanwhile(puts, *rest):
        if rest and not last and any(isinstance(put, Workspace) for put in puts):
            await administer(puts, *rest)
            last.append(puts[0])
            await rename_workspace(bench.storage, puts[0], "gamma", ORIGIN)
            return
        await administer(puts, *rest)

    monkeypatch.setattr(bench.storage, "administer", meanwhile)
    rename(bench, made, "beta")
    assert [found(bench, name) for name in ("alpha", "beta", "gamma")] == [made.id] * 3


def test_a_rename_is_one_transaction(bench, monkeypatch):
    """So a process that dies leaves neither half a rename nor one that a log does not have."""
    made, calls = create(bench, "whole"), []
    for name in ("administer", "record"):
        store = getattr(bench.storage, name)

        async def counted(*arguments, store=store, name=name):
            calls.append(name)
            await store(*arguments)

        monkeypatch.setattr(bench.storage, name, counted)
    rename(bench, made, "unbroken")
    assert calls == ["administer"]
    assert found(bench, "whole") == found(bench, "unbroken") == made.id


def test_the_default_workspace_keeps_its_name(bench):
    made = create(bench, "default")
    with pytest.raises(ScimError) as refused:
        rename(bench, made, "main")
    assert refused.value.status == 403


def test_both_logs_record_a_rename(bench):
    made = create(bench, "before")
    rename(bench, made, "after")
    for place in (made.id, INSTALLATION):
        log, _ = bench.run(bench.storage.search_changes(place, None, 1, ChangeFilter()))
        assert (log[0].type, log[0].action, log[0].origin) == ("Workspace", "rename", ORIGIN)
        assert b'"after":{"name":"after"}' in log[0].document


@pytest.mark.parametrize("contract", ["rfc7644", "cortex"])
def test_a_workspace_is_lenient_and_in_the_audit_log_of_the_installation(bench, contract):
    name = f"acme-{next(_numbers)}_x"
    made = create(bench, name, contract)
    assert (made.name, made.contract, made.strict) == (name, contract, False)
    assert bench.run(bench.storage.find_workspace(name)) == made
    change = bench.run(bench.storage.changes(INSTALLATION, 0, 1000))[-1]
    assert (change.type, change.id, change.action) == ("Workspace", str(made.id), "create")
    assert change.origin == ORIGIN


@pytest.mark.parametrize(
    "name", ["", "A", "-a", "_a", "a b", "a/b", "ä", "a" * 64, "a\n", "a.b", "１"]
)
def test_a_name_is_part_of_links(bench, name):
    with pytest.raises(ScimError, match=r"^name: ") as refused:
        create(bench, name)
    assert refused.value.status == 400


def test_an_unknown_contract_and_a_name_that_is_taken_are_refused(bench):
    with pytest.raises(ScimError, match=r"contract: expected") as refused:
        create(bench, "odd", "rfc1")
    assert refused.value.status == 400
    create(bench, "busy")
    before = bench.run(bench.storage.latest_change(INSTALLATION))
    with pytest.raises(ScimError, match=r"name: a workspace 'busy' exists already") as refused:
        create(bench, "busy")
    assert refused.value.status == 409
    assert bench.run(bench.storage.latest_change(INSTALLATION)) == before
