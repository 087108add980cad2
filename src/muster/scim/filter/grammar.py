"""Parses filters into an AST and writes them back (RFC 7644 section 3.4.2.2)."""

import json
import re
from dataclasses import dataclass, field

from muster.scim.dialects import Dialect
from muster.scim.errors import ScimError, invalid_filter
from muster.scim.filter.lexer import MAX_LENGTH, Token, misspaced, tokens
from muster.scim.values import Json

MAX_DEPTH = 40
MAX_TERMS = 200
OPERATORS = frozenset({"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"})
_LITERALS = {"true": True, "false": False, "null": None}
_UNQUOTED = re.compile(
    r'(?P<start> *[A-Za-z$_][A-Za-z0-9_$:.-]* +[Ee][Qq] +)(?P<word>[^\s"()\[\]\\]+) *'
)
"""One comparison by eq whose value is not a JSON value, such as userName eq jane@example.com."""


@dataclass(frozen=True, slots=True)
class Hole:
    """The place of a string in the shape of a filter.

    Attributes:
        number: How many strings of the filter come before it.
    """

    number: int


@dataclass(frozen=True, slots=True)
class Compare:
    """attrPath SP compareOp SP compValue."""

    path: str
    operator: str
    value: Json
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Present:
    """attrPath SP "pr"."""

    path: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class And:
    """Terms that all have to match."""

    terms: "tuple[Filter, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """Terms of which one has to match."""

    terms: "tuple[Filter, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """A term that must not match."""

    term: "Filter"


@dataclass(frozen=True, slots=True)
class ValuePath:
    """attrPath "[" valFilter "]"."""

    path: str
    term: "Filter"
    position: int = field(default=0, compare=False)


Filter = Compare | Present | And | Or | Not | ValuePath


def parse(text: str, dialect: Dialect, holes: bool = False) -> Filter:
    """Parse a filter.

    Args:
        text: The filter.
        dialect: The dialect of the client.
        holes: Whether to replace each string by a `Hole`.

    Raises:
        ScimError: invalidFilter, with the position of the error, counted from 1.
    """
    try:
        parser = Parser(tokens(text), dialect, holes=holes)
        node = parser.filter(0)
        parser.expect("end")
    except ScimError:
        unquoted = _UNQUOTED.fullmatch(text) if len(text) <= MAX_LENGTH else None
        if unquoted is None:
            raise
        dialect.take("filter-unquoted", f"position {unquoted.start('word') + 1}")
        return parse(f"{unquoted['start']}{json.dumps(unquoted['word'])}", dialect, holes)
    return node


class Parser:
    """A recursive descent parser: `or` binds loosest, then `and`, then `not`.

    Depth and number of terms are limited, so that a filter cannot exhaust the stack.
    """

    def __init__(
        self, found: list[Token], dialect: Dialect, inside: bool = False, holes: bool = False
    ) -> None:
        self.tokens = found
        self.holes = iter(range(len(found))) if holes else None
        self.index = 0
        self.terms = 0
        self.dialect = dialect
        self.in_value_path = inside
        misplaced = misspaced(found)
        if misplaced is not None:
            dialect.take("filter-spacing", f"position {misplaced.position}")

    @property
    def token(self) -> Token:
        return self.tokens[self.index]

    def take(self) -> Token:
        token = self.tokens[self.index]
        self.index = min(self.index + 1, len(self.tokens) - 1)
        return token

    def expect(self, text: str) -> Token:
        token = self.token
        if (token.kind if text == "end" else token.text) != text:
            raise unexpected(token, "the end" if text == "end" else f"'{text}'")
        return self.take()

    def keyword(self, word: str) -> bool:
        if self.token.kind == "word" and self.token.text.lower() == word:
            self.take()
            return True
        return False

    def filter(self, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            raise invalid_filter(
                f"position {self.token.position}: nested more than {MAX_DEPTH} levels deep"
            )
        arms = [self.conjunction(depth)]
        while self.keyword("or"):
            arms.append(self.conjunction(depth))
        return arms[0] if len(arms) == 1 else Or(tuple(arms))

    def conjunction(self, depth: int) -> Filter:
        terms = [self.term(depth)]
        while self.keyword("and"):
            terms.append(self.term(depth))
        return terms[0] if len(terms) == 1 else And(tuple(terms))

    def term(self, depth: int) -> Filter:
        self.terms += 1
        if self.terms > MAX_TERMS:
            raise invalid_filter(
                f"position {self.token.position}: more than {MAX_TERMS} conditions"
            )
        token = self.take()
        if token.kind == "word" and token.text.lower() == "not" and self.token.text == "(":
            self.take()
            return Not(self.group(depth))
        if token.text == "(":
            return self.group(depth)
        if token.kind != "word":
            raise unexpected(token, "an attribute, 'not' or '('")
        if self.token.text == "[":
            return self.value_path(token, depth)
        return self.comparison(token)

    def group(self, depth: int) -> Filter:
        node = self.filter(depth + 1)
        self.expect(")")
        return node

    def value_path(self, path: Token, depth: int) -> Filter:
        bracket = self.take()
        if self.in_value_path:
            raise invalid_filter(
                f"position {bracket.position}: a value path cannot contain another one"
            )
        self.in_value_path = True
        node = self.filter(depth + 1)
        self.in_value_path = False
        self.expect("]")
        if self.token.text == ".":
            self.dialect.take("value-path-sub-attribute", f"position {self.token.position}")
            self.take()
            node = And((node, self.comparison(self.take())))
        return ValuePath(path.text, node, path.position)

    def comparison(self, path: Token) -> Filter:
        token = self.take()
        operator = token.text.lower()
        if token.kind == "word" and operator == "pr":
            return Present(path.text, path.position)
        if token.kind != "word" or operator not in OPERATORS:
            raise unexpected(token, "an operator (eq ne co sw ew pr gt ge lt le)")
        return Compare(path.text, operator, self.literal(), path.position)

    def literal(self) -> Json:
        token = self.take()
        if token.kind == "string" and self.holes is not None:
            return Hole(next(self.holes))
        if token.kind in ("string", "number"):
            return token.value
        if token.kind == "word" and token.text.lower() in _LITERALS:
            return _LITERALS[token.text.lower()]
        raise unexpected(
            token, "a value (a string in double quotes, a number, true, false or null)"
        )


def unexpected(token: Token, expected: str) -> ScimError:
    """Return the error for an unexpected token."""
    found = "the end" if token.kind == "end" else repr(token.text[:40])
    return invalid_filter(f"position {token.position}: expected {expected}, got {found}")


def to_text(node: Filter) -> str:
    """Return the filter as text that parses to the same AST."""
    match node:
        case Compare(path, operator, value):
            return f"{path} {operator} {json.dumps(value)}"
        case Present(path):
            return f"{path} pr"
        case ValuePath(path, term):
            return f"{path}[{to_text(term)}]"
        case Not(term):
            return f"not ({to_text(term)})"
        case And(terms):
            return " and ".join(
                f"({to_text(t)})" if isinstance(t, And | Or) else to_text(t) for t in terms
            )
        case Or(terms):
            return " or ".join(
                f"({to_text(t)})" if isinstance(t, Or) else to_text(t) for t in terms
            )
