"""The models of /requests."""

from typing import Annotated

from pydantic import Field

from muster.http.management.models.base import (
    DIGITS,
    Answer,
    Cursor,
    Id,
    KeyId,
    ListAnswer,
    QueryParameters,
    Timestamp,
)


class FindRequests(QueryParameters):
    """The parameters of a list of requests."""

    cursor: Cursor = ""
    """The `nextCursor` of the page before. Empty for the newest requests."""
    limit: Annotated[int, Field(ge=1, le=500), DIGITS] = 50
    """The maximum number of requests in a page."""
    before: Annotated[int, Field(ge=0), DIGITS] = 0
    """Deprecated: use `cursor`. The `number` of a request; lists those before it."""
    key: Annotated[str, Field(max_length=200)] = ""
    """Only requests with this API key, by its id; `none` for those without a known key."""
    connection: Annotated[str, Field(max_length=100)] = ""
    """Only requests of this connection, by its id or name."""
    status: Annotated[int, Field(ge=0, le=599), DIGITS] = 0
    """Only requests with this status, or this first digit of the status."""
    path: Annotated[str, Field(max_length=2000)] = ""
    """Only requests whose path starts with this."""
    resource: Annotated[str, Field(max_length=200)] = ""
    """Only requests about this user or group, by its id."""
    person: Annotated[str, Field(max_length=200)] = ""
    """Only requests about people whose userName, e-mail address or name this is a part of. Refused
    creations are found by their body."""
    since: Annotated[str, Field(max_length=100)] = ""
    """Only requests at or after this time, as ISO 8601; in UTC if it has no offset."""
    until: Annotated[str, Field(max_length=100)] = ""
    """Only requests before this time, as ISO 8601; in UTC if it has no offset."""
    failed: bool = False
    """Only requests that were answered with status 400 or above."""
    request: Annotated[str, Field(max_length=100)] = ""
    """Only the request with this `X-Request-Id`."""


class RequestAnswer(Answer):
    """A request that is kept, without its body."""

    number: Annotated[str, Field(examples=["112742891520000000"])]
    """The number of the request. Later requests have higher numbers."""
    time: Timestamp
    """The time of the request."""
    request_id: Annotated[str, Field(examples=["3f9a1c20b7d4-1f"])]
    """The `X-Request-Id` of the answer."""
    key_id: KeyId
    """The id of the API key. Empty if it is unknown, as of a request with an unknown key (401)."""
    connection: Annotated[str | None, Field(examples=["default"])]
    """The id of the connection of the API key. Null if it is unknown."""
    operation: Annotated[str, Field(examples=["createUser"])]
    """The operation, as the OpenAPI document names it."""
    method: Annotated[str, Field(examples=["POST"])]
    """The HTTP method."""
    path: Annotated[str, Field(examples=["/scim/v2/Users"])]
    """The path."""
    query: str
    """The query string."""
    status: Annotated[int, Field(examples=[201])]
    """The HTTP status of the answer."""
    milliseconds: int
    """The time it took to answer."""
    address: Annotated[str, Field(examples=["192.0.2.7"])]
    """The address of the client."""
    agent: Annotated[str, Field(examples=["Okta SCIM Client 1.0.0"])]
    """The `User-Agent` of the client."""
    quirks: list[Annotated[str, Field(examples=["boolean-as-string"])]]
    """The deviations from the RFCs that the request showed."""
    resource: Id
    """The id of the resource that the request was about. Empty if it was about none."""


class RequestDetail(RequestAnswer):
    """A request that is kept, with its body and answer."""

    body: str
    """The body of the request, shortened and without secrets."""
    answer: str
    """The body of the answer, shortened and without secrets."""


class RequestList(ListAnswer):
    """The requests that are kept, newest first."""

    items: list[RequestAnswer]
    """The requests of this page."""
