"""A started storage of each engine, as the tests of the storage have it."""

from tests.storage.conftest import bench

__all__ = ["bench"]
