"""An oracle for filters, after RFC 7644 section 3.4.2.2 and RFC 7643 section 2.3.

It evaluates a filter on a resource as GET shows it. The result is a set of booleans: two of them if the RFCs and the
documentation leave the result open. Likewise, `allowed` tells whether a server must evaluate a filter (YES), must
refuse it (NO), or may do either (EITHER).
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from tests.oracles.schemas import Attribute, Path, ResourceType

Json = Any
Answers = frozenset[bool]

TRUE, FALSE, BOTH = frozenset((True,)), frozenset((False,)), frozenset((True, False))


@dataclass(frozen=True, slots=True)
class Compare:
    path: Path
    operator: str
    value: Json
    text: str = ""
    """The value as the filter spells it, if not as json.dumps does."""


@dataclass(frozen=True, slots=True)
class Present:
    path: Path


@dataclass(frozen=True, slots=True)
class Element:
    """A value path: a condition on the sub-attributes of one element.

    Attributes:
        then: A comparison after the bracket (`emails[…].value eq "x"`), which the RFC's grammar does not allow.
    """

    path: Path
    inner: "Filter"
    then: Compare | None = None


@dataclass(frozen=True, slots=True)
class Not:
    inner: "Filter"


@dataclass(frozen=True, slots=True)
class Logical:
    operator: str
    terms: "tuple[Filter, ...]"


Filter = Compare | Present | Element | Not | Logical


# Rendering


@dataclass(frozen=True, slots=True)
class Spelling:
    """Options for writing a filter as text.

    Attributes:
        name: Changes the case of an attribute name.
        core_urn: Whether core attributes are written with their URN.
        keyword: Changes the case of an operator.
        not_space: The text between `not` and its parenthesis.
    """

    name: Callable[[str], str] = str
    core_urn: bool = False
    keyword: Callable[[str], str] = str
    not_space: str = " "


def render(
    node: Filter, kind: ResourceType, how: Spelling = Spelling(), inside: bool = False
) -> str:
    """Write a filter with no more parentheses than its precedence needs.

    Pass inside for the filter of a value path, whose names are relative.
    """
    return _render(node, kind, how, inside)


def _render(node: Filter, kind: ResourceType, how: Spelling, inside: bool) -> str:
    match node:
        case Compare():
            return f"{_name(node.path, kind, how, inside)} {how.keyword(node.operator)} {_spelled(node)}"
        case Present():
            return f"{_name(node.path, kind, how, inside)} {how.keyword('pr')}"
        case Element():
            then = (
                ""
                if node.then is None
                else f".{how.name(node.then.path.last.name)} {node.then.operator} {_spelled(node.then)}"
            )
            return f"{_name(node.path, kind, how, inside)}[{_render(node.inner, kind, how, inside=True)}]{then}"
        case Not():
            return f"{how.keyword('not')}{how.not_space}({_render(node.inner, kind, how, inside)})"
        case Logical():
            texts = [_render(term, kind, how, inside) for term in node.terms]
            if node.operator == "and":
                loose = [isinstance(term, Logical) and term.operator == "or" for term in node.terms]
                texts = [
                    f"({text})" if lower else text for text, lower in zip(texts, loose, strict=True)
                ]
            return f" {how.keyword(node.operator)} ".join(texts)


def _spelled(node: Compare) -> str:
    return node.text or json.dumps(node.value, ensure_ascii=False)


def _name(path: Path, kind: ResourceType, how: Spelling, inside: bool) -> str:
    if inside:
        return how.name(path.last.name)
    name = how.name(path.attribute.name) + (
        "" if path.sub is None else f".{how.name(path.sub.name)}"
    )
    if path.urn is not None:
        return f"{path.urn}:{name}"
    common = path.attribute.name in ("schemas", "id", "externalId", "meta")
    return f"{kind.urn}:{name}" if how.core_urn and not common else name


# Whether a filter is allowed

NO, EITHER, YES = "no", "either", "yes"
_ORDERED = ("gt", "ge", "lt", "le")
_SUBSTRING = ("co", "sw", "ew")


def allowed(node: Filter, strict: bool) -> str:
    """Tell whether a server must evaluate a filter, must refuse it, or may do either."""
    found = set(_leaves(node, strict))
    return NO if NO in found else EITHER if EITHER in found else YES


def _leaves(node: Filter, strict: bool) -> Iterator[str]:
    match node:
        case Compare():
            yield EITHER if _is_made(node.path) else YES
            yield _comparable(node.path.last, node.operator, node.value, strict)
        case Present():
            yield EITHER if _is_made(node.path) else YES
            # RFC 7643 section 7 forbids comparisons of an attribute that is never returned
            yield NO if _hidden(node.path) else YES
        case Element():
            attribute = node.path.attribute
            if attribute.type != "complex":
                # RFC 7644 section 3.5.2.2 has no filter of values of a simple type but `value`; for a single one it means nothing
                yield EITHER if attribute.multi else NO
            yield from _leaves(node.inner, strict)
            if node.then is not None:
                # the grammar has no such filter; Entra ID sends it with eq, and the dialect table has that
                yield NO if strict else YES if node.then.operator == "eq" else EITHER
                yield from _leaves(node.then, strict)
        case Not():
            yield from _leaves(node.inner, strict)
        case Logical():
            for term in node.terms:
                yield from _leaves(term, strict)


def _is_made(path: Path) -> bool:
    """Tell whether an attribute is computed from the request's URL or the version.

    A server may refuse to filter by it: "the specified attribute and filter comparison combination is not
    supported" (RFC 7644 section 3.12, invalidFilter).
    """
    of, name = path.attribute.name, path.last.name
    return path.urn is None and (
        (of == "meta" and name in ("location", "version"))
        or (of in ("groups", "members") and name == "$ref")
    )


def _hidden(path: Path) -> bool:
    return path.attribute.returned == "never" or path.last.returned == "never"


def _comparable(attribute: Attribute, operator: str, value: Json, strict: bool) -> str:
    if attribute.returned == "never":
        return NO
    if value is None:
        return YES if operator in ("eq", "ne") else NO
    if attribute.type == "complex":
        inner = attribute.subs.get("value")
        if inner is None:
            return NO
        # RFC 7644 section 3.4.2.2 compares `emails co "x"` by `value`; it says nothing of single complex attributes (manager)
        found = _comparable(inner, operator, value, strict)
        return found if attribute.multi or found == NO else EITHER
    return _by_type(attribute.type, operator, value, strict)


def _by_type(kind: str, operator: str, value: Json, strict: bool) -> str:
    text, number = (
        isinstance(value, str),
        isinstance(value, int | float) and not isinstance(value, bool),
    )
    if kind == "boolean":
        if text and value.lower() in ("true", "false") and operator in ("eq", "ne"):
            return (
                NO if strict else EITHER
            )  # the dialect table reads booleans in strings, in lenient workspaces
        return YES if isinstance(value, bool) and operator in ("eq", "ne") else NO
    if kind in ("integer", "decimal"):
        return YES if number and operator not in _SUBSTRING else NO
    if not text:
        # a number for a string cannot be equal; a lenient workspace may read it as the text of it
        return NO if strict or not number else EITHER
    if kind == "dateTime":
        if operator in _SUBSTRING:
            return EITHER  # the RFC says neither that they are for strings alone nor how a dateTime is spelt
        return date_allowed(value)
    if kind == "binary":
        # section 3.4.2.2 refuses gt, ge, lt and le; whether a part of the base64 text is anything it does not say
        return NO if operator in _ORDERED else EITHER if operator in _SUBSTRING else YES
    return YES


def date_allowed(value: str) -> str:
    """Tell whether a server must, may or must not accept a dateTime."""
    if moment(value) is not None:
        return (
            YES if value == value.upper() else EITHER
        )  # RFC 3339 allows t and z, and xsd:dateTime does not
    # xsd:dateTime allows a missing zone, years of more than four digits and negative ones: a server may refuse those
    return EITHER if re.match(r"-?\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d", value) else NO


# Evaluation


class _Document:
    """A resource to read values from, by path."""

    def __init__(self, document: Json) -> None:
        self._document = document

    def values(self, path: Path, absent: Json = None) -> list[Json]:
        """Read the values at a path; absent stands for a missing sub-attribute."""
        holder = self._document if path.urn is None else self._document.get(path.urn, {})
        value = holder.get(path.attribute.name)
        values = value if isinstance(value, list) else [] if value is None else [value]
        if path.sub is None:
            return values
        found = [item.get(path.sub.name, absent) for item in values]
        return [value for value in found if value is not None]

    def has_gaps(self, path: Path) -> bool:
        """Tell whether only some elements have the sub-attribute."""
        return 0 < len(self.values(path)) < len(self.values(Path(path.urn, path.attribute)))


class _One(_Document):
    """One element to read values from, by sub-attribute."""

    def values(self, path: Path, absent: Json = None) -> list[Json]:
        if not isinstance(self._document, dict):
            return [self._document]  # `value` of an attribute whose elements are of a simple type
        value = self._document.get(path.last.name, absent)
        return [] if value is None else [value]

    def has_gaps(self, path: Path) -> bool:
        return False


def holds(node: Filter, document: Json) -> Answers:
    """Evaluate a filter on a resource."""
    return _holds(node, _Document(document))


def holds_for(node: Filter, element: Json) -> Answers:
    """Evaluate the filter of a value path on an element."""
    return _holds(node, _One(element))


def _holds(node: Filter, document: _Document) -> Answers:
    match node:
        case Compare():
            return _compare(node, document)
        case Present():
            return _present(node.path, document)
        case Element():
            return _any([_element(node, _One(value)) for value in document.values(node.path)])
        case Not():
            return _negated(_holds(node.inner, document))
        case Logical(operator="and"):
            return _all([_holds(term, document) for term in node.terms])
        case Logical():
            return _any([_holds(term, document) for term in node.terms])


def _element(node: Element, element: _One) -> Answers:
    inner = _holds(node.inner, element)
    return inner if node.then is None else _all([inner, _compare(node.then, element)])


def _negated(answers: Answers) -> Answers:
    return frozenset(not answer for answer in answers)


def _any(several: list[Answers]) -> Answers:
    """Disjunction of results that may be open."""
    found = FALSE
    for answers in several:
        found = frozenset(one or other for one in found for other in answers)
    return found


def _all(several: list[Answers]) -> Answers:
    return _negated(_any([_negated(answers) for answers in several]))


def _is_primary(path: Path) -> bool:
    return (
        path.sub is not None
        and path.sub.name == "primary"
        and path.sub.type == "boolean"
        and path.attribute.multi
    )


def _is_active(path: Path) -> bool:
    return path.urn is None and path.attribute.name == "active"


def _present(path: Path, document: _Document) -> Answers:
    values = document.values(path)
    if any(_filled(value) for value in values):
        return TRUE
    # a user without `active` counts as active: whether it is then present as well is open
    return BOTH if _is_active(path) else FALSE


def _filled(value: Json) -> bool:
    if isinstance(value, dict):
        return any(_filled(item) for item in value.values())
    return value not in ("", None)


def _compare(node: Compare, document: _Document) -> Answers:
    operator, path, wanted = node.operator, node.path, node.value
    if (
        operator == "ne"
    ):  # the negation of eq, as documented, so that it holds where the attribute is missing
        return _negated(_compare(Compare(path, "eq", wanted), document))
    if wanted is None:
        return _is_null(path, document)
    values = document.values(path, False if _is_primary(path) else None)
    if path.last.type == "complex":
        values = [item["value"] for item in values if item.get("value") is not None]
        return _any([_test(path.last.subs["value"], operator, value, wanted) for value in values])
    if _is_active(path) and not values:
        values = [True]
    return _any([_test(path.last, operator, value, wanted) for value in values])


def _is_null(path: Path, document: _Document) -> Answers:
    """Evaluate `eq null`, which holds if there is no value.

    An empty string is neither null nor a value (`pr`), so both results are right for it.
    """
    values = document.values(path)
    if (_is_active(path) and not values) or (
        _is_primary(path) and document.values(path, False) != values
    ):
        return BOTH  # absent, and counted as a value
    if document.has_gaps(path):
        return BOTH  # whether one element without it is enough is open
    if values and not any(_filled(value) for value in values):
        return BOTH
    return FALSE if values else TRUE


def _test(attribute: Attribute, operator: str, value: Json, wanted: Json) -> Answers:
    match attribute.type:
        case "boolean":
            return _one(value is (wanted.lower() == "true" if isinstance(wanted, str) else wanted))
        case "integer" | "decimal":
            return _one(_ordered(operator, Fraction(str(value)), Fraction(str(wanted))))
        case "dateTime" if operator not in _SUBSTRING:
            one, other = moment(value), moment(wanted)
            return BOTH if one is None or other is None else _one(_ordered(operator, one, other))
        case "dateTime":
            return BOTH
    if not isinstance(wanted, str):
        wanted = json.dumps(wanted)
    if not attribute.case_exact:
        value, wanted = fold(value), fold(wanted)
    return _one(_textual(operator, value, wanted))


def _one(answer: bool) -> Answers:
    return TRUE if answer else FALSE


def _textual(operator: str, value: str, wanted: str) -> bool:
    match operator:
        case "co":
            return wanted in value
        case "sw":
            return value.startswith(wanted)
        case "ew":
            return value.endswith(wanted)
    return _ordered(operator, value, wanted)


def _ordered(operator: str, one: Any, other: Any) -> bool:
    match operator:
        case "eq":
            return bool(one == other)
        case "gt":
            return bool(one > other)
        case "ge":
            return bool(one >= other)
        case "lt":
            return bool(one < other)
    return bool(one <= other)


def fold(text: str) -> str:
    """Fold text for a comparison without case: NFKC, casefold (the glossary's "fold")."""
    return unicodedata.normalize("NFKC", text).casefold()


_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")


def moment(text: str) -> Fraction | None:
    """Read an xsd:dateTime as exact seconds since 1970; None without a valid zone."""
    found = _DATE.fullmatch(text.upper())
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.group(1, 2, 3, 4, 5, 6))
    fraction, zone = found.group(7) or "0", found.group(8)
    if hour == 24 and (minute or second or int(fraction)):
        return None
    try:
        start = datetime(year, month, day, tzinfo=UTC) + timedelta(
            hours=hour, minutes=minute, seconds=second
        )
    except (ValueError, OverflowError):
        return None
    if hour > 24 or minute > 59 or second > 59:
        return None
    offset = 0
    if zone != "Z":
        offset = (int(zone[1:3]) * 60 + int(zone[4:6])) * (-60 if zone[0] == "-" else 60)
        if int(zone[4:6]) > 59 or abs(offset) > 14 * 3600:
            return None
    since = start - datetime(1970, 1, 1, tzinfo=UTC)
    return Fraction(since.days * 86400 + since.seconds - offset) + Fraction(
        int(fraction), 10 ** len(fraction)
    )


def asked_of(node: Filter, document: Json) -> dict[str, Json]:
    """The attributes of a resource that a filter mentions."""
    match node:
        case Not():
            return asked_of(node.inner, document)
        case Logical():
            return {
                name: value
                for term in node.terms
                for name, value in asked_of(term, document).items()
            }
    path = Path(node.path.urn, node.path.attribute)
    return {str(path): _Document(document).values(path)}


def smaller(node: Filter) -> Iterator[Filter]:
    """Yield the filter with one part left out at a time."""
    match node:
        case Not():
            yield node.inner
            yield from (Not(inner) for inner in smaller(node.inner))
        case Logical():
            yield from node.terms
            for index, term in enumerate(node.terms):
                before, after = node.terms[:index], node.terms[index + 1 :]
                if len(node.terms) > 2:
                    yield Logical(node.operator, before + after)
                yield from (
                    Logical(node.operator, (*before, less, *after)) for less in smaller(term)
                )
        case Element():
            if node.then is not None:
                yield Element(node.path, node.inner)
            yield from (Element(node.path, inner, node.then) for inner in smaller(node.inner))
