"""Splits filters and PATCH paths into tokens (RFC 7644 figures 1 and 7)."""

import json
import re
from dataclasses import dataclass

from muster.scim.errors import invalid_filter
from muster.scim.values import Json

MAX_LENGTH = 8192
"""The most characters of a filter or path."""

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
    """A token of a filter or path.

    Attributes:
        kind: string, number, word, mark or end.
        text: The characters of the token.
        position: The position of its first character, counted from 1.
        gap: The white space before it.
    """

    kind: str
    text: str
    position: int
    gap: str = ""

    @property
    def value(self) -> Json:
        """The JSON value of a string or number token."""
        return json.loads(self.text)


def tokens(text: str) -> list[Token]:
    """Split a text into tokens; the last one is of kind end.

    Raises:
        ScimError: invalidFilter, if the text is too long or has a character that fits no token.
    """
    if len(text) > MAX_LENGTH:
        raise invalid_filter(
            f"The filter has {len(text):,} characters; the limit is {MAX_LENGTH:,}."
        )
    found = []
    position, end = 0, len(text.rstrip(" \t"))
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            at = position + len(text[position:]) - len(text[position:].lstrip(" \t"))
            raise invalid_filter(f"position {at + 1}: unexpected {text[at : at + 20]!r}")
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
    """Return the first token whose white space deviates from the grammar, or None.

    The grammar has exactly one space around operators, `and` and `or`, and none at brackets,
    parentheses and the ends. Between `not` and its parenthesis the grammar has no space but the
    examples of the RFC have one; both are accepted.
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
            f"position {token.position}: the string has a character that stored values cannot have"
        )
