"""The paths of PATCH operations (RFC 7644 section 3.5.2, figure 7)."""

from dataclasses import dataclass

from muster.scim.dialects import Dialect, bare_place
from muster.scim.errors import ScimError, invalid_path
from muster.scim.filter.grammar import Filter, Parser
from muster.scim.filter.lexer import tokens
from muster.scim.filter.predicate import Predicate, bind_element
from muster.scim.schema.model import Place, ResourceType


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names. predicate: chooses elements of the multi-valued attribute at place; filter: its AST."""

    place: Place
    predicate: Predicate | None = None
    filter: Filter | None = None


def parse_path(text: str, resource_type: ResourceType, dialect: Dialect, where: str) -> Target:
    """The target of a path: attrPath, or valuePath with or without a sub-attribute, or the URN of an extension.

    where: named in errors. Raises ScimError invalidPath, or invalidFilter for what stands in the brackets.
    """
    head, bracket, _ = text.partition("[")
    if not bracket:
        return Target(_place(text.strip(), resource_type, dialect, where))
    place = _place(head.strip(), resource_type, dialect, where)
    attribute = place.attribute
    if attribute is None or place.sub is not None or not attribute.multi_valued:
        raise invalid_path(
            f"{where}: {head.strip()!r} is not multi-valued, so a filter cannot choose among its values"
        )
    try:
        return _with_filter(text, place, dialect)
    except ScimError as error:
        raise ScimError(400, f"{where}: {error.detail}", error.scim_type) from None


def _with_filter(text: str, place: Place, dialect: Dialect) -> Target:
    parser = Parser(tokens(text), dialect, inside=True)
    parser.take()
    parser.expect("[")
    node = parser.filter(0)
    parser.expect("]")
    attribute = place.attribute
    if attribute is None:
        raise invalid_path("a filter needs an attribute")
    sub = None
    if parser.token.text == ".":
        parser.take()
        token = parser.take()
        sub = attribute.sub(token.text)
        if sub is None and (attribute.is_complex or token.text.lower() != "value"):
            raise invalid_path(
                f"position {token.position}: {attribute.name} has no sub-attribute {token.text[:100]!r}"
            )
    if parser.token.kind != "end":
        raise invalid_path(f"position {parser.token.position}: nothing can follow here")
    return Target(
        Place(place.schema, attribute, sub),
        bind_element(node, attribute, place.name, dialect),
        node,
    )


def _place(text: str, resource_type: ResourceType, dialect: Dialect, where: str) -> Place:
    place = resource_type.place(text) or bare_place(text, resource_type, dialect, where)
    if place is None:
        raise invalid_path(f"{where}: no attribute {text[:100]!r} in {resource_type.name}")
    return place
