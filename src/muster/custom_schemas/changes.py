"""The differences between two versions of a custom schema."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from muster.scim.schema.custom import CustomSchema
from muster.scim.values import Json

_NESTED = ("name", "subAttributes")
"""The members of an attribute that are compared in another way than by value."""


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """A difference between two versions of a schema.

    Attributes:
        attribute: The path of the attribute, such as `badge.number`; empty for the schema itself.
        action: add, remove, update or reorder.
        values: For an update, the old and the new value by characteristic.
    """

    attribute: str
    action: str
    values: Mapping[str, tuple[Json, Json]] = field(default_factory=dict)


def changes_between(before: CustomSchema | None, after: CustomSchema) -> Sequence[SchemaChange]:
    """Return the differences of a schema from the version before, in the order of the schema.

    Args:
        before: The version before; None for a new schema, of which everything is added.
        after: The new version.
    """
    own = [] if before is None else list(_update("", _head(before), _head(after)))
    was = [] if before is None else _attributes(before)
    return [*own, *_compare("", was, _attributes(after))]


def _head(schema: CustomSchema) -> dict[str, Json]:
    """Return the members of a schema besides its attributes."""
    return {
        "name": schema.definition["name"],
        "description": schema.definition["description"],
        "extends": list(schema.extends),
        "required": schema.required,
    }


def _attributes(schema: CustomSchema) -> list[dict[str, Any]]:
    return [
        {**attribute, "indexed": attribute["name"] in schema.indexed}
        for attribute in schema.definition["attributes"]
    ]


def _compare(
    prefix: str, before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]
) -> Iterator[SchemaChange]:
    was = {attribute["name"]: attribute for attribute in before}
    now = {attribute["name"]: attribute for attribute in after}
    for name, attribute in now.items():
        path = prefix + name
        if name not in was:
            yield SchemaChange(path, "add")
            continue
        yield from _update(path, was[name], attribute)
        yield from _compare(f"{path}.", _subs(was[name]), _subs(attribute))
    yield from (SchemaChange(prefix + name, "remove") for name in was if name not in now)
    if _order(was, now) != _order(now, was):
        yield SchemaChange(prefix.removesuffix("."), "reorder")


def _subs(attribute: dict[str, Any]) -> Sequence[dict[str, Any]]:
    subs: Sequence[dict[str, Any]] = attribute.get("subAttributes", [])
    return subs


def _order(names: Iterable[str], others: Mapping[str, Any]) -> list[str]:
    """Return the names that the other version has too, in their order."""
    return [name for name in names if name in others]


def _update(path: str, was: dict[str, Any], now: dict[str, Any]) -> Iterator[SchemaChange]:
    """Yield an update if any characteristic of an attribute, or of the schema, differs."""
    compared = [name for name in {**was, **now} if not path or name not in _NESTED]
    values = {
        name: (was.get(name), now.get(name)) for name in compared if was.get(name) != now.get(name)
    }
    if values:
        yield SchemaChange(path, "update", values)
