"""Display names of actors, and lists of ids."""

import asyncio
from types import SimpleNamespace

import pytest

from muster.console.actors import listed, names_of


def test_keys_have_names_and_administrators_are_readable_as_they_are():
    class Accounts:
        async def keys(self, workspace):
            assert workspace == 7
            return [SimpleNamespace(id="k1", name="okta"), SimpleNamespace(id="k2", name="")]

    assert asyncio.run(names_of(Accounts(), 7)) == {"key:k1": "key okta", "key:k2": "key "}


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, ""), (1, "0"), (20, ", ".join(map(str, range(20))))],
)
def test_few_ids_are_listed_whole(number, shown):
    assert listed([str(n) for n in range(number)]) == shown


def test_of_many_ids_the_first_are_listed_and_the_others_counted():
    assert listed([str(n) for n in range(23)]) == ", ".join(map(str, range(20))) + " and 3 more"
