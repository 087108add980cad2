"""The ceilings on PostgreSQL: a bare ASGI application that runs one statement a request by asyncpg.

Its connections are kept in a queue: asyncpg's own pool would reset one with a statement each time that it comes back.
"""

import asyncio
import os

import asyncpg

HEADERS = [(b"content-type", b"application/scim+json")]
READ = "SELECT version, convert_to(document, 'UTF8') FROM resources WHERE workspace = 1 AND \"key\" = $1"
BY_NAME = (
    "SELECT convert_to(r.document, 'UTF8') FROM unique_values u"
    ' JOIN resources r ON r.workspace = u.workspace AND r."key" = u."key"'
    " WHERE u.workspace = 1 AND u.type = 'User' AND u.attribute = 'userName' AND u.value = $1"
)
LIST = "SELECT convert_to(document, 'UTF8') FROM resources WHERE workspace = 1 AND type = 'User' ORDER BY \"key\" LIMIT 100"
_CONNECTIONS = 10
_idle: asyncio.LifoQueue[asyncpg.Connection] = asyncio.LifoQueue()


async def _answer(scope) -> bytes:
    kind, _, what = scope["path"][1:].partition("/")
    connection = await _idle.get()
    try:
        if kind == "key":
            return (await connection.fetchrow(READ, int(what)))[1]
        if kind == "name":
            return (await connection.fetchrow(BY_NAME, what))[0]
        return b",".join(row[0] for row in await connection.fetch(LIST))
    finally:
        _idle.put_nowait(connection)


async def app(scope, receive, send) -> None:
    """One request, one statement, its bytes."""
    if scope["type"] == "lifespan":
        await receive()
        for _ in range(_CONNECTIONS):
            _idle.put_nowait(await asyncpg.connect(os.environ["CEILING_DATABASE"]))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = await _answer(scope)
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": body})
