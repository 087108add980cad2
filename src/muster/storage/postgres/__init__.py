"""The PostgreSQL engine."""

from muster.storage.postgres.engine import PostgresStorage

__all__ = ["PostgresStorage"]
