"""The people whom recorded requests are about."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muster.directory.caller import Caller
from muster.directory.service import Directory
from muster.insight.people import ids_of_person, subjects
from muster.scim.schema.model import registry
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.records.requests import RecordedRequest
from tests.support.people import group, name, person

TYPES = registry().types
ORIGIN = ChangeOrigin("key:k", "r", "2026-01-01T00:00:00.000Z")
UNKNOWN = "0190163d-8694-739b-aea5-966c26f8ad91"


class People:
    """A workspace, its directory, and requests about its resources."""

    def __init__(self, bench):
        self._bench = bench
        self.workspace = bench.new_workspace()
        self.caller = Caller(self.workspace, "key:k", "r")
        self.directory = Directory(bench.storage)

    def create(self, document, endpoint="/Users"):
        made = self.directory.create(self.caller, TYPES[endpoint], document)
        return self._bench.run(made).id

    def delete(self, resource_id, endpoint="/Users"):
        gone = self.directory.delete(self.caller, TYPES[endpoint], resource_id, lambda _: None)
        self._bench.run(gone)

    def note(self, resource_id, action):
        note = Note(self.workspace.id, ORIGIN, "User", resource_id, action, b'{"reason":"guard"}')
        self._bench.run(self._bench.storage.record([note]))

    def names(self, *requests):
        about = subjects(self._bench.storage, self.workspace.id, TYPES, iter(requests))
        return self._bench.run(about)

    def found(self, text):
        return self._bench.run(ids_of_person(self.directory, self.caller, text))


@pytest.fixture
def people(bench):
    return People(bench)


def about(number, resource="", endpoint="/Users", method="PATCH", body=""):
    path = f"{endpoint}/{resource}".rstrip("/")
    return RecordedRequest(
        *(number, "t", "r", "k", "", method, path, "", 200, 1, "", "", "", resource, body, "")
    )


def test_requests_are_about_the_user_or_group_that_they_name(people):
    user, other = (people.create(person(text)) for text in ("ann@x.example", "bob@x.example"))
    crew = people.create(group("Crew"), "/Groups")
    assert people.names(
        about(1, user),
        about(2, other),
        about(3, user, method="GET"),
        about(4, crew, "/Groups"),
        about(5),
        about(6, UNKNOWN),
        about(7, UNKNOWN, "/Nothing"),
    ) == {1: "ann@x.example", 2: "bob@x.example", 3: "ann@x.example", 4: "Crew"}


def test_a_deleted_user_keeps_their_name(people):
    user = people.create(person("ann@x.example"))
    people.delete(user)
    assert people.names(about(1, user)) == {1: "ann@x.example"}


@pytest.mark.parametrize("deleted", [False, True])
def test_a_refusal_that_is_noted_hides_no_name(people, deleted):
    user = people.create(person("ann@x.example"))
    people.note(user, "hold")
    if deleted:
        people.delete(user)
    for action in ("refuse", "keep"):
        people.note(user, action)
    assert people.names(about(1, user)) == {1: "ann@x.example"}


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (json.dumps(person("new@x.example")), {1: "new@x.example"}),
        ('{"USERNAME": "new@x.example"}', {1: "new@x.example"}),
        ('{"userName": "", "displayName": "New"}', {1: "New"}),
        ('{"userName": 7, "DisplayName": ["x"]}', {}),
        ('{"userName": "cut short', {}),
        ("[1]", {}),
        ("", {}),
    ],
)
def test_a_refused_creation_is_about_the_name_in_its_body(people, body, shown):
    assert people.names(about(1, method="POST", body=body)) == shown
    assert people.names(about(1, method="PUT", body=body)) == {}


def test_people_are_found_by_the_beginning_of_a_name_or_address(people):
    ann = people.create(
        person(
            name("ann"),
            displayName="Zoe",
            name={"familyName": "Sommer", "givenName": "Lena"},
            emails=[{"value": "l.sommer@mail.example"}],
        )
    )
    people.create(person(name("bob")))
    for text in ("ann", "ANN", "zo", "Somm", "lena", "L.SOMMER@"):
        assert people.found(text) == [ann], text
    assert people.found("ommer") == []


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=[]), min_size=1, max_size=10))
def test_any_text_finds_those_whose_name_begins_with_it(people, text):
    """Quotation marks, backslashes, wildcards and lone surrogates match themselves or nobody."""
    found = people.found(text)
    assert len(found) == len(set(found))
    assert people.found('"' + text) == []


def test_a_text_that_is_too_long_for_a_filter_finds_nobody(people):
    people.create(person())
    assert people.found("x" * 100_000) == []
