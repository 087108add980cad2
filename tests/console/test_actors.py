"""Display names of actors, and lists of ids."""

import pytest

from muster.console.actors import actor_in_words, listed


@pytest.mark.parametrize(
    ("actor", "shown"),
    [
        ("key:k1", 'key "okta"'),
        ("key:e5e9f0a1b2c3d4", "key e5e9f0a1"),
        ("oauth:7.5f2b9c0d8e7a4b16", "OAuth client 7.5f2b9c"),
        ("trust:e5e9f0a1b2c3d4", "federated trust e5e9f0a1"),
        ("admin:ada@example.com", "ada@example.com"),
        ("openid:acme:eve@example.com", "eve@example.com (SSO)"),
        ("demo", "Sample data"),
        ("of a later version", "of a later version"),
    ],
)
def test_an_actor_is_shown_in_words(actor, shown):
    assert actor_in_words(actor, {"key:k1": 'key "okta"'}) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, ""), (1, "0"), (20, ", ".join(map(str, range(20))))],
)
def test_few_ids_are_listed_whole(number, shown):
    assert listed([str(n) for n in range(number)]) == shown


def test_of_many_ids_the_first_are_listed_and_the_others_counted():
    assert listed([str(n) for n in range(23)]) == ", ".join(map(str, range(20))) + " and 3 more"
