"""The SQLite engine: WAL, synchronous=FULL, one writer that commits in groups, readers beside it."""

from muster.storage.sqlite.engine import SqliteStorage

__all__ = ["SqliteStorage"]
