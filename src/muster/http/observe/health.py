"""/healthz: the process answers. /readyz: so does its storage."""

from collections.abc import Awaitable, Callable

from muster.http.service import Service
from muster.http.wire.message import Request, Response, json_response
from muster.storage.port.engine import Storage
from muster.storage.port.errors import StorageError


async def healthz(_: Request) -> Response:
    """Alive, whatever the storage does."""
    return json_response(200, {"status": "ok"})


def readyz(
    storage: Storage, stopping: Callable[[], bool], service: Callable[[], Service]
) -> Callable[[Request], Awaitable[Response]]:
    """Ready if the storage answers; 503 with the reason if it does not, the server is about to stop, or no place is free.

    A 200 has a list `degraded` while requests without a key are refused.
    """

    async def page(_: Request) -> Response:
        reason = "this server is stopping" if stopping() else service().overloaded()
        if reason is not None:
            return json_response(503, {"status": "unavailable", "detail": reason})
        try:
            await storage.ready()
        except StorageError as error:
            return json_response(503, {"status": "unavailable", "detail": str(error)})
        refused = service().degraded()
        return json_response(200, {"status": "ok", **({"degraded": refused} if refused else {})})

    return page
