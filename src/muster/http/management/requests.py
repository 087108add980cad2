"""/api/v1/requests."""

from collections.abc import Iterator
from typing import Any

from muster.access.permissions import SCIM
from muster.http.management.router import ApiRoute, Call
from muster.http.scim.search import integer
from muster.http.wire.message import Response, json_response
from muster.scim.errors import not_found
from muster.storage.records.requests import RecordedRequest, RequestFilter, RequestStore

_SHOWN, _MAX_SHOWN = 50, 500


class RequestRoutes:
    """The operations on recorded requests."""

    def __init__(self, requests: RequestStore) -> None:
        self._requests = requests

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET",
            "/requests",
            SCIM,
            self.find_requests,
            "The requests that are kept, the newest first",
        )
        yield ApiRoute(
            "GET",
            "/requests/{number}",
            SCIM,
            self.get_request,
            "One request, with its body and its answer",
        )

    async def find_requests(self, call: Call) -> Response:
        parameters = call.request.parameters()
        status = integer(parameters, "status", 0)
        wanted = RequestFilter(
            before=integer(parameters, "before", 0) or None,
            key=parameters.get("key"),
            status=status or None,
            path=parameters.get("path"),
            resource=parameters.get("resource"),
            limit=max(1, min(integer(parameters, "limit", _SHOWN), _MAX_SHOWN)),
        )
        found = await self._requests.find(call.workspace, wanted)
        return json_response(200, [_shown(kept, whole=False) for kept in found])

    async def get_request(self, call: Call) -> Response:
        number = call.names["number"]
        kept = (
            await self._requests.get(call.workspace, int(number))
            if number.isdigit() and len(number) < 19
            else None
        )
        if kept is None:
            raise not_found("there is no such request, or it is kept no more")
        return json_response(200, _shown(kept, whole=True))


def _shown(kept: RecordedRequest, whole: bool) -> dict[str, Any]:
    """A request as JSON; whole: with its body and its answer."""
    told = kept._asdict()
    if not whole:
        del told["body"], told["answer"]
    return {**told, "number": str(kept.number), "quirks": kept.quirks.split()}
