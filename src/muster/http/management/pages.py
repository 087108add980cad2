"""Cursors of lists that are in an order of their own, such as keys by their time of creation.

A cursor is the position of the last element of a page. It grants nothing and hides nothing, so it
is not signed; positions among the changes of a workspace are (`tokens.py`).
"""

import base64
from collections.abc import Callable, Sequence
from typing import TypeVar

import orjson

from muster.http.wire.errors import at
from muster.scim.errors import invalid_value

_END = 2**63
"""The integers below this are those that a database can compare."""
T = TypeVar("T")
Position = tuple[str | int, ...]


def page(
    elements: Sequence[T], position: Callable[[T], Position], cursor: str, limit: int
) -> tuple[Sequence[T], str | None]:
    """Take one page of a list.

    Args:
        elements: The whole list, in the order of its positions.
        position: Computes the position of an element; all of one form.
        cursor: The cursor of the page; empty for the first.
        limit: The maximum number of elements.

    Returns:
        The elements of the page and the cursor of the next page, None if there is none.

    Raises:
        InvalidRequest: 400 if the cursor is not of this list.
    """
    if cursor and elements:
        after = read_cursor(cursor, position(elements[0]))
        elements = [element for element in elements if position(element) > after]
    return cut(elements, position, limit)


def cut(
    elements: Sequence[T], position: Callable[[T], Position], limit: int
) -> tuple[Sequence[T], str | None]:
    """Take the first elements, and the cursor of the rest if there is any."""
    shown = elements[:limit]
    if len(elements) <= limit:
        return shown, None
    return shown, write_cursor(position(shown[-1]))


def write_cursor(position: Position) -> str:
    """Encode a position."""
    return base64.urlsafe_b64encode(orjson.dumps(position)).rstrip(b"=").decode()


def read_cursor(cursor: str, like: Position) -> Position:
    """Decode a position of the same form as another. Raises InvalidRequest 400."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found = orjson.loads(base64.b64decode(padded, b"-_", validate=True))
    except ValueError:
        found = None
    if (
        not isinstance(found, list)
        or [type(part) for part in found] != [type(part) for part in like]
        or any(isinstance(part, int) and not -_END <= part < _END for part in found)
    ):
        with at("/cursor"):
            raise invalid_value("Not a cursor of this list. Pass the nextCursor of a page of it.")
    return tuple(found)
