"""The request bodies of the management API, each as a pydantic model.

Values are read strictly: no type is converted into another, and an unknown name is an error.
"""

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from muster.scim.document import json_type
from muster.scim.errors import ScimError, invalid_syntax, invalid_value
from muster.scim.values import Json

_SHOWN = 5
_LABEL = 100
_MAX_SECONDS = 10 * 366 * 86400
_MAX_RATE = 2**31 - 1
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]


class Body(BaseModel):
    """A JSON object with camelCase names, each of exactly the declared type."""

    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel, frozen=True)


B = TypeVar("B", bound=Body)


class Restore(Body):
    """Which state to restore: the one after a change of the history, or the one at a moment."""

    change: str | None = None
    time: str | None = None
    override: bool = False


class UndoSelection(Body):
    """Which resources to undo, as a plan listed them."""

    key: str
    since: str
    until: str
    at: str
    resources: Annotated[list[str], Field(min_length=1)]
    override: bool = False


class Wipe(Body):
    """The name of the workspace to empty, to confirm it."""

    workspace: str


class NewKey(Body):
    """An API key to create. Without a role and permissions it is an administrator's."""

    name: Name
    role: str | None = None
    permissions: list[str] | None = None
    user: str | None = None
    rate_limit: Annotated[int | None, Field(ge=0, le=_MAX_RATE)] = None
    expires_in_seconds: Annotated[int | None, Field(ge=1, le=_MAX_SECONDS)] = None


class Rotation(Body):
    """How long the old key stays valid."""

    overlap_seconds: Annotated[int | None, Field(ge=0, le=_MAX_SECONDS)] = None


class NewRole(Body):
    """A role to create."""

    name: str
    permissions: list[str]


class RolePermissions(Body):
    """The permissions of a role. Its name cannot change, and may be left out."""

    name: str | None = None
    permissions: list[str]


class PasswordCheck(Body):
    """A user name and a password to verify."""

    user_name: Text
    password: Text


class Redelivery(Body):
    """One event to send again, or the cursor after which to send all events again."""

    event: str | None = None
    from_: Annotated[str | None, Field(alias="from")] = None


def read_body(model: type[B], raw: Json) -> B:
    """Validate a JSON body. Raises ScimError 400 that names each wrong value."""
    if not isinstance(raw, dict):
        raise invalid_syntax(f"the body must be a JSON object, and is {json_type(raw)}")
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise _refusal(error) from None


def _refusal(error: ValidationError) -> ScimError:
    """What is wrong with a body, value by value."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    shown = [f"{_place(item['loc'])}: {item['msg']}" for item in found[:_SHOWN]]
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return invalid_value("; ".join(shown) + more)


def _place(location: tuple[int | str, ...]) -> str:
    """Where a value is, as `attributes[0].name`."""
    path = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part[:_LABEL]}" for part in location
    )
    return path.removeprefix(".") or "body"
