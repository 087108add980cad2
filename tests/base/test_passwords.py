"""Password hashes: their costs, and the result of a verification."""

import asyncio

import pytest
from argon2 import Type, extract_parameters

from muster.base import passwords
from muster.base.passwords import hash_password, verify_password
from tests.support.passwords import PRODUCT


@pytest.fixture
def product(monkeypatch):
    """Hash as the product does."""
    monkeypatch.setattr(passwords, "_hasher", PRODUCT)


def test_hashes_cost_at_least_the_minimum_of_owasp(product):
    """OWASP's cheat sheet: argon2id with 19 MiB in two iterations, or more of either."""
    costs = extract_parameters(asyncio.run(hash_password("secret")))
    assert costs.type is Type.ID
    assert costs.memory_cost >= 19 * 1024
    assert costs.time_cost >= 2
    assert costs.parallelism == 1
    assert costs.salt_len >= 16


def test_a_password_matches_its_own_hash_alone(product):
    async def verified():
        hashed = await hash_password("secret", 1)
        return [
            await verify_password(hashed, "secret", 1),
            await verify_password(hashed, "Secret", 1),
            await verify_password("not a hash", "secret", 1),
            await verify_password(None, "secret", 1),
        ]

    assert asyncio.run(verified()) == [True, False, False, False]


def test_two_hashes_of_one_password_differ():
    async def hashed():
        return {await hash_password("secret") for _ in range(3)}

    assert len(asyncio.run(hashed())) == 3


def test_without_a_hash_one_is_verified_all_the_same(monkeypatch):
    """The time must not reveal whether an account has a password."""
    verified = []
    monkeypatch.setattr(passwords, "_verified", lambda *given: verified.append(given) or True)
    assert asyncio.run(verify_password(None, "secret")) is False
    [(hashed, password)] = verified
    assert hashed.startswith("$argon2id$")
    assert password == "secret"


def test_the_password_of_the_hash_that_stands_in_verifies_nothing(monkeypatch):
    monkeypatch.setattr(passwords, "_dummy_hash", [])
    monkeypatch.setattr(passwords.secrets, "token_hex", lambda: "guessed")
    assert asyncio.run(verify_password(None, "guessed")) is False
