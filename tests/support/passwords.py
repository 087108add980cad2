"""Cheap password hashes for everything that runs in the process of a test."""

from argon2 import PasswordHasher

from muster.base import passwords

PRODUCT = passwords._hasher
"""The hasher of the product. One of its hashes takes 0.05 s, and far longer on a busy machine."""
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Makes valid hashes in microseconds."""


def make_cheap() -> None:
    """Hash cheaply in this process; servers hash as in production."""
    passwords._hasher = CHEAP
