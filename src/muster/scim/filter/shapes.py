"""Filters by shape, so that each shape is parsed and bound once.

Identity providers send the same few filters millions of times, with another string in each. The shape of a filter is
its text with every string emptied: `userName eq "bjensen"` and `userName eq "jsmith"` both have `userName eq ""`. A
shape is parsed and bound by the ordinary parser, with a `Hole` for each string, and remembered as a function from the
strings to the predicate. Filling it in takes a twentieth of the time of parsing.

The ordinary parser reads a filter itself, every time, if its shape does not say everything about its meaning: if a
string has an escape or a character that no value may have, if the shape is wrong (the error names positions in the
text), if it deviates from the RFCs (the deviation is counted), or if a string is compared with something other than
text (a dateTime, say, is checked).
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from muster.scim.dialects import Dialect
from muster.scim.errors import ScimError
from muster.scim.filter.grammar import Hole, parse
from muster.scim.filter.lexer import MAX_LENGTH
from muster.scim.filter.predicate import (
    All,
    Each,
    Negation,
    Predicate,
    Some,
    Test,
    UnfilledError,
    bind,
)
from muster.scim.schema.model import ResourceType
from muster.scim.values import fold

_STRING = re.compile(r'"([^"\\\x00-\x1f]*)"')
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_SHAPE = 500
"""Characters of a shape that is remembered, which bounds the memory that shapes take."""

Fill = Callable[[Sequence[str]], Predicate]


def read_filter(
    text: str, resource_type: ResourceType, dialect: Dialect, among: Sequence[ResourceType] = ()
) -> Predicate:
    """Return the predicate that a filter means.

    Args:
        text: The filter.
        resource_type: The type that is searched.
        dialect: How to read the client.
        among: The types that are searched together. An attribute that only another of them has is one without a
            value (RFC 7644 section 3.4.2.1).

    Raises:
        ScimError: invalidFilter, with the position of the mistake.
    """
    quick = read_quickly(text, resource_type, tuple(among))
    return bind(parse(text, dialect), resource_type, dialect, among) if quick is None else quick


def read_quickly(
    text: str, resource_type: ResourceType, among: tuple[ResourceType, ...] = ()
) -> Predicate | None:
    """Return the predicate that a filter means, or None if its shape does not say everything."""
    if (
        len(text) > MAX_LENGTH
        or "\\" in text
        or not (text.isascii() or _SURROGATE.search(text) is None)
    ):
        return None
    parts = _STRING.split(text)  # the strings are every second part
    shape = '""'.join(parts[::2])
    if len(shape) > _MAX_SHAPE:
        return None
    fill = _remembered(shape, resource_type, among)
    return None if fill is None else fill(parts[1::2])


@lru_cache(maxsize=1024)
def _remembered(
    shape: str, resource_type: ResourceType, among: tuple[ResourceType, ...]
) -> Fill | None:
    """Return the function that fills in a shape, or None if the shape does not say everything."""
    strictly = Dialect(strict=True)
    try:
        predicate = bind(parse(shape, strictly, holes=True), resource_type, strictly, among)
    except (ScimError, UnfilledError):
        return None
    return None if strictly.seen else _fill(predicate)


def _fill(predicate: Predicate) -> Fill:
    """Return the function that makes a predicate out of one with holes."""
    match predicate:
        case Test(field, operator, Hole(number)):
            if field.attribute.case_exact:
                return lambda strings: Test(field, operator, strings[number])
            return lambda strings: Test(field, operator, fold(strings[number]))
        case Each(field, term):
            within = _fill(term)
            return lambda strings: Each(field, within(strings))
        case Negation(term):
            negated = _fill(term)
            return lambda strings: Negation(negated(strings))
        case All(terms) if terms:
            parts = [_fill(term) for term in terms]
            return lambda strings: All(tuple([part(strings) for part in parts]))
        case Some(terms) if terms:
            parts = [_fill(term) for term in terms]
            return lambda strings: Some(tuple([part(strings) for part in parts]))
    return lambda _: predicate
