"""Parses the paths of PATCH operations (RFC 7644 section 3.5.2, figure 7)."""

from dataclasses import dataclass

from muster.scim.dialects import Dialect, bare_place
from muster.scim.errors import ScimError, invalid_path
from muster.scim.filter.grammar import Filter, Parser
from muster.scim.filter.lexer import tokens
from muster.scim.filter.predicate import Predicate, bind_element
from muster.scim.schema.model import Place, ResourceType


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a path.

    Attributes:
        place: The extension, attribute or sub-attribute.
        predicate: For a value path, selects elements of the attribute; else None.
        filter: The parsed filter of the predicate.
    """

    place: Place
    predicate: Predicate | None = None
    filter: Filter | None = None


def parse_path(text: str, resource_type: ResourceType, dialect: Dialect, where: str) -> Target:
    """Parse a path.

    It is an attrPath, a valuePath with or without a sub-attribute, or the URN of an extension.

    Args:
        text: The path.
        resource_type: The type of the resource.
        dialect: The dialect of the client.
        where: The operation's name in errors.

    Raises:
        ScimError: invalidPath; invalidFilter for an error in the brackets.
    """
    head, bracket, _ = text.partition("[")
    if not bracket:
        return Target(_place(text.strip(), resource_type, dialect, where))
    place = _place(head.strip(), resource_type, dialect, where)
    attribute = place.attribute
    if attribute is None or place.sub is not None or not attribute.multi_valued:
        raise invalid_path(
            f"{where}: {head.strip()!r} is not multi-valued, so its path cannot have a filter"
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
        raise invalid_path("position 1: expected an attribute before [")
    sub = None
    if parser.token.text == ".":
        parser.take()
        token = parser.take()
        sub = attribute.sub(token.text)
        if sub is None and (attribute.is_complex or token.text.lower() != "value"):
            raise invalid_path(
                f"position {token.position}: {attribute.name} has no sub-attribute"
                f" {token.text[:100]!r}"
            )
    if parser.token.kind != "end":
        raise invalid_path(f"position {parser.token.position}: expected the end of the path")
    return Target(
        Place(place.schema, attribute, sub),
        bind_element(node, attribute, place.name, dialect),
        node,
    )


def _place(text: str, resource_type: ResourceType, dialect: Dialect, where: str) -> Place:
    place = resource_type.place(text) or bare_place(text, resource_type, dialect, where)
    if place is None:
        dialect.ignore(text, f"{where}: ")
        raise invalid_path(f"{where}: {resource_type.name} has no attribute {text[:100]!r}")
    return place
