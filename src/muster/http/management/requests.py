"""/api/v1/requests."""

from collections.abc import Iterator

from muster.access.connections import Connections
from muster.access.origins import CredentialOrigins, Origins
from muster.access.permissions import SCIM
from muster.directory.history.past import parse_time
from muster.directory.service import Directory
from muster.http.management.models.requests import (
    FindRequests,
    RequestAnswer,
    RequestDetail,
    RequestList,
)
from muster.http.management.pages import cut, read_cursor
from muster.http.management.router import ApiRoute, Call
from muster.http.wire.errors import at
from muster.http.wire.message import Response, json_response
from muster.insight.people import ids_of_person
from muster.scim.errors import not_found
from muster.storage.records.requests import (
    NO_KEY,
    PersonFilter,
    RecordedRequest,
    RequestFilter,
    RequestStore,
    number_of,
)


class RequestRoutes:
    """The operations on the requests that are kept."""

    def __init__(
        self,
        requests: RequestStore,
        directory: Directory,
        connections: Connections,
        origins: CredentialOrigins,
    ) -> None:
        self._requests = requests
        self._directory = directory
        self._connections = connections
        self._origins = origins

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
        limits = [limit for limit in (before, _number(query.until, "until")) if limit]
        since = _number(query.since, "since")
        person = None
        if query.person:
            ids = await ids_of_person(self._directory, call.caller, query.person)
            person = PersonFilter(query.person, ids)
        origins = await self._origins.of(call.workspace)
        keys = None
        if query.connection:
            with at("/connection"):
                connection = await self._connections.chosen(call.workspace, query.connection)
            keys = origins.credentials(connection.id)
        wanted = RequestFilter(
            keys=keys,
            before=min(limits, default=None),
            after=None if since is None else since - 1,
            key="" if query.key == NO_KEY else query.key or None,
            status=query.status or None,
            path=query.path or None,
            resource=query.resource or None,
            failed=query.failed,
            request_id=query.request or None,
            person=person,
            limit=query.limit + 1,
        )
        found = await self._requests.find(call.workspace, wanted)
        shown, following = cut(found, lambda kept: (kept.number,), query.limit)
        answer: RequestList = {
            "items": [_summary(kept, origins) for kept in shown],
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
        origins = await self._origins.of(call.workspace)
        detail: RequestDetail = {
            **_summary(kept, origins),
            "body": kept.body,
            "answer": kept.answer,
        }
        return json_response(200, detail)


def _number(time: str | None, name: str) -> int | None:
    """Return the lowest number of a request at a time; None for no time."""
    if not time:
        return None
    with at(f"/{name}"):
        return number_of(parse_time(time, name).timestamp())


def _summary(kept: RecordedRequest, origins: Origins) -> RequestAnswer:
    return {
        "number": str(kept.number),
        "time": kept.time,
        "request_id": kept.request_id,
        "key_id": kept.key_id,
        "connection": origins.of_credential(kept.key_id),
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
