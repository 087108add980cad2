"""The former version: its source from the history, and what it left behind in files.

`former/` has a database that it made, as SQL, and the statements that it executed on that database
after a migration by the present version. So the migration can be tested against it without the
history, which an archive of the source does not have. `python -m tests.support.former` makes the
files anew.
"""

import io
import shutil
import sqlite3
import subprocess
import tarfile
from pathlib import Path

COMMIT = "b1afb9915e85b1cabe7cc111b5de1a1b224b7c82"
"""Its last commit."""
REVISION = "0008"
"""The revision of its databases."""
ROOT = Path(__file__).parents[2]
_FOLDER = Path(__file__).parent.parent / "storage" / "former"
DATABASE, STATEMENTS = _FOLDER / "database.sql", _FOLDER / "statements.sql"
TOKEN = _FOLDER / "token"
"""A key of the database."""
_END = "-- end\n"
"""Follows each statement."""
_TRACER = """
import os, sqlite3, threading
connect, lock = sqlite3.connect, threading.Lock()
def traced(*arguments, **options):
    connection = connect(*arguments, **options)
    def write(statement):
        with lock, open(os.environ["TRACE"], "a") as file:
            file.write(statement + "\\n-- end\\n")
    connection.set_trace_callback(write)
    return connection
sqlite3.connect = traced
"""


def source(folder: Path) -> Path | None:
    """Unpack the source. Returns the path to import it from; None if the history is missing."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(ROOT), "archive", COMMIT, "src/muster"]
    archive = subprocess.run(command, capture_output=True, check=False)
    if archive.returncode:
        return None
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as packed:
        packed.extractall(folder, filter="data")
    return folder / "src"


def database(path: Path) -> Path:
    """Make the database as it was before the migration."""
    connection = sqlite3.connect(path)
    connection.executescript(DATABASE.read_text())
    connection.close()
    return path


def execute(path: Path) -> int:
    """Execute the statements on a migrated database. Returns their number."""
    connection = sqlite3.connect(path, isolation_level=None)
    done = 0
    for statement in STATEMENTS.read_text().split(_END)[:-1]:
        connection.execute(statement).fetchall()
        done += 1
    connection.close()
    return done
