"""Evaluates predicates on documents (RFC 7644 section 3.4.2.2).

PATCH selects elements with it. Tests use it as the oracle for the SQL that the storage compiles.
"""

from collections.abc import Callable
from typing import Any

import orjson

from muster.scim.filter.predicate import All, Each, Field, Has, Negation, Predicate, Some, Test
from muster.scim.schema.model import Attribute
from muster.scim.values import Json, fold, sortable_date_time

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda stored, operand: stored == operand,
    "co": lambda stored, operand: operand in stored,
    "sw": lambda stored, operand: stored.startswith(operand),
    "ew": lambda stored, operand: stored.endswith(operand),
    "gt": lambda stored, operand: stored > operand,
    "ge": lambda stored, operand: stored >= operand,
    "lt": lambda stored, operand: stored < operand,
    "le": lambda stored, operand: stored <= operand,
}


def matches(predicate: Predicate, document: dict[str, Json]) -> bool:
    """Return whether a canonical document or element matches a predicate.

    A comparison with an absent value is false, so its negation, and `ne`, are true.
    """
    match predicate:
        case All(terms):
            return all(matches(term, document) for term in terms)
        case Some(terms):
            return any(matches(term, document) for term in terms)
        case Negation(term):
            return not matches(term, document)
        case Has(field):
            return any(is_present(value) for value in values_at(field, document))
        case Each(field, term):
            return any(
                isinstance(value, dict) and matches(term, value)
                for value in values_at(field, document)
            )
        case Test(field, operator, operand):
            compare = _COMPARE[operator]
            stored = (comparable(field.attribute, value) for value in values_at(field, document))
            return any(value is not None and compare(value, operand) for value in stored)


def is_present(value: Json) -> bool:
    """Return whether a value is present: not empty, or with a present sub-attribute."""
    if isinstance(value, dict):
        return any(is_present(item) for item in value.values())
    if isinstance(value, list):
        return any(is_present(item) for item in value)
    return value is not None and value != ""


def values_at(field: Field, document: Json) -> list[Json]:
    """Return the values of a field in a document, or in the value that its keys begin in."""
    value: Json = document
    for key in field.keys:
        if not isinstance(value, dict) or key not in value:
            return []
        value = value[key]
    if not field.each:
        return [value]
    if field.sub is None:
        return list(value)
    found = [item[field.sub] for item in value if isinstance(item, dict) and field.sub in item]
    return [one for values in found for one in values] if field.attribute.multi_valued else found


def comparable(attribute: Attribute, value: Json) -> Json:
    """Return a stored value in the form in which it compares.

    A string is folded unless it is caseExact; a dateTime becomes sortable text.
    """
    if isinstance(value, str):
        if attribute.type == "dateTime":
            return sortable_date_time(value)
        return value if attribute.case_exact else fold(value)
    return value


def comparable_key(attribute: Attribute, value: Json) -> Json:
    """Return a hashable form of a stored value, equal for equal values; true is not 1."""
    if isinstance(value, list):
        return tuple(sorted(orjson.dumps(comparable(attribute, item)) for item in value))
    if isinstance(value, bool):
        return str(value)
    return comparable(attribute, value)


def same_value(attribute: Attribute, first: Json, second: Json) -> bool:
    """Return whether two canonical values are equal by type and caseExact."""
    return bool(
        first == second or comparable_key(attribute, first) == comparable_key(attribute, second)
    )
