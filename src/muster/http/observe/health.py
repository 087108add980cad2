"""Health checks: /healthz for the process, /readyz for its storage as well."""

from collections.abc import Awaitable, Callable

from muster.http.service import Service
from muster.http.wire.message import Request, Response, json_response
from muster.storage.port.engine import Storage
from muster.storage.port.errors import StorageError


async def healthz(_: Request) -> Response:
    """Report that the process is alive, independently of the storage."""
    return json_response(200, {"status": "ok"})


def readyz(
    storage: Storage, stopping: Callable[[], bool], service: Callable[[], Service]
) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of /readyz.

    It answers 503 with the reason if the storage does not respond, the server is stopping, or all
    places for requests are taken. A 200 has a list `degraded` while requests without a key are
    rejected.
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
