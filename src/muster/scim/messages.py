"""Reads clients' messages; writes ListResponse and Error (RFC 7644 section 3)."""

from collections.abc import Iterable
from typing import Any

from muster.scim.dialects import Dialect
from muster.scim.document import json_type
from muster.scim.errors import ScimError, invalid_syntax
from muster.scim.values import Json

LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
SEARCH_REQUEST = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


def fields_of(
    message: Json, names: Iterable[str], dialect: Dialect, others: bool = True
) -> dict[str, Json]:
    """Return the members of a client's message by their names in the RFC.

    Args:
        message: The parsed body.
        names: The members that the message may have.
        dialect: The dialect of the client. A name in another case is a deviation.
        others: Whether unknown members are ignored. If they are not, a misspelt `filter` is an
            error instead of a list of everything.

    Raises:
        ScimError: invalidSyntax.
    """
    if not isinstance(message, dict):
        raise invalid_syntax(f"body: expected a JSON object, got {json_type(message)}")
    known = {name.lower(): name for name in names}
    fields: dict[str, Json] = {}
    for key, value in message.items():
        name = known.get(key.lower())
        if name is None:
            if not others:
                raise invalid_syntax(
                    f"Unknown key {key[:100]!r}; this message may have {', '.join(known.values())}."
                )
            continue
        if name in fields:
            raise invalid_syntax(f"{name} occurs twice, the second time as {key!r}")
        if key != name:
            dialect.take("message-key-case", key)
        fields[name] = value
    return fields


def check_schemas(given: Json, urn: str, dialect: Dialect) -> None:
    """Check the `schemas` of a message; only a strict workspace requires them.

    Raises:
        ScimError: invalidSyntax.
    """
    named = isinstance(given, list) and any(
        isinstance(item, str) and item.lower() == urn.lower() for item in given
    )
    if not named:
        dialect.take("schemas-missing", f"schemas: {urn} is missing")


def error_message(error: ScimError) -> dict[str, Any]:
    """Return the Error document (RFC 7644 section 3.12), with its status as a string."""
    message: dict[str, Any] = {"schemas": [ERROR], "status": str(error.status)}
    if error.scim_type is not None:
        message["scimType"] = error.scim_type
    message["detail"] = error.detail
    return message


LIST_END = b"]}"


def list_head(count: int, total: int, place: str) -> bytes:
    """Return the beginning of a ListResponse (RFC 7644 section 3.4.2).

    The resources follow as JSON, joined by commas, and then LIST_END.

    Args:
        count: The number of resources on the page.
        total: The number of all matches.
        place: The members that give the page's place in the list, as JSON with a comma at the end.
    """
    counts = f'"totalResults":{total},{place}"itemsPerPage":{count}'
    return f'{{"schemas":["{LIST_RESPONSE}"],{counts},"Resources":['.encode()
