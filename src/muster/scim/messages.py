"""The messages of RFC 7644: ListResponse and Error."""

from typing import Any

from muster.scim.errors import ScimError

LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
SEARCH_REQUEST = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


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
