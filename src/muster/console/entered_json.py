"""JSON that is entered into a form."""

import orjson

from muster.scim.errors import invalid_syntax
from muster.scim.values import Json


def parse_entered(text: str) -> Json:
    """Parse JSON that was entered as a definition.

    Raises:
        ScimError: invalidSyntax if it is not JSON or has a NUL character, which PostgreSQL cannot
            store and the management API refuses.
    """
    try:
        value: Json = orjson.loads(text)
    except ValueError as error:
        raise invalid_syntax(f"definition: expected JSON: {error}") from None
    if "\\u0000" in text and _has_nul(value):
        raise invalid_syntax("definition: a name or a string contains a NUL character. Remove it")
    return value


def _has_nul(value: Json) -> bool:
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, str) and "\0" in each:
            return True
        if isinstance(each, dict):
            left += [*each, *each.values()]
        elif isinstance(each, list):
            left += each
    return False
