"""Parses and binds each shape of filter once.

Identity providers send the same few filters millions of times, with different strings. The shape of
a filter is its text with every string emptied: `userName eq "bjensen"` and `userName eq "jsmith"`
both have `userName eq ""`. The ordinary parser parses and binds a shape with a `Hole` for each
string, and the result is cached as a function from the strings to the predicate. Calling it takes a
twentieth of the time of parsing.

A filter is parsed every time if its meaning depends on more than its shape:

- A string has an escape, or a character that no value may have.
- The shape is invalid; the error names positions in the text.
- The shape deviates from the RFCs; the deviation is recorded.
- A string is compared with an attribute other than text, such as a dateTime, and has to be checked.
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
"""The most characters of a cached shape, which bounds the memory of the cache."""

Fill = Callable[[Sequence[str]], Predicate]


def read_filter(
    text: str, resource_type: ResourceType, dialect: Dialect, among: Sequence[ResourceType] = ()
) -> Predicate:
    """Parse a filter and bind it to a resource type.

    Args:
        text: The filter.
        resource_type: The type to search.
        dialect: The dialect of the client.
        among: All types that are searched at once. An attribute that only another one of them has
            is an attribute without a value (RFC 7644 section 3.4.2.1).

    Raises:
        ScimError: invalidFilter, with the position of the error.
    """
    quick = read_quickly(text, resource_type, tuple(among))
    return bind(parse(text, dialect), resource_type, dialect, among) if quick is None else quick


def read_quickly(
    text: str, resource_type: ResourceType, among: tuple[ResourceType, ...] = ()
) -> Predicate | None:
    """Return the predicate of a filter by its shape, or None if it has to be parsed."""
    if (
        len(text) > MAX_LENGTH
        or "\\" in text
        or not (text.isascii() or _SURROGATE.search(text) is None)
    ):
        return None
    parts = _STRING.split(text)  # every second part is a string
    shape = '""'.join(parts[::2])
    if len(shape) > _MAX_SHAPE:
        return None
    fill = _remembered(shape, resource_type, among)
    return None if fill is None else fill(parts[1::2])


@lru_cache(maxsize=1024)
def _remembered(
    shape: str, resource_type: ResourceType, among: tuple[ResourceType, ...]
) -> Fill | None:
    """Return the function from strings to predicate; None if the shape is not enough."""
    strictly = Dialect(strict=True)
    try:
        predicate = bind(parse(shape, strictly, holes=True), resource_type, strictly, among)
    except (ScimError, UnfilledError):
        return None
    return None if strictly.seen else _fill(predicate)


def _fill(predicate: Predicate) -> Fill:
    """Return the function that replaces the holes of a predicate."""
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
