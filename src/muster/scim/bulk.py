"""Reads bulk requests (RFC 7644 section 3.7) and the bulkIds that they refer to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from muster.scim.bulk_references import in_data, in_target, is_bulk_id
from muster.scim.dialects import Dialect
from muster.scim.document import json_type
from muster.scim.errors import ScimError, invalid_path, invalid_syntax, invalid_value
from muster.scim.messages import check_schemas, fields_of
from muster.scim.schema.model import ResourceType
from muster.scim.values import Json

BULK_REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
BULK_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
_MEMBERS = ("method", "bulkId", "path", "data", "version")
METHODS = ("POST", "PUT", "PATCH", "DELETE")
_SLASHES = re.compile("//+")
_MAX_BULK_ID = 200


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a bulk request.

    Attributes:
        method: POST, PUT, PATCH or DELETE.
        bulk_id: Its bulkId, or None.
        endpoint: The endpoint in its path, such as /Users.
        target: The rest of the path: an id or a reference; empty for POST.
        data: Its data.
        version: The ETag that the resource must have, or None.
        resource_type: The resource type of the endpoint; None if there is none.
        refers: The bulkIds to which its data and path refer.
    """

    method: str
    bulk_id: str | None
    endpoint: str
    target: str
    data: Json
    version: str | None
    resource_type: ResourceType | None
    refers: frozenset[str]

    def resolved_target(self, ids: Mapping[str, str]) -> str:
        """Return the target with a reference replaced by its id, if it is known."""
        return in_target(self.target, lambda bulk_id: ids.get(bulk_id, f"bulkId:{bulk_id}"))

    def resolved_data(self, ids: Mapping[str, str], later: frozenset[str] = frozenset()) -> Json:
        """Return the data with references replaced by their ids, if they are known.

        Args:
            ids: The ids by bulkId.
            later: The bulkIds whose references are dropped, with the elements that hold them.
        """
        if self.resource_type is None or not self.refers:
            return self.data

        def replace(bulk_id: str) -> str | None:
            return None if bulk_id in later else ids.get(bulk_id, f"bulkId:{bulk_id}")

        return in_data(self.data, self.method, self.resource_type, replace)


@dataclass(frozen=True, slots=True)
class RefusedOperation:
    """An operation that cannot be read, with its method and bulkId if they can."""

    method: str | None
    bulk_id: str | None
    error: ScimError


@dataclass(frozen=True, slots=True)
class Bulk:
    """A bulk request.

    Attributes:
        operations: Its operations, in order.
        fail_on_errors: The number of errors after which it ends; None for no limit.
    """

    operations: list[Operation | RefusedOperation]
    fail_on_errors: int | None


def read_bulk(
    message: Json, max_operations: int, types: Mapping[str, ResourceType], dialect: Dialect
) -> Bulk:
    """Read a BulkRequest. An error in one operation refuses only that operation.

    Args:
        message: The parsed body.
        max_operations: The most operations.
        types: The resource types by endpoint.
        dialect: The dialect of the client.

    Raises:
        ScimError: invalidSyntax or invalidValue, if the message itself is invalid; 413, if it has
            too many operations.
    """
    fields = fields_of(message, ("schemas", "failOnErrors", "Operations"), dialect, others=False)
    check_schemas(fields.get("schemas"), BULK_REQUEST, dialect)
    operations = fields.get("Operations")
    if not isinstance(operations, list) or not operations:
        raise invalid_syntax("Operations: expected an array with at least one operation")
    if len(operations) > max_operations:
        raise ScimError(
            413,
            f"Operations has {len(operations):,} operations; the limit is {max_operations:,}",
        )
    limit = fields.get("failOnErrors")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise invalid_value("failOnErrors: expected an integer of at least 1")
    seen: set[str] = set()
    read = [
        _read_or_error(item, f"Operations[{n}]", seen, types, dialect)
        for n, item in enumerate(operations)
    ]
    return Bulk(read, limit)


def _read_or_error(
    item: Json, where: str, seen: set[str], types: Mapping[str, ResourceType], dialect: Dialect
) -> Operation | RefusedOperation:
    try:
        return _read(item, where, seen, types, dialect)
    except ScimError as error:
        fields = item if isinstance(item, dict) else {}
        method, bulk_id = (
            given if isinstance(given := fields.get(name), str) else None
            for name in ("method", "bulkId")
        )
        return RefusedOperation(method, bulk_id, error)


def _read(
    item: Json, where: str, seen: set[str], types: Mapping[str, ResourceType], dialect: Dialect
) -> Operation:
    if not isinstance(item, dict):
        raise invalid_syntax(f"{where}: expected an object, got {json_type(item)}")
    item = fields_of(item, _MEMBERS, dialect)
    method = item.get("method")
    if not isinstance(method, str) or method.upper() not in METHODS:
        raise invalid_syntax(f"{where}.method: expected one of {', '.join(METHODS)}")
    method = method.upper()
    path = item.get("path")
    if not isinstance(path, str) or not path.startswith("/"):
        raise invalid_path(f"{where}.path: expected a string such as /Users or /Users/<id>")
    endpoint, _, target = _SLASHES.sub("/", path)[1:].rstrip("/").partition("/")
    if (method == "POST") == bool(target) or "/" in target:
        raise invalid_path(
            f"{where}.path: {method} requires a path such as"
            f" {'/Users' if method == 'POST' else '/Users/<id>'}"
        )
    data, version = item.get("data"), item.get("version")
    if method != "DELETE" and not isinstance(data, dict):
        raise invalid_syntax(f"{where}.data: expected an object, got {json_type(data)}")
    if version is not None and not isinstance(version, str):
        raise invalid_value(f"{where}.version: expected a string")
    bulk_id = _bulk_id(item.get("bulkId"), method, where, seen, dialect)
    resource_type = types.get(f"/{endpoint}")
    refers = _references(method, target, data, resource_type)
    return Operation(method, bulk_id, f"/{endpoint}", target, data, version, resource_type, refers)


def _references(
    method: str, target: str, data: Json, resource_type: ResourceType | None
) -> frozenset[str]:
    """Return the bulkIds to which an operation refers."""
    found: set[str] = set()

    def note(bulk_id: str) -> str:
        found.add(bulk_id)
        return bulk_id

    in_target(target, note)
    if method != "DELETE" and resource_type is not None:
        in_data(data, method, resource_type, note)
    return frozenset(found)


def _bulk_id(given: Json, method: str, where: str, seen: set[str], dialect: Dialect) -> str | None:
    if given is None:
        if method == "POST":
            dialect.take("bulk-id-missing", f"{where}: bulkId")
        return None
    if not isinstance(given, str) or not 0 < len(given) <= _MAX_BULK_ID or not is_bulk_id(given):
        raise invalid_value(
            f"{where}.bulkId: expected 1 to {_MAX_BULK_ID} characters without spaces and /\"'[]"
        )
    if given in seen:
        raise invalid_value(f"{where}.bulkId: another operation has the bulkId {given!r}")
    seen.add(given)
    return given
