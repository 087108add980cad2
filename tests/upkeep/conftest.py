"""The storage of each engine, as tests/storage provides it."""

from tests.storage.conftest import bench

__all__ = ["bench"]
