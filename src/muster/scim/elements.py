"""The elements of multi-valued attributes: when two are the same, and how one is merged into another (RFC 7643 section 2.4)."""

from collections.abc import Iterable
from typing import Any

from muster.scim.filter.evaluate import comparable_key
from muster.scim.primary import is_primary
from muster.scim.schema.model import Attribute
from muster.scim.values import Json

Key = tuple[Any, ...]
_REFERENCE = "$ref"
_DESCRIPTIONS = ("display", "displayName")


def key_of(attribute: Attribute, element: Json) -> Key:
    """The identity of an element: its `value` and `type`; without a `value`, everything that it holds.

    The RFC asks servers not to return the same combination of `value` and `type` twice.
    """
    if not attribute.is_complex:
        return (comparable_key(attribute, element),)
    if "value" in element:
        return (_sub(attribute, element, "value"), _sub(attribute, element, "type"))
    return (None, _content(attribute, element))


class Elements:
    """The elements of one attribute, indexed by what names them, so that each look-up takes constant time."""

    def __init__(self, attribute: Attribute, elements: Iterable[Json]) -> None:
        self.attribute = attribute
        self.items: list[Json] = []
        self._by_key: dict[Key, list[int]] = {}
        self._by_value: dict[Json, list[int]] = {}
        for item in elements:
            self.append(item)

    def append(self, item: Json) -> None:
        """Add an element at the end."""
        position = len(self.items)
        self.items.append(item)
        self._by_key.setdefault(key_of(self.attribute, item), []).append(position)
        if self.attribute.is_complex and "value" in item:
            self._by_value.setdefault(_sub(self.attribute, item, "value"), []).append(position)

    def named(self, wanted: Json) -> list[int]:
        """The positions of the elements that a value names.

        A value with `value` and `type` names the elements that have both; one without `type` names those with its
        `value`, whatever their type. A value that has no `value` names the elements with the same content.
        """
        if self.attribute.is_complex and "value" in wanted and "type" not in wanted:
            return self._by_value.get(_sub(self.attribute, wanted, "value"), [])
        return self._by_key.get(key_of(self.attribute, wanted), [])

    def first(self, wanted: Json) -> int | None:
        """The position of the first element that a value names, or None."""
        found = self.named(wanted)
        return found[0] if found else None


def distinct(attribute: Attribute, elements: list[Json]) -> list[Json]:
    """The elements with those that repeat an earlier one's identity merged into it; either makes the result primary."""
    if len(elements) < 2 or _differ_by_value(elements):
        return elements
    kept: dict[Key, Json] = {}
    for item in elements:
        key = key_of(attribute, item)
        before = kept.get(key)
        if before is None:
            kept[key] = item
        else:
            kept[key] = merged(
                attribute, before, {**item, "primary": True} if is_primary(before) else item
            )
    return elements if len(kept) == len(elements) else list(kept.values())


def _differ_by_value(elements: list[Json]) -> bool:
    """Whether all elements have a string as `value`, and no two the same: then they need no closer look. Quick."""
    values = {
        value.casefold()
        for item in elements
        if isinstance(item, dict) and isinstance(value := item.get("value"), str)
    }
    return len(values) == len(elements) and all(map(str.isascii, values))


def merged(attribute: Attribute, element: Json, named: Json) -> Json:
    """An element with the sub-attributes that another one of the same identity names.

    Identity keeps its spelling, and an absent `primary` equals false: naming what is there changes nothing.
    """
    if not attribute.is_complex:
        return element
    changes = {
        name: value
        for name, value in named.items()
        if element.get(name) != value
        and not (
            name in ("value", "type")
            and name in element
            and _equal_sub(attribute, element, named, name)
        )
        and not (name == "primary" and value is False and "primary" not in element)
    }
    return {**element, **changes} if changes else element


def without_stale_reference(
    attribute: Attribute, before: dict[str, Json], after: dict[str, Json], named: Iterable[str]
) -> None:
    """Drop the `$ref` and the display name from `after` if its `value` is another than before's.

    They describe the previous value. Those in `named` were given together with the new one, and stay.
    """
    if _REFERENCE not in attribute.sub_attributes or _equal_sub(attribute, before, after, "value"):
        return
    given, value = set(named), after.get("value")
    reference = after.get(_REFERENCE)
    if _REFERENCE not in given and not (
        isinstance(reference, str) and value and reference.rstrip("/").endswith(f"/{value}")
    ):
        after.pop(_REFERENCE, None)
    for name in _DESCRIPTIONS:
        if name not in given:
            after.pop(name, None)


def _equal_sub(
    attribute: Attribute, first: dict[str, Json], second: dict[str, Json], name: str
) -> bool:
    return bool(_sub(attribute, first, name) == _sub(attribute, second, name))


def _sub(attribute: Attribute, element: dict[str, Json], name: str) -> Json:
    sub, value = attribute.sub_attributes.get(name), element.get(name)
    return None if sub is None or value is None else comparable_key(sub, value)


def _content(attribute: Attribute, element: dict[str, Json]) -> frozenset[tuple[str, Json]]:
    return frozenset(
        (name, comparable_key(attribute.sub_attributes[name.lower()], value))
        for name, value in element.items()
        if not (name == "primary" and value is False)
        and not attribute.sub_attributes[name.lower()].secret
    )
