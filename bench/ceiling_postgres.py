"""The ceilings on PostgreSQL: a bare ASGI application that runs one statement a request by asyncpg."""

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
state = {}


async def _answer(scope) -> bytes:
    kind, _, what = scope["path"][1:].partition("/")
    if "pool" not in state:
        state["pool"] = await asyncpg.create_pool(os.environ["CEILING_DATABASE"], min_size=10, max_size=10)
    pool = state["pool"]
    if kind == "key":
        return (await pool.fetchrow(READ, int(what)))[1]
    if kind == "name":
        return (await pool.fetchrow(BY_NAME, what))[0]
    return b",".join(row[0] for row in await pool.fetch(LIST))


async def app(scope, receive, send) -> None:
    """One request, one statement, its bytes."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            message = await receive()
            await send({"type": message["type"] + ".complete"})
        return
    body = await _answer(scope)
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": body})
