"""Explains requests that were refused because another resource has a unique value."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from muster.directory.documents import parse
from muster.insight.doctor import diagnosis
from muster.scim.schema.model import ResourceType
from muster.scim.values import fold
from muster.storage.port.engine import Storage
from muster.storage.records.requests import RecordedRequest


class ValueConflict(NamedTuple):
    """A unique value that a refused request wanted to set.

    Attributes:
        attribute: The path of the attribute.
        value: The value, as the request has it.
        type: The name of the resource type.
        id: The id of the resource that has the value now; empty if none has.
        name: The name of that resource.
    """

    attribute: str
    value: str
    type: str
    id: str = ""
    name: str = ""


async def conflict_of(
    storage: Storage, workspace: int, types: Mapping[str, ResourceType], kept: RecordedRequest
) -> ValueConflict | None:
    """Return the value over which a request failed, and the resource that has it now.

    Returns:
        The conflict, or None if the request failed for another reason, or if its recorded body
        does not show the value.
    """
    found = diagnosis(kept)
    kind = types.get(f"/{kept.path.strip('/').partition('/')[0]}")
    attribute, separator, _ = found.detail.rpartition(": ")
    if found.reason != "uniqueness" or kind is None or not separator:
        return None
    values = list(_sent(kept.body, attribute))
    for value in values:
        for form in dict.fromkeys((fold(value), value)):
            holder = await storage.owner(workspace, kind.name, attribute, form)
            stored = holder and await storage.get(workspace, kind.name, holder)
            if stored and stored.id != kept.resource:
                document = parse(stored.document)
                name = document.get("displayName") or document.get("userName") or stored.id
                return ValueConflict(attribute, value, kind.name, stored.id, str(name))
    return ValueConflict(attribute, values[0], kind.name) if values else None


def _sent(body: str, attribute: str) -> Iterator[str]:
    """Return the values that a body gives an attribute, in a document or by a PATCH."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return
    yield from _strings(_at(document, attribute))
    operations = _at(document, "Operations")
    for operation in operations if isinstance(operations, list) else [operations]:
        path, value = _at(operation, "path"), _at(operation, "value")
        if path is None:
            yield from _strings(_at(value, attribute))
        elif isinstance(path, str) and path.lower() == attribute.lower():
            yield from _strings(value)


def _at(document: Any, path: str) -> Any:
    """Return the value at a path, in any case of its names; None if it is absent."""
    if not isinstance(document, dict):
        return None
    folded = {name.lower(): value for name, value in document.items()}
    urn, _, name = path.lower().rpartition(":")
    if path.lower() in folded:
        return folded[path.lower()]
    if urn:
        return _at(folded.get(urn), name)
    top, _, sub = name.partition(".")
    value = folded.get(top)
    if isinstance(value, list) and sub:
        return [_at(element, sub) for element in value]
    return _at(value, sub) if sub else value


def _strings(value: Any) -> Iterator[str]:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str) and each:
            yield each
