"""The PostgreSQL engine (14 and later) on asyncpg: a pool, group commit by workspace, keys and settings told by NOTIFY."""

from muster.storage.postgres.engine import PostgresStorage

__all__ = ["PostgresStorage"]
