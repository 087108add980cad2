"""Reads bodies and query parameters as pydantic models, and words the errors."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from muster.http.management.models.base import NO_CONTROLS, Body, QueryParameters
from muster.http.wire.errors import FieldError, InvalidRequest
from muster.scim.document import json_type
from muster.scim.errors import invalid_syntax
from muster.scim.values import Json

_SHOWN = 20
_LABEL = 100
B = TypeVar("B", bound=Body)
Q = TypeVar("Q", bound=QueryParameters)


def read_body(model: type[B], raw: Json) -> B:
    """Validate a JSON body. Raises InvalidRequest 400 that names each value in error."""
    if not isinstance(raw, dict):
        raise invalid_syntax(f"body: expected a JSON object, got {json_type(raw)}")
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise _refusal(error, "field", _names(model)) from None


def read_query(model: type[Q], parameters: Mapping[str, str]) -> Q:
    """Validate query parameters. Raises InvalidRequest 400 that names each parameter in error."""
    try:
        return model.model_validate(dict(parameters))
    except ValidationError as error:
        raise _refusal(error, "parameter", _names(model)) from None


def _names(model: type[Body] | type[QueryParameters]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _refusal(error: ValidationError, noun: str, names: list[str]) -> InvalidRequest:
    """Build the 400 of a validation error.

    Args:
        error: The error of pydantic.
        noun: The word for a member of the model: parameter or field.
        names: The names of its members.
    """
    found = error.errors(include_url=False)
    errors = [
        FieldError(_pointer(item["loc"]), _sentence(item, noun, names)) for item in found[:_SHOWN]
    ]
    shown = [
        f"{_path(item['loc'])}: {told.detail[0].lower()}{told.detail[1:]}"
        for item, told in zip(found, errors, strict=False)
    ]
    more = f" {len(found) - _SHOWN} more errors are not listed." if len(found) > _SHOWN else ""
    return InvalidRequest(400, " ".join(shown) + more, errors)


def _sentence(item: ErrorDetails, noun: str, names: list[str]) -> str:
    """Word an error of pydantic's."""
    context, value = item.get("ctx", {}), item["input"]
    match item["type"]:
        case "missing":
            return f"This {noun} is required."
        case "extra_forbidden":
            return _unknown(item, noun, names)
        case "literal_error":
            got = "another value" if isinstance(value, str) else json_type(value)
            return f"Expected {context['expected']}, got {got}."
        case "string_pattern_mismatch" if context["pattern"] == r"\S":
            return "Expected text, got white space only."
        case "string_pattern_mismatch" if context["pattern"] == NO_CONTROLS:
            return "Expected text in a line, without control characters."
        case "too_short" | "too_long" | "string_too_short" | "string_too_long" as which:
            return _length(which, context, value)
        case "greater_than_equal":
            return f"Expected at least {context['ge']:,}, got {value:,}."
        case "less_than_equal":
            return f"Expected at most {context['le']:,}, got {value:,}."
        case "int_from_float":
            return "Expected an integer, got a fraction."
        case of_type if of_type in _TYPES:
            return f"Expected {_TYPES[of_type]}, got {json_type(value)}."
        case _:
            return item["msg"]


_TYPES = {
    "string_type": "a string",
    "int_type": "an integer",
    "bool_type": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}


def _unknown(item: ErrorDetails, noun: str, names: list[str]) -> str:
    if len(item["loc"]) > 1:
        return f"Unknown {noun}. Remove it, or correct its spelling."
    if not names:
        return f"Unknown {noun}. This operation takes none."
    return f"Unknown {noun}. The {noun}s are {', '.join(names)}."


def _length(which: str, context: Mapping[str, Any], value: str | list[Json]) -> str:
    bound = "at least" if which.endswith("short") else "at most"
    number = context.get("min_length", context.get("max_length", 0))
    unit = "character" if isinstance(value, str) else "element"
    plural = "" if number == 1 else "s"
    return f"Expected {bound} {number:,} {unit}{plural}, got {len(value):,}."


def _pointer(location: tuple[int | str, ...]) -> str:
    """The JSON Pointer of a value (RFC 6901)."""
    escaped = (str(part)[:_LABEL].replace("~", "~0").replace("/", "~1") for part in location)
    return "".join(f"/{part}" for part in escaped)


def _path(location: tuple[int | str, ...]) -> str:
    """The place of a value for a reader, as `attributes[0].name`."""
    path = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part[:_LABEL]}" for part in location
    )
    return path.removeprefix(".") or "body"
