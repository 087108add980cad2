"""The `primary` element of a multi-valued attribute: at most one (RFC 7643 section 2.4)."""

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
    """Return the elements with the primary one, if any, in front."""
    return sorted(elements, key=lambda element: not is_primary(element))


def check_primary(elements: list[Any], where: str) -> None:
    """Raise ScimError invalidValue if more than one element is primary."""
    if len(elements) > 1 and sum(map(is_primary, elements)) > 1:
        raise invalid_value(f"{where}: at most one element may be primary")


def one_primary(
    attribute: Attribute, elements: list[Json], where: str, dialect: Dialect
) -> list[Json]:
    """Return the elements of a client's document with at most one primary.

    Some clients mark two elements that have the same value: the first of them stays primary.

    Raises:
        ScimError: invalidValue if primary elements have different values, or the workspace is strict.
    """
    primary = [element for element in elements if is_primary(element)]
    if len(primary) < 2:
        return elements
    sub, value = attribute.sub("value"), primary[0].get("value")
    if (
        sub is None
        or value is None
        or not all(same_value(sub, element.get("value"), value) for element in primary)
    ):
        raise invalid_value(f"{where}: at most one element may be primary")
    dialect.take("primary-twice", where)
    return [
        {**element, "primary": False} if element in primary[1:] else element for element in elements
    ]


def move_primary(elements: list[Json], touched: list[int], where: str) -> list[Json]:
    """Return the elements with the one that a PATCH made primary as the only primary one.

    The elements that were primary before become `"primary": false` (RFC 7644 section 3.5.2).

    Args:
        elements: The elements after the operation.
        touched: The positions that the operation made primary.
        where: The place in the request, for the error.

    Raises:
        ScimError: invalidValue if the operation made more than one element primary.
    """
    if not touched:
        return elements
    if len(set(touched)) > 1:
        raise invalid_value(f"{where}: at most one element may be primary")
    return [
        {**element, "primary": False} if position != touched[0] and is_primary(element) else element
        for position, element in enumerate(elements)
    ]
