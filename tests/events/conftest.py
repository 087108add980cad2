"""A started storage of each engine, as the tests of the storage have it, and its administrators."""

from tests.access.conftest import administrator, bench

__all__ = ["administrator", "bench"]
