"""The recent changes of API keys, as events that can be rolled back."""

import pytest

from muster.directory.caller import Caller
from muster.directory.history import key_events
from muster.directory.history.key_events import recent_events
from muster.directory.service import Directory
from muster.scim.patch import PATCH_OP
from muster.scim.schema.model import registry
from muster.storage.port.changes import ChangeOrigin, Note
from tests.support.people import group, person

TYPES = registry().types


class Workspace:
    """A workspace in which keys and administrators make changes."""

    def __init__(self, bench, clock):
        self._bench, self._clock = bench, clock
        self.workspace = bench.new_workspace()
        self._directory = Directory(bench.storage)

    def _caller(self, actor):
        return Caller(self.workspace, actor, "r")

    def later(self, **passed):
        self._clock.advance(**passed)

    def create(self, actor="key:a", endpoint="/Users", **attributes):
        document = person(**attributes) if endpoint == "/Users" else group(**attributes)
        made = self._directory.create(self._caller(actor), TYPES[endpoint], document)
        return self._bench.run(made).id

    def set(self, resource_id, actor="key:a", endpoint="/Users", **values):
        operations = [{"op": "replace", "value": values}]
        message = {"schemas": [PATCH_OP], "Operations": operations}
        caller = self._caller(actor)
        done = self._directory.patch(caller, TYPES[endpoint], resource_id, message, lambda _: None)
        self._bench.run(done)

    def delete(self, resource_id, actor="key:a"):
        caller = self._caller(actor)
        self._bench.run(
            self._directory.delete(caller, TYPES["/Users"], resource_id, lambda _: None)
        )

    def undone(self, *resources):
        """Note that changes of these resources were rolled back."""
        origin = ChangeOrigin("admin:a", "r", "2026-01-01T00:00:00.000Z")
        ids = ",".join(f'"{resource}"' for resource in resources)
        detail = f'{{"of":"key:a","resources":[{ids}]}}'.encode()
        note = Note(self.workspace.id, origin, "ApiKey", "a", "undo", detail)
        self._bench.run(self._bench.storage.record([note]))

    def events(self):
        return list(self._bench.run(recent_events(self._bench.storage, self.workspace.id)))

    def counts(self):
        return [(event.actor, dict(event.counts)) for event in self.events()]


@pytest.fixture
def here(bench, clock):
    return Workspace(bench, clock)


def test_changes_are_counted_by_action_and_type(here):
    first, second = here.create(), here.create(active=False)
    crew = here.create(endpoint="/Groups")
    here.set(first, title="x")
    here.set(first, active=False)
    here.set(second, active=True)
    here.set(crew, endpoint="/Groups", displayName=f"other {crew}")
    here.delete(second)
    (event,) = here.events()
    assert dict(event.counts) == {
        ("create", "User"): 2,
        ("create", "Group"): 1,
        ("update", "User"): 1,
        ("deactivate", "User"): 1,
        ("reactivate", "User"): 1,
        ("update", "Group"): 1,
        ("delete", "User"): 1,
    }
    assert (event.actor, event.resources, event.whole) == ("key:a", {first, second, crew}, True)


def test_a_pause_separates_the_events_of_a_key_and_keys_are_apart(here):
    here.create()
    here.later(minutes=10)
    here.create("key:b")
    here.create()
    here.later(minutes=10, seconds=1)
    here.create()
    here.create("admin:ann")
    assert here.counts() == [
        ("key:a", {("create", "User"): 1}),
        ("key:a", {("create", "User"): 2}),
        ("key:b", {("create", "User"): 1}),
    ]
    newest, former, _ = here.events()
    assert newest.since == newest.until
    assert former.since < former.until < newest.since


def test_changes_that_were_rolled_back_are_left_out(here):
    kept, undone = here.create(), here.create()
    here.undone(undone)
    assert [event.resources for event in here.events()] == [{kept}]
    here.set(undone, title="again")
    assert [event.resources for event in here.events()] == [{kept, undone}]
    assert here.counts() == [("key:a", {("create", "User"): 1, ("update", "User"): 1})]


def test_an_event_whose_beginning_was_not_examined_says_so(here, monkeypatch):
    monkeypatch.setattr(key_events, "_EXAMINED", 3)
    for _ in range(4):
        here.create()
    assert [(event.whole, event.counts["create", "User"]) for event in here.events()] == [
        (False, 3)
    ]
    here.later(minutes=11)
    for _ in range(3):
        here.create()
    assert [event.whole for event in here.events()] == [True]


def test_the_number_of_events_is_limited(here, monkeypatch):
    monkeypatch.setattr(key_events, "_EVENTS", 2)
    made = []
    for _ in range(3):
        made.append(here.create())
        here.later(minutes=11)
    assert [event.resources for event in here.events()] == [{made[2]}, {made[1]}]


def test_beyond_a_number_of_look_ups_a_deactivation_counts_as_an_update(here, monkeypatch):
    monkeypatch.setattr(key_events, "_LOOKED_UP", 1)
    users = [here.create() for _ in range(2)]
    for user in users:
        here.set(user, active=False)
    ((_, counts),) = here.counts()
    assert (counts["deactivate", "User"], counts["update", "User"]) == (1, 1)
