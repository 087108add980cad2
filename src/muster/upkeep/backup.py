"""`muster backup` and `muster restore` for SQLite: the online backup, whole and checked, while others read and write."""

import os
import sqlite3
from pathlib import Path

from muster.storage.port.errors import StorageCorrupt, StorageError
from muster.storage.sqlite.connection import translated


def backup(database: str, file: Path) -> int:
    """Copy a database, as it is at one moment, to a file that is not there yet. Returns its size in bytes.

    The copy is checked, and flushed to the disk, before it takes its name. Raises StorageError.
    """
    if not Path(database).exists():
        raise StorageError(f"there is no database at {database}")
    return _copy(Path(database), file)


def restore(file: Path, database: str) -> int:
    """Put a backup in the place of a database that is not there. Returns its size in bytes. Raises StorageError."""
    if not file.exists():
        raise StorageError(f"there is no backup at {file}")
    for beside in ("-wal", "-shm"):
        if Path(database + beside).exists():
            raise StorageError(
                f"{database}{beside} is there: remove what is left of the database that was there before"
            )
    return _copy(file, Path(database))


def _copy(source: Path, target: Path) -> int:
    if target.exists():
        raise StorageError(f"{target} is there already, and is left as it is")
    partial = target.with_name(target.name + ".partial")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600))
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror}") from None
    try:
        with translated():
            _copy_pages(source, partial)
        _flush(partial)
        os.rename(partial, target)
        _flush(target.parent)
    finally:
        partial.unlink(missing_ok=True)
    return target.stat().st_size


def _copy_pages(source: Path, target: Path) -> None:
    reader, writer = sqlite3.connect(source), sqlite3.connect(target)
    try:
        reader.execute("PRAGMA query_only = ON")
        reader.backup(writer)  # in one step: of several, each would begin again after a write
        if writer.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            raise StorageCorrupt(f"{source} is damaged: see muster check")
        writer.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
        installation = writer.execute(
            "SELECT count(*) FROM sqlite_master WHERE name = 'installation'"
        ).fetchone()[0]
        if not installation:
            raise StorageError(f"{source} is no database of muster")
    finally:
        reader.close()
        writer.close()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
