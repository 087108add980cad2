"""The model of /doctor."""

from typing import Annotated

from pydantic import Field

from muster.http.management.models.base import Answer, Id

_Key = Annotated[str, Field(examples=["Okta"])]
_Count = Annotated[int, Field(ge=1)]


class DialectAnswer(Answer):
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


class RefusalAnswer(Answer):
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


class LostUser(Answer):
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
    """The findings of the doctor in the requests that are kept."""

    dialects: list[DialectAnswer]
    """Deviations from the RFCs that clients show."""
    refusals: list[RefusalAnswer]
    """Requests that were refused."""
    lostUsers: list[LostUser]
    """Users whose ids a client has lost."""
