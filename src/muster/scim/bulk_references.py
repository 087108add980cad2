"""Replaces `bulkId:` references in bulk operations (RFC 7644 section 3.7.2).

Only places that hold references by their schema are considered: `$ref` and `value` of a complex
attribute with `$ref` (members, manager), other attributes of type `reference` to a resource, and
filters in the paths of a PATCH. In any other place, such as a title, `bulkId:…` is text of the
client and stays.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from muster.scim.schema.model import Attribute, ResourceType, Schema
from muster.scim.values import Json

Replace = Callable[[str], str | None]
"""Maps a bulkId to the replacement of its reference; None drops the value that holds it."""
_BULK_ID = r"bulkId:([^\s/\"'\[\]]+)"
_REFERENCE = re.compile(_BULK_ID)
_URI = re.compile(rf"((?:[^\s\"']*/)?){_BULK_ID}/?")
_IN_PATH = re.compile(rf'((?i:\b(?:value)|\$ref)\s+(?i:eq|ne)\s+"[^"\s]*?){_BULK_ID}"')
_ELSEWHERE = frozenset({"external", "uri"})
_PUNCTUATION = frozenset(":.[")
"""Characters of keys that are URNs or paths, which names of attributes cannot have."""
_DROPPED: Any = object()


def is_bulk_id(text: str) -> bool:
    """Return whether a text can be the id in a `bulkId:` reference."""
    return _REFERENCE.fullmatch(f"bulkId:{text}") is not None


def in_target(target: str, replace: Replace) -> str:
    """Return the target of an operation with its reference replaced."""
    found = _REFERENCE.fullmatch(target)
    return target if found is None else replace(found[1]) or ""


def in_data(data: Json, method: str, resource_type: ResourceType, replace: Replace) -> Json:
    """Return the data of an operation with every reference replaced."""
    walk = _Walk(resource_type, replace)
    return walk.message(data) if method == "PATCH" else walk.document(data)


class _Walk:
    """Copies a document or PATCH message and replaces the references in it."""

    def __init__(self, resource_type: ResourceType, replace: Replace) -> None:
        self._resource_type = resource_type
        self._replace = replace

    def message(self, message: Json) -> Json:
        """Copy a PatchOp. Keys are read in any case, as PATCH does."""
        if not isinstance(message, dict):
            return message
        return {
            key: self._operations(item) if key.lower() == "operations" else item
            for key, item in message.items()
        }

    def _operations(self, operations: Json) -> Json:
        if isinstance(operations, list):
            return [self._operation(item) for item in operations]
        return self._operation(operations)

    def _operation(self, operation: Json) -> Json:
        if not isinstance(operation, dict):
            return operation
        path = next(
            (
                item
                for key, item in operation.items()
                if key.lower() == "path" and isinstance(item, str)
            ),
            "",
        )
        walked: dict[str, Json] = {}
        for key, item in operation.items():
            match key.lower():
                case "path" if isinstance(item, str):
                    walked[key] = self._path(item)
                case "value":
                    walked[key] = _kept(
                        self._at(path, item) if path.strip() else self.document(item)
                    )
                case _:
                    walked[key] = item
        return walked

    def document(self, document: Json) -> Json:
        """Copy a document or the value of an operation without a path; keys may be paths."""
        if not isinstance(document, dict):
            return document
        walked: dict[str, Json] = {}
        names = _names(self._resource_type)
        for key, item in document.items():
            if key.lower() not in names and _PUNCTUATION.isdisjoint(key):
                walked[key] = item
                continue
            schema = self._resource_type.extension(key)
            value = self._at(key, item) if schema is None else self._extension(schema, item)
            if value is not _DROPPED:
                walked[self._path(key)] = value
        return walked

    def _extension(self, schema: Schema, value: Json) -> Json:
        if not isinstance(value, dict):
            return value
        walked = {}
        for key, item in value.items():
            attribute = schema.attribute(key)
            walked[key] = item if attribute is None else self._attribute(attribute, item)
        return {key: item for key, item in walked.items() if item is not _DROPPED}

    def _at(self, path: str, value: Json) -> Json:
        """Copy a value at a path, with or without a filter in brackets."""
        head, _, tail = path.partition("[")
        place = self._resource_type.place(head.strip())
        if place is None:
            return value
        if place.attribute is None:
            schema = self._resource_type.extension(place.schema or "")
            return value if schema is None else self._extension(schema, value)
        sub = place.sub or place.attribute.sub(tail.rpartition("].")[2])
        return (
            self._attribute(place.attribute, value)
            if sub is None
            else self._leaf(place.attribute, sub, value)
        )

    def _path(self, path: str) -> str:
        """Return a path with the references in its filter replaced."""
        head, bracket, _ = path.partition("[")
        place = self._resource_type.place(head.strip()) if bracket else None
        if place is None or place.attribute is None or not _is_link(place.attribute):
            return path
        return _IN_PATH.sub(lambda found: f'{found[1]}{self._replace(found[2]) or ""}"', path)

    def _attribute(self, attribute: Attribute, value: Json) -> Json:
        if attribute.read_only or not (attribute.is_complex or _is_reference(attribute)):
            return value
        if isinstance(value, list):
            walked = [
                item if isinstance(item, list) else self._attribute(attribute, item)
                for item in value
            ]
            return [item for item in walked if item is not _DROPPED]
        if isinstance(value, str):
            return (
                self._text(value, uri=True)
                if _is_link(attribute) or _is_reference(attribute)
                else value
            )
        if not isinstance(value, dict) or not attribute.is_complex:
            return value
        walked_subs = {}
        for key, item in value.items():
            sub = attribute.sub(key)
            walked_subs[key] = item if sub is None else self._leaf(attribute, sub, item)
        return _DROPPED if any(item is _DROPPED for item in walked_subs.values()) else walked_subs

    def _leaf(self, attribute: Attribute, sub: Attribute, value: Json) -> Json:
        """Copy the value of a sub-attribute."""
        if attribute.read_only or sub.read_only:
            return value
        if isinstance(value, str):
            identifies = _is_link(attribute) and sub.name == "value"
            return (
                self._text(value, uri=not identifies) if identifies or _is_reference(sub) else value
            )
        if isinstance(value, list):
            walked = [
                item if isinstance(item, list) else self._leaf(attribute, sub, item)
                for item in value
            ]
            return _DROPPED if any(item is _DROPPED for item in walked) else walked
        return self._attribute(attribute, value) if isinstance(value, dict) else value

    def _text(self, value: str, uri: bool) -> Json:
        """Replace a reference: `bulkId:x` alone, or at the end of a URI if `uri`."""
        found = (_URI if uri else _REFERENCE).fullmatch(value)
        if found is None:
            return value
        text = self._replace(found[found.re.groups])
        return _DROPPED if text is None else (found[1] if uri else "") + text


@lru_cache(maxsize=1024)
def _names(resource_type: ResourceType) -> frozenset[str]:
    """Return the core attributes that may hold references, in lower case."""
    holders = (
        attribute
        for schema, attribute in resource_type.attributes()
        if schema is None and not attribute.read_only
    )
    return frozenset(
        attribute.name.lower()
        for attribute in holders
        if any(
            _is_link(item) or _is_reference(item)
            for item in (attribute, *attribute.sub_attributes.values())
        )
    )


def _is_link(attribute: Attribute) -> bool:
    """Return whether `value` and `$ref` of an attribute refer to a resource."""
    return attribute.is_complex and "$ref" in attribute.sub_attributes


def _is_reference(attribute: Attribute) -> bool:
    return attribute.type == "reference" and not (set(attribute.reference_types) & _ELSEWHERE)


def _kept(value: Json) -> Json:
    return None if value is _DROPPED else value
