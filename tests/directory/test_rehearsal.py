"""A dry run gives the answer of the real write and changes nothing."""

from dataclasses import replace

import pytest

from muster.directory.caller import Caller
from muster.directory.rehearsal import rehearse
from muster.directory.service import Directory
from muster.scim.errors import ScimError
from muster.scim.schema.model import registry
from muster.storage.port.items import HELD_KIND
from tests.support.people import group, patch, person

USERS, GROUPS = registry().types["/Users"], registry().types["/Groups"]
NOBODY = "018f0000-0000-7000-8000-000000000000"


class Trial:
    """A workspace with a group of two users, and a third user."""

    def __init__(self, bench, **settings):
        self._bench = bench
        workspace = replace(bench.new_workspace(), **settings)
        self.caller = Caller(workspace, "key", "request")
        self.directory = Directory(bench.storage)
        self.users = [
            self._run(self.directory.create(self.caller, USERS, person())).id for _ in range(3)
        ]
        body = group(None, *({"id": user} for user in self.users[:2]))
        self.group = self._run(self.directory.create(self.caller, GROUPS, body)).id

    def _run(self, coroutine):
        return self._bench.run(coroutine)

    def rehearse(self, method, resource_type, resource_id, body):
        return self._run(
            rehearse(self._bench.storage, self.caller, method, resource_type, resource_id, body)
        )

    def status(self, *operations):
        """Return the status of a PATCH of the group, checked to be that of its dry run."""
        body = patch(*operations)
        latest = self._run(self._bench.storage.latest_change(self.caller.workspace.id))
        rehearsed = self.rehearse("PATCH", GROUPS, self.group, body)
        assert self._run(self._bench.storage.latest_change(self.caller.workspace.id)) == latest
        before, refused = self.members(), None
        try:
            self._run(self.directory.patch(self.caller, GROUPS, self.group, body, lambda _: None))
        except ScimError as error:
            refused = error
        told = (200, "") if refused is None else (refused.status, refused.detail)
        assert (rehearsed.status, rehearsed.detail.replace("Nothing would change.", "")) == told
        assert set(rehearsed.added) == self.members() - before
        assert set(rehearsed.removed) == before - self.members()
        return rehearsed.status

    def members(self):
        found = self._run(
            self._bench.storage.members(self.caller.workspace.id, self.group, -1, 1000)
        )
        return {member.id for member in found}


def _add(*ids):
    return {"op": "add", "path": "members", "value": [{"value": user} for user in ids]}


@pytest.mark.parametrize("strict", [False, True])
def test_dry_run_of_a_patch_of_members_answers_like_the_patch(bench, strict):
    trial = Trial(bench, strict=strict)
    first, second, third = trial.users
    assert trial.status(_add(NOBODY)) == 400
    assert trial.status(_add(third)) == 200
    assert trial.status(_add(third)) == 200
    assert trial.status({"op": "remove", "path": f'members[value eq "{third}"]'}) == 200
    assert trial.status({"op": "remove", "path": f'members[value sw "{NOBODY}"]'}) == 400
    assert trial.status({"op": "remove", "path": f'members[value eq "{third}"]'}) == (
        400 if strict else 200
    )
    assert (
        trial.status(_add(third), {"op": "remove", "path": f'members[value eq "{first}"]'}) == 200
    )
    assert (
        trial.status(_add(first), {"op": "remove", "path": f'members[value sw "{second[:-1]}"]'})
        == 200
    )
    assert trial.status({"op": "replace", "path": "members", "value": [{"value": second}]}) == 200
    assert (
        trial.status(
            {"op": "remove", "path": "members"},
            {"op": "replace", "path": "displayName", "value": "x"},
        )
        == 200
    )


def test_dry_runs_of_post_and_put_check_members(bench):
    trial = Trial(bench)
    body = group(None, {"id": NOBODY})
    assert trial.rehearse("POST", GROUPS, "", body).status == 400
    assert trial.rehearse("PUT", GROUPS, trial.group, body).status == 400
    made = trial.rehearse("POST", GROUPS, "", {**body, "members": [{"value": trial.users[2]}]})
    assert (made.status, made.added) == (201, (trial.users[2],))
    put = trial.rehearse(
        "PUT", GROUPS, trial.group, {**body, "members": [{"value": trial.users[2]}]}
    )
    assert (put.status, set(put.removed)) == (200, set(trial.users[:2]))
    assert trial.members() == set(trial.users[:2])
    assert trial.rehearse("DELETE", GROUPS, trial.group, None).status == 204
    assert trial.members() == set(trial.users[:2])


def test_dry_run_applies_the_guard_and_unique_values(bench):
    trial = Trial(bench)
    taken = person()
    trial._run(trial.directory.create(trial.caller, USERS, taken))
    assert trial.rehearse("POST", USERS, "", taken).status == 409
    trial.caller.workspace = replace(
        trial.caller.workspace, guard_mode="hold", guard_share=0, guard_least=0
    )
    rehearsed = trial.rehearse("DELETE", USERS, trial.users[0], None)
    assert rehearsed.status == 403, rehearsed
    assert (
        trial._run(trial._bench.storage.get(trial.caller.workspace.id, "User", trial.users[0]))
        is not None
    )


def test_dry_run_of_a_patch_of_a_large_group_answers_204(bench):
    trial = Trial(bench)
    users = [
        trial._run(trial.directory.create(trial.caller, USERS, person())).id for _ in range(100)
    ]
    assert trial.rehearse("PATCH", GROUPS, trial.group, patch(_add(*users))).status == 204


@pytest.mark.parametrize(
    ("settings", "method", "body"),
    [
        ({"guard_mode": "hold", "guard_share": 0, "guard_least": 0}, "DELETE", None),
        (
            {"guard_mode": "hold", "guard_share": 0, "guard_least": 0},
            "PATCH",
            patch({"op": "replace", "path": "active", "value": False}),
        ),
        ({"automatic_deprovisioning": False}, "DELETE", None),
        ({"automatic_provisioning": False}, "POST", person()),
    ],
    ids=["held deletion", "held deactivation", "switched off deletion", "switched off creation"],
)
def test_dry_run_that_is_refused_leaves_the_audit_log_and_the_guard_as_they_are(
    bench, settings, method, body
):
    trial = Trial(bench)
    trial.caller.workspace = replace(trial.caller.workspace, **settings)
    workspace = trial.caller.workspace.id
    latest = bench.run(bench.storage.latest_change(workspace))
    target = "" if method == "POST" else trial.users[0]
    assert trial.rehearse(method, USERS, target, body).status == 403
    assert bench.run(bench.storage.latest_change(workspace)) == latest
    assert bench.run(bench.storage.items(workspace, HELD_KIND)) == []
