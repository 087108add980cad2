"""Shapes of JSON from the OpenAPI document, as tables of fields and as examples."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from muster.access.permissions import PERMISSIONS
from muster.http.management.router import AnyOperation
from muster.http.openapi import openapi_document
from muster.scim.schema.discovery import Limits
from muster.scim.schema.model import registry
from tools.reference import parts
from tools.reference.markdown import code

Json = dict[str, Any]
ELLIPSIS = "…"
"""A text in an example that says nothing."""
_MAX_DEPTH = 3
"""Levels of objects within objects that a table shows."""
_COMMON = frozenset({"schemas", "id", "meta"})
JSON, SCIM, PROBLEM = "application/json", "application/scim+json", "application/problem+json"
FORM = "application/x-www-form-urlencoded"


@functools.cache
def document() -> Json:
    """Return the OpenAPI document of a service without custom types."""
    operations: list[AnyOperation] = [*parts.management(), *parts.platform()]
    return openapi_document(Limits(), registry(), operations)


def resolved(schema: Mapping[str, Any]) -> Json:
    """Return a part of the document with the part that it refers to, if any."""
    found = dict(schema)
    while "$ref" in found:
        target: Any = document()
        for name in str(found.pop("$ref")).removeprefix("#/").split("/"):
            target = target[name]
        found = {**target, **found}
    return found


class Field(NamedTuple):
    """A row of a table of fields.

    Attributes:
        path: Its path, such as role.tag or items[].id.
        type: Its type in words.
        required: Whether the object must have it.
        limits: Its limits in words.
        description: Its description.
    """

    path: str
    type: str
    required: bool
    limits: str
    description: str


def fields(schema: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[Field]:
    """Yield the fields of an object, and those of the objects within it."""
    shape = resolved(schema)
    required = shape.get("required", ())
    for name, found in shape.get("properties", {}).items():
        inner = resolved(found)
        path = f"{prefix}{name}"
        yield Field(
            path,
            kind(inner),
            name in required,
            limits(inner),
            inner.get("description", ""),
        )
        if depth < _MAX_DEPTH:
            within, suffix = _within(inner)
            if within is not None:
                separator = ":" if ":" in name else "."
                yield from fields(within, f"{path}{suffix}{separator}", depth + 1)


def _within(schema: Mapping[str, Any]) -> tuple[Json | None, str]:
    """Return the object in a value, with the suffix of the paths to it; None if it has none."""
    for choice in (schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        found = resolved(choice)
        if "properties" in found:
            return found, ""
        if "items" in found:
            inner, suffix = _within(resolved(found["items"]))
            if inner is not None:
                return inner, f"[]{suffix}"
    return None, ""


def kind(schema: Mapping[str, Any]) -> str:
    """Return the type of a value in words."""
    shape = resolved(schema)
    choices = [*shape.get("anyOf", ()), *shape.get("oneOf", ())]
    if choices:
        return " or ".join(dict.fromkeys(map(kind, choices)))
    if "const" in shape:
        return code(str(shape["const"]))
    if {*PERMISSIONS} <= {*shape.get("enum", ())}:
        return "[permission](permissions.md)"
    if "enum" in shape:
        return " or ".join("null" if one is None else code(str(one)) for one in shape["enum"])
    names = shape.get("type", "any value")
    listed = names if isinstance(names, list) else [names]
    return " or ".join(_named(name, shape) for name in listed)


_PLURALS = {"object": "objects", "string": "strings", "integer": "integers"}


def _named(name: str, shape: Mapping[str, Any]) -> str:
    if name == "null":
        return name
    if name == "array":
        inner = resolved(shape.get("items", {}))
        named = kind(inner)
        return (
            "array of objects"
            if "properties" in inner
            else f"array of {_PLURALS.get(named, named)}"
        )
    if name == "object" and isinstance(shape.get("additionalProperties"), dict):
        return f"object of {kind(shape['additionalProperties'])}"
    return {"date-time": "date and time", "date": "date"}.get(shape.get("format", ""), name)


def limits(schema: Mapping[str, Any]) -> str:
    """Return the limits of a value in words."""
    shape = resolved(schema)
    choices = [resolved(one) for one in (*shape.get("anyOf", ()), *shape.get("oneOf", ()))]
    found = [*_bounds(shape)]
    for choice in choices:
        found += [*_bounds(choice)]
    if "items" in shape:
        found += [f"each: {one}" for one in _bounds(resolved(shape["items"]))]
    if "default" in shape:
        found.append(f"default {code(_shown(shape['default']))}")
    if shape.get("readOnly"):
        found.append("read-only")
    if shape.get("writeOnly"):
        found.append("never returned")
    return "; ".join(dict.fromkeys(found))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return '""' if value == "" else str(value)


_RANGES = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " elements"),
)


def _bounds(shape: Mapping[str, Any]) -> Iterator[str]:
    for lower, upper, unit in _RANGES:
        least, most = shape.get(lower), shape.get(upper)
        if least is not None and most is not None:
            one = f"{least:,}{unit if least != 1 else unit.removesuffix('s')}"
            yield f"{least:,} to {most:,}{unit}" if least != most else one
        elif least is not None:
            yield f"at least {least:,}{unit if least != 1 else unit.removesuffix('s')}"
        elif most is not None:
            yield f"at most {most:,}{unit}"


def first_media(content: Json) -> tuple[str, Json]:
    """Return the first media type of a content, and its object."""
    for media in (SCIM, JSON, FORM, PROBLEM):
        if media in content:
            return media, content[media]
    return next(iter(content.items()))


def body_example(operation: Json) -> Any:
    """Return the example of an operation's body; None if it takes no body."""
    if "requestBody" not in operation:
        return None
    _, found = first_media(operation["requestBody"]["content"])
    return found.get("example") or example(found["schema"])


def example(schema: Mapping[str, Any], depth: int = 0) -> Any:
    """Return an example of a value: that of its schema, or one made of those of its fields."""
    shape = resolved(schema)
    if _is_nullable(shape):
        return None
    if shape.get("examples"):
        return shape["examples"][0]
    for word in ("const", "default"):
        if word in shape:
            return shape[word]
    if "enum" in shape:
        return shape["enum"][0]
    for choice in (*shape.get("anyOf", ()), *shape.get("oneOf", ())):
        return example(choice, depth)
    return _made(shape, depth)


def _is_nullable(shape: Mapping[str, Any]) -> bool:
    """Return whether a value can be null, so that an example without it is shortest."""
    return "null" in shape.get("type", ()) or {"type": "null"} in shape.get("anyOf", ())


def _made(shape: Mapping[str, Any], depth: int) -> Any:
    names = shape.get("type")
    name = names[0] if isinstance(names, list) else names
    if name == "object":
        if depth > _MAX_DEPTH:
            return {}
        properties = shape.get("properties", {})
        return {
            key: example(found, depth + 1)
            for key, found in properties.items()
            if not resolved(found).get("deprecated")
        }
    if name == "array":
        return [example(shape.get("items", {}), depth + 1)] if depth <= _MAX_DEPTH else []
    simple: Mapping[Any, Any] = {
        "integer": shape.get("minimum", 1),
        "boolean": True,
        "string": ELLIPSIS,
    }
    return simple.get(name)


def rows(found: Sequence[Field], requests: bool) -> Iterator[Sequence[str]]:
    """Yield the rows of a table of fields.

    Args:
        found: The fields.
        requests: Whether clients send them, so that it matters which are required.
    """
    for field in found:
        needed = "yes" if field.required else ""
        cells = (code(field.path), field.type)
        yield (
            *cells,
            *((needed, field.limits) if requests else (field.limits,)),
            field.description,
        )
