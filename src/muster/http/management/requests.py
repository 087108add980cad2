"""/api/v1/requests."""

from collections.abc import Iterator

from muster.access.permissions import SCIM
from muster.http.management.models.requests import (
    FindRequests,
    RequestAnswer,
    RequestDetail,
    RequestList,
)
from muster.http.management.pages import cut, read_cursor
from muster.http.management.router import ApiRoute, Call
from muster.http.wire.message import Response, json_response
from muster.scim.errors import not_found
from muster.storage.records.requests import RecordedRequest, RequestFilter, RequestStore


class RequestRoutes:
    """The operations on the requests that are kept."""

    def __init__(self, requests: RequestStore) -> None:
        self._requests = requests

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET",
            "/requests",
            SCIM,
            self.find_requests,
            "List the requests that are kept, newest first",
            query=FindRequests,
            answer=RequestList,
        )
        yield ApiRoute(
            "GET",
            "/requests/{number}",
            SCIM,
            self.get_request,
            "Retrieve a request with its body and answer",
            answer=RequestDetail,
        )

    async def find_requests(self, call: Call) -> Response:
        query = call.query(FindRequests)
        before = int(read_cursor(query.cursor, (0,))[0]) if query.cursor else query.before
        wanted = RequestFilter(
            before=before or None,
            key=query.key,
            status=query.status or None,
            path=query.path,
            resource=query.resource,
            limit=query.limit + 1,
        )
        found = await self._requests.find(call.workspace, wanted)
        shown, following = cut(found, lambda kept: (kept.number,), query.limit)
        answer: RequestList = {
            "items": [_summary(kept) for kept in shown],
            "nextCursor": following,
        }
        return json_response(200, answer)

    async def get_request(self, call: Call) -> Response:
        number = call.names["number"]
        kept = (
            await self._requests.get(call.workspace, int(number))
            if number.isascii() and number.isdigit() and len(number) < 19
            else None
        )
        if kept is None:
            raise not_found("there is no such request, or it is kept no more")
        return json_response(200, _detail(kept))


def _summary(kept: RecordedRequest) -> RequestAnswer:
    return {
        "number": str(kept.number),
        "time": kept.time,
        "request_id": kept.request_id,
        "key_id": kept.key_id,
        "operation": kept.operation,
        "method": kept.method,
        "path": kept.path,
        "query": kept.query,
        "status": kept.status,
        "milliseconds": kept.milliseconds,
        "address": kept.address,
        "agent": kept.agent,
        "quirks": kept.quirks.split(),
        "resource": kept.resource,
    }


def _detail(kept: RecordedRequest) -> RequestDetail:
    return {**_summary(kept), "body": kept.body, "answer": kept.answer}
