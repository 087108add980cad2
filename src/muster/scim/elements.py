"""Identity and merging of elements (RFC 7643 section 2.4).

The RFC gives elements no ids, but PATCH has to tell whether an added element exists already, and
which element a remove means. Two elements are the same if their `value` and `type` compare equal by
the schema (case-insensitively unless caseExact); elements without a `value`, such as addresses, are
the same if all their content is.

From this follow three operations:

- Looking up: `{"value": "a@x.example"}` without a `type` matches every element with this value,
  because clients that remove an e-mail address rarely send its type.
- Merging: adding an element that exists changes the sub-attributes that the new one names, and
  keeps the others. The spelling of `value` and `type` is kept, so that re-sending an element
  changes nothing.
- Deduplicating: of elements with the same identity in one request, the later ones are merged into
  the first.

Comparing each pair would be quadratic, and a workspace may allow 5,000 elements; so `Elements`
indexes them by key.
"""

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
    """Return the identity of an element: `value` and `type`, or else its content.

    Servers should not return the same combination of `value` and `type` twice (RFC 7643 section
    2.4).
    """
    if not attribute.is_complex:
        return (comparable_key(attribute, element),)
    if "value" in element:
        return (_sub(attribute, element, "value"), _sub(attribute, element, "type"))
    return (None, _content(attribute, element))


class Elements:
    """The elements of one attribute, indexed by identity and by `value`."""

    def __init__(self, attribute: Attribute, elements: Iterable[Json]) -> None:
        self.attribute = attribute
        self.items: list[Json] = []
        self._by_key: dict[Key, list[int]] = {}
        self._by_value: dict[Json, list[int]] = {}
        for item in elements:
            self.append(item)

    def append(self, item: Json) -> None:
        """Append an element."""
        position = len(self.items)
        self.items.append(item)
        self._by_key.setdefault(key_of(self.attribute, item), []).append(position)
        if self.attribute.is_complex and "value" in item:
            self._by_value.setdefault(_sub(self.attribute, item, "value"), []).append(position)

    def matching(self, wanted: Json) -> list[int]:
        """Return the positions of the elements that a value in a request means.

        With `value` and `type` it means the elements that have both; without `type`, those that
        have the `value`; without `value`, those with the same content.
        """
        if self.attribute.is_complex and "value" in wanted and "type" not in wanted:
            return self._by_value.get(_sub(self.attribute, wanted, "value"), [])
        return self._by_key.get(key_of(self.attribute, wanted), [])

    def first_match(self, wanted: Json) -> int | None:
        """Return the position of the first element that a value means, or None."""
        found = self.matching(wanted)
        return found[0] if found else None


def distinct(attribute: Attribute, elements: list[Json]) -> list[Json]:
    """Merge elements of the same identity into the first of them.

    The result is primary if any of them is.
    """
    # Most requests have no duplicates; then this costs one set of strings.
    if len(elements) < 2 or _differ_by_value(elements):
        return elements
    kept: dict[Key, Json] = {}
    for item in elements:
        key = key_of(attribute, item)
        before = kept.get(key)
        if before is None:
            kept[key] = item
        else:
            # `primary` of the first element must survive a later `"primary": false` of the same
            # one.
            kept[key] = merged(
                attribute, before, {**item, "primary": True} if is_primary(before) else item
            )
    return elements if len(kept) == len(elements) else list(kept.values())


def _differ_by_value(elements: list[Json]) -> bool:
    """Return whether all elements have different ASCII strings as `value`.

    This is the usual case, and a quick way to know that nothing has to be merged. Other strings
    need full folding, which the caller does.
    """
    values = {
        value.casefold()
        for item in elements
        if isinstance(item, dict) and isinstance(value := item.get("value"), str)
    }
    return len(values) == len(elements) and all(map(str.isascii, values))


def merged(attribute: Attribute, element: Json, named: Json) -> Json:
    """Return an element with the sub-attributes of another one of the same identity.

    `value` and `type` keep their spelling, and `"primary": false` is not added to an element
    without `primary`, so that merging an equal element changes nothing.
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


def drop_stale_reference(
    attribute: Attribute, before: dict[str, Json], after: dict[str, Json], named: Iterable[str]
) -> None:
    """Drop `$ref` and the display name from `after` if its `value` has changed.

    They describe the previous value.

    Args:
        attribute: The complex attribute.
        before: Its value before the change.
        after: Its new value, which is modified.
        named: The sub-attributes that came with the new value; these stay.
    """
    if _REFERENCE not in attribute.sub_attributes or _equal_sub(attribute, before, after, "value"):
        return
    # A reference that ends in the new id describes the new value, even if the client did not send
    # it now.
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
