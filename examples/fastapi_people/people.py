"""The people of this product, and their sessions, in a database of its own."""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_TABLES = """
CREATE TABLE IF NOT EXISTS people (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    gone INTEGER NOT NULL,
    active INTEGER NOT NULL,
    user_name TEXT NOT NULL,
    display_name TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS sessions (token TEXT PRIMARY KEY, person TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS feed (id INTEGER PRIMARY KEY CHECK (id = 1), cursor TEXT NOT NULL);
"""


class People:
    """Stores people by their id in muster, which never changes.

    Args:
        path: The file of the database.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        with self._transaction() as database:
            database.executescript(_TABLES)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        database = sqlite3.connect(self._path, isolation_level=None)
        database.row_factory = sqlite3.Row
        try:
            database.execute("BEGIN IMMEDIATE")
            yield database
            database.commit()
        finally:
            database.close()

    def active(self) -> list[dict[str, str]]:
        """Return the people who may use the product, by name."""
        with self._transaction() as database:
            rows = database.execute(
                "SELECT id, user_name, display_name FROM people WHERE active ORDER BY display_name"
            )
            return [dict(row) for row in rows]

    def apply(self, person: str, version: int, user: dict[str, Any] | None) -> str:
        """Bring a person to a state that muster reports, unless a newer one is known.

        Args:
            person: The id of the user in muster.
            version: The version of the user in that state.
            user: The SCIM user; None if it is deleted.

        Returns:
            "joined" or "left" if the person did; an empty text otherwise.
        """
        with self._transaction() as database:
            known = database.execute("SELECT * FROM people WHERE id = ?", (person,)).fetchone()
            if known and (version, user is None) < (known["version"], bool(known["gone"])):
                return ""
            active = user is not None and user.get("active", True)
            name = user["userName"] if user else ""
            shown = user.get("displayName", name) if user else ""
            database.execute(
                "INSERT OR REPLACE INTO people VALUES (?, ?, ?, ?, ?, ?)",
                (person, version, user is None, active, name, shown),
            )
            if not active:
                database.execute("DELETE FROM sessions WHERE person = ?", (person,))
            was_active = bool(known and known["active"])
            return "" if active == was_active else "joined" if active else "left"

    def sign_in(self, user_name: str) -> str | None:
        """Begin a session. Returns its token; None if nobody active has this name."""
        with self._transaction() as database:
            found = database.execute(
                "SELECT id FROM people WHERE active AND user_name = ? COLLATE NOCASE", (user_name,)
            ).fetchone()
            if found is None:
                return None
            token = secrets.token_urlsafe(32)
            database.execute("INSERT INTO sessions VALUES (?, ?)", (token, found["id"]))
            return token

    def signed_in(self, token: str) -> dict[str, str] | None:
        """Return the person of a session; None if the session has ended."""
        with self._transaction() as database:
            found = database.execute(
                "SELECT id, user_name, display_name FROM people"
                " JOIN sessions ON sessions.person = people.id WHERE token = ? AND active",
                (token,),
            ).fetchone()
            return dict(found) if found else None

    def known(self) -> dict[str, int]:
        """Return the versions of all people who are not gone, by id."""
        with self._transaction() as database:
            rows = database.execute("SELECT id, version FROM people WHERE NOT gone")
            return {row["id"]: row["version"] for row in rows}

    def cursor(self) -> str | None:
        """Return the position in the feed up to which changes are applied; None at first."""
        with self._transaction() as database:
            found = database.execute("SELECT cursor FROM feed").fetchone()
            return found["cursor"] if found else None

    def keep_cursor(self, cursor: str) -> None:
        """Store the position in the feed up to which changes are applied."""
        with self._transaction() as database:
            database.execute("INSERT OR REPLACE INTO feed VALUES (1, ?)", (cursor,))
