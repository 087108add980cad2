"""`muster backup` and `muster restore` for SQLite.

The online backup of SQLite copies a consistent snapshot while other processes read and write.
"""

import os
import sqlite3
from pathlib import Path

from muster.base.progress import Progress, silent
from muster.storage.port.errors import StorageCorrupt, StorageError
from muster.storage.records.sealing import READ_SECRET
from muster.storage.sqlite.connection import translated

_PAGES = 2000
"""Pages in a step of a copy."""


def backup(database: str, file: Path, progress: Progress = silent) -> int:
    """Copy a database, as it is at one moment, to a new file.

    The copy is verified and flushed to the disk before it takes its name.

    Args:
        database: The path of the database; it may be in use.
        file: The file to create.
        progress: Called with the number of pages that have been copied.

    Returns:
        The size of the copy in bytes.

    Raises:
        StorageError: The database does not exist, the file exists, or the copy failed.
    """
    if not Path(database).exists():
        raise StorageError(f"no database at {database}; name it with --database or MUSTER_DATABASE")
    return _copy(Path(database), file, progress)


def restore(file: Path, database: str, progress: Progress = silent) -> int:
    """Create a database from a backup. Arguments and errors are those of `backup`."""
    if not file.exists():
        raise StorageError(f"no backup at {file}")
    for beside in ("-wal", "-shm"):
        if Path(database + beside).exists():
            raise StorageError(
                f"{database}{beside} is left from an earlier database; move it away first"
            )
    return _copy(file, Path(database), progress)


def stored_secret(database: Path) -> bytes:
    """Return the secret of the installation in a database, as it is stored."""
    connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)
    try:
        with translated():
            secret: bytes = connection.execute(READ_SECRET).fetchone()[0]
        return secret
    finally:
        connection.close()


def _copy(source: Path, target: Path, progress: Progress) -> int:
    if target.exists():
        raise StorageError(
            f"{target} exists already, and was not overwritten; move it away or choose another"
        )
    partial = target.with_name(target.name + ".partial")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600))
    except OSError as error:
        raise StorageError(
            f"cannot write {target}: {(error.strerror or str(error)).lower()}"
        ) from None
    try:
        with translated():
            _copy_pages(source, partial, progress)
        _flush(partial)
        os.rename(partial, target)
        _flush(target.parent)
    finally:
        partial.unlink(missing_ok=True)
    return target.stat().st_size


def _copy_pages(source: Path, target: Path, progress: Progress) -> None:
    copied = 0

    def step(_: int, remaining: int, total: int) -> None:
        nonlocal copied
        progress(total - remaining - copied, total)
        copied = total - remaining

    reader, writer = sqlite3.connect(source), sqlite3.connect(target)
    try:
        reader.execute("PRAGMA query_only = ON")
        # Without a transaction, a step would begin again after each commit of another process: the
        # copy of a busy database would never end. Within one, all steps read the same snapshot.
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_master")
        reader.backup(writer, pages=_PAGES, progress=step)
        if writer.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            raise StorageCorrupt(f'{source} is damaged; see "muster check"')
        writer.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
        installation = writer.execute(
            "SELECT count(*) FROM sqlite_master WHERE name = 'installation'"
        ).fetchone()[0]
        if not installation:
            raise StorageError(f"{source} is not a muster database")
    finally:
        reader.close()
        writer.close()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
