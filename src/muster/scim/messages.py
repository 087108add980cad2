"""The messages of RFC 7644: how those of clients are read, and how ListResponse and Error are written."""

from collections.abc import Iterable
from typing import Any

from muster.scim.dialects import Dialect
from muster.scim.document import kind
from muster.scim.errors import ScimError, invalid_syntax
from muster.scim.values import Json

LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
SEARCH_REQUEST = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


def fields_of(
    message: Json, names: Iterable[str], dialect: Dialect, others: bool = True
) -> dict[str, Json]:
    """The members of a client's message by their names in the RFC, whatever their case.

    Args:
        message: The parsed body.
        names: The members that the message may have.
        dialect: How to read the client. A name in another case is a deviation.
        others: Whether other members are ignored. If not, they are errors: a misspelt `filter` must not list everything.

    Raises:
        ScimError: invalidSyntax.
    """
    if not isinstance(message, dict):
        raise invalid_syntax(f"the body must be a JSON object, and is {kind(message)}")
    known = {name.lower(): name for name in names}
    fields: dict[str, Json] = {}
    for key, value in message.items():
        name = known.get(key.lower())
        if name is None:
            if not others:
                raise invalid_syntax(
                    f"unknown member {key[:100]!r}: this message has {', '.join(known.values())}"
                )
            continue
        if name in fields:
            raise invalid_syntax(f"{name} is given twice, the second time as {key!r}")
        if key != name:
            dialect.take("message-key-case", key)
        fields[name] = value
    return fields


def check_schemas(given: Json, urn: str, dialect: Dialect) -> None:
    """Check the `schemas` of a message, which a lenient workspace does not insist on. Raises ScimError invalidSyntax."""
    named = isinstance(given, list) and any(
        isinstance(item, str) and item.lower() == urn.lower() for item in given
    )
    if not named:
        dialect.take("schemas-missing", f"schemas: {urn} is missing")


def error_message(error: ScimError) -> dict[str, Any]:
    """The Error document (RFC 7644 section 3.12): the status is a string."""
    message: dict[str, Any] = {"schemas": [ERROR], "status": str(error.status)}
    if error.scim_type is not None:
        message["scimType"] = error.scim_type
    message["detail"] = error.detail
    return message


LIST_END = b"]}"


def list_head(count: int, total: int, place: str) -> bytes:
    """A ListResponse (RFC 7644 section 3.4.2) up to its first resource; the resources follow as JSON, then LIST_END.

    place: the members that say where in the list the page is.
    """
    head = f'{{"schemas":["{LIST_RESPONSE}"],"totalResults":{total},{place}"itemsPerPage":{count},"Resources":['
    return head.encode()
