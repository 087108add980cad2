"""The model of /doctor."""

from typing import Annotated

from pydantic import Field

from muster.http.management.models.base import Answer, Id, QueryParameters, Timestamp

_Key = Annotated[str, Field(examples=["Okta"])]
_Count = Annotated[int, Field(ge=1)]


class GetDoctor(QueryParameters):
    """The parameters of the doctor."""

    connection: Annotated[str, Field(max_length=100)] = ""
    """Only findings of this connection, by its id or name."""


class FindingState(Answer):
    """The members that all findings have."""

    id: Annotated[str, Field(examples=["6f1c0d9a2b3e4f58"])]
    """The id of the finding. It stays the same when the finding occurs again."""
    connection: Annotated[str | None, Field(examples=["default"])]
    """The id of the connection of the API key. Null if it is unknown."""
    latestRequest: Annotated[str, Field(examples=["112742891520000000"])]
    """The `number` of the latest request that shows it."""
    trend: Annotated[list[int], Field(min_length=7, max_length=7, examples=[[0, 0, 2, 1, 0, 4, 1]])]
    """How often it occurred on each of the last seven days in UTC, the oldest first."""
    resolved: Timestamp | None
    """The time at which it was marked as resolved. Null if it was not, or occurred again since."""


class DialectAnswer(FindingState):
    """A deviation from the RFCs that a client shows."""

    key: _Key
    """The name of the API key, or its id if it is not known any more."""
    dialect: Annotated[str, Field(examples=["boolean-as-string"])]
    """The name of the deviation."""
    sends: str
    """The form that the client sends."""
    means: str
    """The meaning that muster gives it."""
    count: _Count
    """The number of requests that are kept and show it."""


class RefusalAnswer(FindingState):
    """Requests of one kind that were refused."""

    key: _Key
    """The name of the API key, or its id if it is not known any more."""
    operation: Annotated[str, Field(examples=["createUser"])]
    """The operation, as the OpenAPI document names it."""
    status: Annotated[int, Field(examples=[409])]
    """The HTTP status."""
    cause: Annotated[str, Field(examples=["guard"])]
    """The cause: guard, allowlist, provisioning, deprovisioning, permission, rateLimit, uniqueness,
    schema, search, key, notFound, version, baseUrl, cursor, conflict, forbidden or other."""
    count: _Count
    """The number of requests that are kept and were refused so."""
    fix: str
    """The remedy."""


class LostUser(FindingState):
    """A user whom a client tries to create although the user exists."""

    key: _Key
    """The name of the API key, or its id if it is not known any more."""
    userName: Annotated[str, Field(examples=["bjensen@example.com"])]
    """The `userName` of the user."""
    user: Id
    """The id of the user."""
    count: _Count
    """The number of attempts."""


class DoctorAnswer(Answer):
    """The findings of the doctor in the requests that are kept, the resolved ones included."""

    dialects: list[DialectAnswer]
    """Deviations from the RFCs that clients show."""
    refusals: list[RefusalAnswer]
    """Requests that were refused."""
    lostUsers: list[LostUser]
    """Users whose ids a client has lost."""
