"""/healthz: the process answers. /readyz: so does its storage."""

from collections.abc import Awaitable, Callable

from muster.http.message import Request, Response, json_response
from muster.storage.port import Storage, StorageError


async def healthz(_: Request) -> Response:
    """Alive, whatever the storage does."""
    return json_response(200, {"status": "ok"})


def readyz(storage: Storage, stopping: Callable[[], bool]) -> Callable[[Request], Awaitable[Response]]:
    """Ready where the storage answers; 503 with the reason where it does not, or where the server is about to stop."""

    async def page(_: Request) -> Response:
        if stopping():
            return json_response(503, {"status": "unavailable", "detail": "this server is stopping"})
        try:
            await storage.ready()
        except StorageError as error:
            return json_response(503, {"status": "unavailable", "detail": str(error)})
        return json_response(200, {"status": "ok"})

    return page
