"""The reference for reads: a bare ASGI application that runs one statement per request."""

import os
import sqlite3

connection = sqlite3.connect(
    os.environ["CEILING_DATABASE"],
    isolation_level=None,
    check_same_thread=False,
    cached_statements=64,
)
connection.text_factory = bytes
connection.execute("PRAGMA cache_size = -49152")
HEADERS = [(b"content-type", b"application/scim+json")]
READ = 'SELECT document FROM resources WHERE "key" = ?'
BY_NAME = (
    'SELECT r.document FROM unique_values u JOIN resources r ON r."key" = u."key"'
    " WHERE u.workspace = 1 AND u.type = 'User' AND u.attribute = 'userName' AND u.value = ?"
)
LIST = "SELECT document FROM resources WHERE workspace = 1 AND type = 'User' ORDER BY \"key\" LIMIT 100"


def _answer(scope) -> bytes:
    kind, _, what = scope["path"][1:].partition("/")
    if kind == "key":
        return connection.execute(READ, (int(what),)).fetchone()[0]
    if kind == "name":
        return connection.execute(BY_NAME, (what,)).fetchone()[0]
    return b",".join(row[0] for row in connection.execute(LIST))


async def app(scope, receive, send) -> None:
    """Answer a request with the bytes of one statement."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            message = await receive()
            await send({"type": message["type"] + ".complete"})
        return
    body = _answer(scope)
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": body})
