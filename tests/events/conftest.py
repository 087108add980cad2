"""A started storage of each engine, and its administrators."""

from tests.access.conftest import administrator, bench

__all__ = ["administrator", "bench"]
