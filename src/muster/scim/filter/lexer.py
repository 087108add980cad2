"""The tokens of filters and PATCH paths (RFC 7644 figures 1 and 7), each with its position."""

import json
import re
from dataclasses import dataclass

from muster.scim.errors import invalid_filter
from muster.scim.values import Json

MAX_LENGTH = 8192
"""The longest filter or path that is read, in characters."""

_TOKEN = re.compile(
    r"""[ \t]*(?:
      (?P<string>"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*")
    | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.:$-]))
    | (?P<word>[A-Za-z$_][\w$:-]*(?:\.[\w$:-]+)*)
    | (?P<mark>[()\[\].])
    )""",
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Token:
    """kind: string, number, word, mark or end. position: counted from 1, in characters. gap: the white space before it."""

    kind: str
    text: str
    position: int
    gap: str = ""

    @property
    def value(self) -> Json:
        """The JSON value of a string or number."""
        return json.loads(self.text)


def tokens(text: str) -> list[Token]:
    """The tokens of text, closed by one of kind end.

    Raises ScimError invalidFilter where text is too long or a character fits no token.
    """
    if len(text) > MAX_LENGTH:
        raise invalid_filter(
            f"filter is {len(text)} characters long, and at most {MAX_LENGTH} are read"
        )
    found = []
    position, end = 0, len(text.rstrip(" \t"))
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            at = position + len(text[position:]) - len(text[position:].lstrip(" \t"))
            raise invalid_filter(f"position {at + 1}: cannot read {text[at : at + 20]!r}")
        kind = str(match.lastgroup)
        start = match.start(kind)
        token = Token(kind, match[kind], start + 1, text[position:start])
        if kind == "number" and not _fits(token):
            raise invalid_filter(f"position {start + 1}: the number is out of range")
        if kind == "string":
            _check_text(token)
        found.append(token)
        position = match.end()
    found.append(Token("end", "", end + 1, text[end:]))
    return found


def misspaced(found: list[Token]) -> Token | None:
    """Return the first token that the white space before it sets apart otherwise than the grammar does, or None.

    The grammar has exactly one space around operators, and around `and` and `or`, and none at brackets, parentheses and the ends.
    The RFC's own examples have a space between `not` and its parenthesis, where its grammar has none: both are taken.
    """
    before = Token("start", "", 0)
    for token in found:
        if token.gap != _gap(before, token) and not (
            token.text == "(" and before.text.lower() == "not" and token.gap == " "
        ):
            return token
        before = token
    return None


def _gap(before: Token, token: Token) -> str:
    if (
        before.kind == "start"
        or token.kind == "end"
        or before.text in ("(", "[", ".")
        or token.text in (")", "]", "[", ".")
    ):
        return ""
    return "" if token.text == "(" and before.text.lower() == "not" else " "


def _fits(token: Token) -> bool:
    if len(token.text) > 64:
        return False
    number = token.value
    return (
        -(2**63) <= number < 2**63
        if isinstance(number, int)
        else number not in (float("inf"), float("-inf"))
    )


def _check_text(token: Token) -> None:
    text = token.value
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text if char > "\ud7ff"):
        raise invalid_filter(
            f"position {token.position}: the string has a character that no stored value can have"
        )
