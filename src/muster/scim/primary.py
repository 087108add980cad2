"""The `primary` element of an attribute, at most one (RFC 7643 section 2.4)."""

from typing import Any

from muster.scim.dialects import Dialect
from muster.scim.errors import invalid_value
from muster.scim.filter.evaluate import same_value
from muster.scim.schema.model import Attribute
from muster.scim.values import Json


def is_primary(element: Json) -> bool:
    """Return whether an element is marked as the primary one."""
    return isinstance(element, dict) and element.get("primary") is True


def primary_first(elements: list[Json]) -> list[Json]:
    """Return the elements with the primary one first."""
    return sorted(elements, key=lambda element: not is_primary(element))


def check_primary(elements: list[Any], where: str) -> None:
    """Check that at most one element is primary. Raises ScimError invalidValue."""
    if len(elements) > 1 and sum(map(is_primary, elements)) > 1:
        raise invalid_value(f"{where}: at most one element may be primary")


def one_primary(
    attribute: Attribute, elements: list[Json], where: str, dialect: Dialect
) -> list[Json]:
    """Leave at most one element of a client's document primary.

    Some clients mark several elements with the same value. The first of them stays primary.

    Raises:
        ScimError: invalidValue, if primary elements have different values or the workspace is
            strict.
    """
    primary = [position for position, element in enumerate(elements) if is_primary(element)]
    if len(primary) < 2:
        return elements
    sub, value = attribute.sub("value"), elements[primary[0]].get("value")
    if (
        sub is None
        or value is None
        or not all(same_value(sub, elements[position].get("value"), value) for position in primary)
    ):
        raise invalid_value(f"{where}: at most one element may be primary")
    dialect.take("primary-twice", where)
    return [
        {**element, "primary": False} if position in primary[1:] else element
        for position, element in enumerate(elements)
    ]


def move_primary(elements: list[Json], touched: list[int], where: str) -> list[Json]:
    """Make the element that a PATCH marked as primary the only primary one.

    The element that was primary before gets `"primary": false` (RFC 7644 section 3.5.2).

    Args:
        elements: The elements after the operation.
        touched: The positions of the elements that the operation made primary.
        where: The operation's name in errors.

    Raises:
        ScimError: invalidValue, if the operation made several elements primary.
    """
    if not touched:
        return elements
    if len(set(touched)) > 1:
        raise invalid_value(f"{where}: at most one element may be primary")
    return [
        {**element, "primary": False} if position != touched[0] and is_primary(element) else element
        for position, element in enumerate(elements)
    ]
