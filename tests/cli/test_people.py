"""Made-up people."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.cli.people import make_batch, person
from muster.directory.documents import parse
from muster.scim.dialects import Dialect
from muster.scim.document import read
from muster.scim.schema.model import registry

USERS = registry().types["/Users"]


@given(st.integers(0, 10**7), st.integers())
def test_a_person_is_valid_in_a_strict_workspace(number, seed):
    made = person(number, random.Random(seed))
    read(made, USERS, Dialect(strict=True))
    assert str(number) in made["userName"]
    assert made == person(number, random.Random(seed))


@pytest.mark.parametrize("first", [0, 500])
def test_a_batch_has_the_numbers_that_it_is_asked_for(first):
    def documents(puts):
        return [parse(put.stored.document) for put in puts]

    found = documents(make_batch(first, first + 20, 7, 1_600_000_000_000))
    assert [user["externalId"] for user in found] == [
        f"ext-{number:08d}" for number in range(first, first + 20)
    ]
    assert len({user["id"] for user in found}) == 20
    assert {user["meta"]["created"] for user in found} == {"2020-09-13T12:26:40.000Z"}

    def without_ids(users):
        return [{**user, "id": 0, "meta": 0} for user in users]

    again = documents(make_batch(first, first + 20, 7, 1_600_000_000_000))
    other = documents(make_batch(first, first + 20, 8, 1_600_000_000_000))
    assert without_ids(again) == without_ids(found) != without_ids(other)
