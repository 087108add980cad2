"""The storage of each engine, as tests/storage has it."""

from tests.storage.conftest import bench

__all__ = ["bench"]
