"""The parts that the models of the management REST share.

Bodies and queries are pydantic models, which validate. Answers are typed dictionaries: mypy checks
them where they are built, they cost nothing when a request is answered, and pydantic describes them
in the OpenAPI document in the same way.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NotRequired

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, with_config
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict, JsonValue
from pydantic_core import PydanticCustomError, core_schema
from typing_extensions import TypedDict

from muster.access.lifecycle import MAX_REASON
from muster.access.permissions import ADMIN, PERMISSIONS
from muster.scim.values import Json

_MAX_DIGITS = 18


class Body(BaseModel):
    """A JSON object with camelCase names, each of exactly the declared type."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        alias_generator=to_camel,
        frozen=True,
        use_attribute_docstrings=True,
    )

    def given(self) -> dict[str, Json]:
        """The members that the client sent, by their names in JSON."""
        return self.model_dump(by_alias=True, exclude_unset=True)


def example_of_a_change(**members: JsonValue) -> Callable[[JsonDict], None]:
    """Describe a body in which members that are left out stay as they are: it has no defaults."""

    def describe(schema: JsonDict) -> None:
        schema["example"] = members
        properties = schema["properties"]
        assert isinstance(properties, dict)
        for found in properties.values():
            assert isinstance(found, dict)
            found.pop("default", None)

    return describe


class QueryParameters(BaseModel):
    """The query parameters of an operation; an unknown one is an error."""

    model_config = ConfigDict(
        extra="forbid", alias_generator=to_camel, frozen=True, use_attribute_docstrings=True
    )


@with_config(ConfigDict(use_attribute_docstrings=True))
class Answer(TypedDict):
    """A JSON object that is answered."""


class ListAnswer(Answer):
    """One page of a list."""

    nextCursor: str | None
    """Pass this as `cursor` to get the next page. Null on the last page."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """A string that must be one of these."""

    values: tuple[str, ...]

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.literal_schema(list(self.values))


def _integer(value: Any) -> Any:
    """Read an integer of the query string; digits alone, so that `1_0` and `1.0` are refused."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    digits = text.removeprefix("-").removeprefix("+")
    if digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS:
        return int(text)
    raise PydanticCustomError("integer", "Expected an integer.")


DIGITS = BeforeValidator(_integer)
"""Reads an integer of the query string; the last part of an annotation, after the bounds."""
Cursor = Annotated[str, Field(max_length=2000)]
"""The position at which a page of a list starts."""

Id = Annotated[str, Field(examples=["0193591c-1f00-7b5d-a1b2-3c4d5e6f7081"])]
KeyId = Annotated[str, Field(examples=["5f2b9c0d8e7a4b16"])]
Token = Annotated[str, Field(examples=["mGm0zX1oE4kq3JrYw5tV8A"])]
"""An opaque position among the changes of a workspace."""
Timestamp = Annotated[
    str,
    Field(json_schema_extra={"format": "date-time"}, examples=["2026-01-31T09:00:00.000Z"]),
]
Moment = Annotated[str, Field(min_length=1, max_length=100, examples=["2026-01-31T09:00:00Z"])]
"""A point in time that a client sends, as ISO 8601."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]
NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
Reason = Annotated[str, StringConstraints(max_length=MAX_REASON, pattern=NO_CONTROLS)]
"""The reason for a suspension or a pause."""
Permission = Annotated[str, OneOf(PERMISSIONS)]
KeyPermission = Annotated[str, OneOf((ADMIN, *PERMISSIONS))]
"""A permission of a key, or `Admin` for all of them."""
Actor = Annotated[str, Field(examples=["key:5f2b9c0d8e7a4b16"])]
Resource = Annotated[
    dict[str, Any],
    Field(
        examples=[
            {
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                "id": "0193591c-1f00-7b5d-a1b2-3c4d5e6f7081",
                "userName": "bjensen@example.com",
            }
        ]
    ),
]
"""A SCIM resource."""


class FieldProblem(Answer):
    """One value of a request that is in error."""

    pointer: Annotated[str, Field(examples=["/name"])]
    """A JSON Pointer (RFC 6901) into the body, or into the query parameters as an object."""
    detail: Annotated[str, Field(examples=["This field is required."])]
    """The error and its remedy."""


class Problem(Answer):
    """An error (RFC 9457)."""

    type: Annotated[str, Field(examples=["about:blank"])]
    """Always `about:blank`: `status` and `title` say all that the type could."""
    title: Annotated[str, Field(examples=["Bad Request"])]
    """The phrase of the HTTP status."""
    status: Annotated[int, Field(ge=400, le=599, examples=[400])]
    """The HTTP status."""
    detail: Annotated[str, Field(examples=["name: this field is required."])]
    """The error and its remedy."""
    errors: NotRequired[list[FieldProblem]]
    """The values of the request that are in error. Left out if no single value is at fault."""
    instance: NotRequired[str]
    """The id of the request as a URN, in the answer of the rate limit."""
    retryAfter: NotRequired[Annotated[int, Field(ge=0)]]
    """The number of seconds to wait, in the answer of the rate limit."""
