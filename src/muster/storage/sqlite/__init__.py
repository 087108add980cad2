"""The SQLite engine."""

from muster.storage.sqlite.engine import SqliteStorage

__all__ = ["SqliteStorage"]
