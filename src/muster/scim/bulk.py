"""Bulk requests (RFC 7644 section 3.7): reading the message, and the bulkIds that its operations refer to each other by."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from muster.scim.errors import ScimError, invalid_path, invalid_syntax, invalid_value
from muster.scim.quirks import Dialect
from muster.scim.resource import kind
from muster.scim.values import Json

BULK_REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
BULK_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
METHODS = ("POST", "PUT", "PATCH", "DELETE")
_SLASHES = re.compile("//+")
_REFERENCE = re.compile(r"bulkId:([^\s/\"'\[\]]+)")
_MAX_BULK_ID = 200


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. endpoint: of the resource type; target: what follows it in the path, an id or a reference, empty for POST.

    refers: the bulkIds that its data and its path name.
    """

    method: str
    bulk_id: str | None
    endpoint: str
    target: str
    data: Json
    version: str | None
    refers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Refused:
    """An operation that cannot be read, and what of it could."""

    method: str | None
    bulk_id: str | None
    error: ScimError


@dataclass(frozen=True, slots=True)
class Bulk:
    """A whole request. fail_on_errors: None where errors end nothing."""

    operations: list[Operation | Refused]
    fail_on_errors: int | None


def read_bulk(message: Json, max_operations: int, dialect: Dialect) -> Bulk:
    """The operations of a BulkRequest; what is wrong with one of them is that one's error.

    Raises ScimError invalidSyntax or invalidValue where the message itself is wrong, and 413 over max_operations.
    """
    if not isinstance(message, dict):
        raise invalid_syntax(f"the body must be a JSON object, and is {kind(message)}")
    if message.get("schemas") != [BULK_REQUEST]:
        dialect.take("schemas-missing", f"schemas: {BULK_REQUEST} is not there")
    operations = message.get("Operations")
    if not isinstance(operations, list) or not operations:
        raise invalid_syntax("Operations must be an array with at least one operation")
    if len(operations) > max_operations:
        raise ScimError(413, f"Operations has {len(operations)} operations, and at most {max_operations} are taken")
    limit = message.get("failOnErrors")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise invalid_value("failOnErrors must be an integer of at least 1")
    seen: set[str] = set()
    return Bulk([_read_or_error(item, f"Operations[{n}]", seen, dialect) for n, item in enumerate(operations)], limit)


def _read_or_error(item: Json, where: str, seen: set[str], dialect: Dialect) -> Operation | Refused:
    try:
        return _read(item, where, seen, dialect)
    except ScimError as error:
        fields = item if isinstance(item, dict) else {}
        method, bulk_id = (given if isinstance(given := fields.get(name), str) else None for name in ("method", "bulkId"))
        return Refused(method, bulk_id, error)


def _read(item: Json, where: str, seen: set[str], dialect: Dialect) -> Operation:
    if not isinstance(item, dict):
        raise invalid_syntax(f"{where} must be an object, and is {kind(item)}")
    method = item.get("method")
    if not isinstance(method, str) or method.upper() not in METHODS:
        raise invalid_syntax(f"{where}: method must be one of {', '.join(METHODS)}")
    method = method.upper()
    path = item.get("path")
    if not isinstance(path, str) or not path.startswith("/"):
        raise invalid_path(f"{where}: path must be a string as /Users or /Users/<id>")
    endpoint, _, target = _SLASHES.sub("/", path)[1:].rstrip("/").partition("/")
    if (method == "POST") == bool(target) or "/" in target:
        raise invalid_path(f"{where}: {method} needs a path as {'/Users' if method == 'POST' else '/Users/<id>'}")
    data, version = item.get("data"), item.get("version")
    if method != "DELETE" and not isinstance(data, dict):
        raise invalid_syntax(f"{where}: data must be an object, and is {kind(data)}")
    if version is not None and not isinstance(version, str):
        raise invalid_value(f"{where}: version must be a string")
    bulk_id = _bulk_id(item.get("bulkId"), method, where, seen, dialect)
    refers = frozenset((*references(target), *(references(data) if method != "DELETE" else ())))
    return Operation(method, bulk_id, f"/{endpoint}", target, data, version, refers)


def _bulk_id(given: Json, method: str, where: str, seen: set[str], dialect: Dialect) -> str | None:
    if given is None:
        if method == "POST":
            dialect.take("bulk-id-missing", f"{where}: bulkId")
        return None
    if not isinstance(given, str) or not 0 < len(given) <= _MAX_BULK_ID or not _REFERENCE.fullmatch(f"bulkId:{given}"):
        raise invalid_value(f"{where}: bulkId must have 1 to {_MAX_BULK_ID} characters, none of them a space or one of /\"'[]")
    if given in seen:
        raise invalid_value(f"{where}: bulkId {given!r} is another operation's")
    seen.add(given)
    return given


def references(value: Json) -> Iterator[str]:
    """The bulkIds that a value names, anywhere in it."""
    if isinstance(value, str):
        yield from _REFERENCE.findall(value)
    elif isinstance(value, dict):
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def resolved(value: Json, ids: dict[str, str]) -> Json:
    """A value with ids in the place of the references to them; what is not in ids stays as it is."""
    return _mapped(value, lambda match: ids.get(match[1], match[0]))


def _mapped(value: Json, replace: Callable[[re.Match[str]], str]) -> Json:
    if isinstance(value, str):
        return _REFERENCE.sub(replace, value) if "bulkId:" in value else value
    if isinstance(value, dict):
        return {key: _mapped(item, replace) for key, item in value.items()}
    if isinstance(value, list):
        return [_mapped(item, replace) for item in value]
    return value


def without(data: dict[str, Json], bulk_ids: frozenset[str]) -> dict[str, Json]:
    """A document without the attributes, or the elements of lists, that refer to these."""
    kept: dict[str, Json] = {}
    for name, value in data.items():
        if isinstance(value, list):
            kept[name] = [item for item in value if bulk_ids.isdisjoint(references(item))]
        elif bulk_ids.isdisjoint(references(value)):
            kept[name] = value
    return kept
