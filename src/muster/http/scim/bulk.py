"""Bulk requests over HTTP: POST /Bulk (RFC 7644 section 3.7)."""

from typing import Any

import orjson

from muster.directory.bulk import Result, execute
from muster.directory.caller import Caller
from muster.directory.documents import location_prefix
from muster.directory.groups.memberships import tag_of
from muster.directory.service import Directory, read
from muster.http.wire.media import answer_type, read_json
from muster.http.wire.message import Request, Response
from muster.scim.bulk import BULK_RESPONSE, Operation, RefusedOperation, read_bulk
from muster.scim.errors import ScimError
from muster.scim.etag import etag
from muster.scim.messages import error_message
from muster.scim.schema.discovery import Limits

_WHOLE_PATCHES = 10
_SMALL_PATCH = 1000
_STATUSES = {"POST": 201, "PUT": 200, "PATCH": 200, "DELETE": 204}


async def answer(
    request: Request, caller: Caller, directory: Directory, limits: Limits, base: str
) -> Response:
    """Run a bulk request.

    Returns:
        A 200 with the result of each operation, failed ones included.

    Raises:
        ScimError: The request as a whole is invalid.
    """
    message = await read_json(request, limits, caller.dialect)
    caller.body_bytes = len(request.body)
    bulk = await read(
        caller,
        lambda: read_bulk(message, limits.max_operations, caller.registry.types, caller.dialect()),
    )
    caller.max_comparisons = _share(
        limits.max_comparisons, sum(item.method == "PATCH" for item in bulk.operations)
    )
    results = await execute(directory, caller, bulk.operations, bulk.fail_on_errors)
    content = {
        "schemas": [BULK_RESPONSE],
        "Operations": [_shown(result, caller, base) for result in results],
    }
    return Response(200, [("content-type", answer_type(request))], orjson.dumps(content))


def _share(most: int, patches: int) -> int:
    """Return the limit of comparisons for each PATCH in a bulk request.

    Together they get ten times the limit of a single PATCH. Each gets a minimum, however many there
    are, so that ordinary PATCHes succeed.
    """
    return min(most, max(most * _WHOLE_PATCHES // max(patches, 1), _SMALL_PATCH))


def _shown(result: Result, caller: Caller, base: str) -> dict[str, Any]:
    """Return the JSON of one result; all but a failed POST have a location."""
    operation, resource_type, stored = result.operation, result.resource_type, result.stored
    shown: dict[str, Any] = {"method": operation.method, "bulkId": operation.bulk_id}
    if (
        isinstance(operation, Operation)
        and resource_type is not None
        and (stored is not None or operation.target)
    ):
        shown["location"] = location_prefix(resource_type, base) + (
            operation.target if stored is None else stored.id
        )
    shown = {name: value for name, value in shown.items() if value is not None}
    if isinstance(operation, RefusedOperation) or stored is None:
        error = result.error
        if not isinstance(error, ScimError):
            error = ScimError(getattr(error, "status", 500), str(error))
        return {**shown, "status": str(error.status), "response": error_message(error)}
    if operation.method != "DELETE":
        shown["version"] = etag(tag_of(stored))
    cortex = caller.workspace.contract == "cortex"
    return {**shown, "status": "200" if cortex else str(_STATUSES[operation.method])}
