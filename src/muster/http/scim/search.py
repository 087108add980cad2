"""Search parameters, from a query or a SearchRequest (RFC 7644 section 3.4)."""

from collections.abc import Callable

from muster.directory.service import Search
from muster.scim.dialects import Dialect
from muster.scim.document import json_type
from muster.scim.errors import ScimError, invalid_filter, invalid_value
from muster.scim.filter.predicate import Test
from muster.scim.filter.shapes import read_quickly
from muster.scim.indexing import index_of
from muster.scim.messages import SEARCH_REQUEST, check_schemas, fields_of
from muster.scim.schema.discovery import Limits
from muster.scim.schema.model import ResourceType
from muster.scim.values import Json

_MAX_INTEGER_LENGTH = 19
_TEXTS = ("filter", "sortBy", "sortOrder", "domain", "cursor")
_NUMBERS = ("startIndex", "count")
_LISTS = ("attributes", "excludedAttributes")
_NAMES = (*_TEXTS, *_NUMBERS, *_LISTS)
_CANONICAL = {name.lower(): name for name in _NAMES}


def unique_search(parameters: dict[str, str], resource_type: ResourceType) -> Test | None:
    """Return the comparison of a search that only looks up one unique value, or None.

    Every provider sends such a search before it creates a user, and it needs a single read. All
    other searches, invalid ones included, are parsed in full.
    """
    if len(parameters) != 1 or (text := parameters.get("filter")) is None:
        return None
    predicate = read_quickly(text, resource_type)
    if isinstance(predicate, Test) and predicate.operator == "eq":
        return predicate if predicate.field.name in index_of(resource_type).unique else None
    return None


def search_of(parameters: dict[str, str], limits: Limits) -> Search:
    """Build a search from parameters, with its page within the limits."""
    by_cursor = "cursor" in parameters
    if by_cursor and "startIndex" in parameters:
        raise invalid_value("startIndex and cursor cannot be combined (RFC 9865)")
    start_index = max(1, integer(parameters, "startIndex", 1))
    count = max(
        0,
        integer(
            parameters,
            "count",
            limits.default_page,
            "invalidCount" if by_cursor else "invalidValue",
        ),
    )
    order = parameters.get("sortOrder", "ascending").lower()
    if order not in ("ascending", "descending"):
        raise invalid_value("sortOrder: expected ascending or descending")
    text = parameters.get("filter")
    if text is not None and not text.strip():
        raise invalid_filter("position 1: the filter is empty")
    domain = parameters.get("domain")
    if domain is not None and not domain.strip():
        raise invalid_value("domain: expected a domain such as example.com")
    count = min(count, limits.max_results)
    return Search(
        text, domain, parameters.get("sortBy"), order == "descending", start_index, count, by_cursor
    )


def named(parameters: dict[str, str], dialect: Callable[[], Dialect]) -> dict[str, str]:
    """Return query parameters by their names in the RFC, matched case-insensitively.

    Otherwise `Filter` would be ignored and list everything. Unknown parameters are kept unchanged.

    Raises:
        ScimError: invalidValue if a parameter is given twice.
    """
    if all(name in _NAMES or name.lower() not in _CANONICAL for name in parameters):
        return parameters
    found: dict[str, str] = {}
    for name, value in parameters.items():
        canonical = _CANONICAL.get(name.lower(), name)
        if canonical in found:
            raise invalid_value(f"The parameter {canonical!r} is given twice.")
        if canonical != name:
            dialect().take("message-key-case", name)
        found[canonical] = value
    return found


def parameters_of(message: Json, dialect: Dialect) -> dict[str, str]:
    """Return the parameters in a SearchRequest.

    Raises:
        ScimError: invalidSyntax or invalidValue.
    """
    fields = fields_of(message, ("schemas", *_NAMES), dialect, others=False)
    check_schemas(fields.get("schemas"), SEARCH_REQUEST, dialect)
    return {name: _text(name, fields[name]) for name in _NAMES if fields.get(name) is not None}


def _text(name: str, value: Json) -> str:
    if name in _LISTS and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    if name in _NUMBERS and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if name in _TEXTS and isinstance(value, str):
        return value
    wanted = (
        "an array of strings"
        if name in _LISTS
        else "an integer"
        if name in _NUMBERS
        else "a string"
    )
    raise invalid_value(f"{name}: expected {wanted}, got {json_type(value)}")


def integer(
    parameters: dict[str, str], name: str, default: int, scim_type: str = "invalidValue"
) -> int:
    """Parse an integer parameter, clamped to 64 bits.

    Raises:
        ScimError: It is not an integer.
    """
    text = parameters.get(name)
    if text is None:
        return default
    text = text.strip()
    digits = text.lstrip("+-")
    if not digits.isascii() or not digits.isdigit() or len(text) - len(digits) > 1:
        raise ScimError(400, f"{name}: expected an integer", scim_type)
    if len(digits) >= _MAX_INTEGER_LENGTH:
        return -(2**62) if text.startswith("-") else 2**62
    return int(text)
