"""A filter bound to a resource type: every path resolved, every value checked against its type and folded.

What evaluate.py runs on a dict and the storage compiles to SQL; both see the same, so that both answer the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from muster.scim import dialects
from muster.scim.dialects import Dialect
from muster.scim.errors import ScimError, invalid_filter
from muster.scim.filter.grammar import And, Compare, Filter, Hole, Not, Or, Present, ValuePath
from muster.scim.schema.model import USER, Attribute, Place, ResourceType
from muster.scim.values import Json, fold, sortable_date_time

_ORDER = frozenset({"gt", "ge", "lt", "le"})
_TEXT = frozenset({"co", "sw", "ew"})
_UNFILTERED = frozenset({"meta.location", "meta.version", "members.$ref", "groups.$ref"})
"""They vary with the request, or say nothing of the resource."""


@dataclass(frozen=True, slots=True)
class Field:
    """Where the compared values lie: keys from the top of the document (or of the element, inside Each).

    each: the values are the elements of an array at keys. sub: the key within each element, or None for the element.
    assumed: how a boolean compares where it is absent, None if it then equals nothing. shown: absent counts as present too.
    """

    keys: tuple[str, ...]
    attribute: Attribute
    each: bool = False
    sub: str | None = None
    name: str = ""
    assumed: bool | None = None
    shown: bool = False


@dataclass(slots=True)
class Test:
    """operator: eq co sw ew gt ge lt le (ne is Not of eq). operand: folded, or the sortable form of a dateTime."""

    __test__ = False

    field: Field
    operator: str
    operand: Json


@dataclass(frozen=True, slots=True)
class Has:
    """The value is there: not null, not empty."""

    field: Field


@dataclass(frozen=True, slots=True)
class Each:
    """Some element of the array at field matches."""

    field: Field
    term: "Predicate"


@dataclass(frozen=True, slots=True)
class All:
    terms: "tuple[Predicate, ...]"


@dataclass(frozen=True, slots=True)
class Some:
    terms: "tuple[Predicate, ...]"


@dataclass(frozen=True, slots=True)
class Negation:
    term: "Predicate"


Predicate = Test | Has | Each | All | Some | Negation
NEVER = Some(())
"""Matches nothing."""
ALWAYS = All(())
"""Matches everything."""


def conditions(predicate: object) -> int:
    """How many conditions on single values a predicate has; 1 for anything else."""
    match predicate:
        case All(terms) | Some(terms):
            return sum(map(conditions, terms))
        case Negation(inner) | Each(_, inner):
            return conditions(inner)
    return 1


Resolve = Callable[[str], Field | None]


class UnfilledError(Exception):
    """The meaning of a comparison depends on a string that is not known yet."""


def _within(attribute: Attribute, name: str, sub: Attribute) -> Field:
    """The field of a sub-attribute within an element of an attribute. name: the path of the elements."""
    assumed = False if _is_primary(attribute, sub) else None
    return Field((sub.name,), sub, sub.multi_valued, None, f"{name}.{sub.name}", assumed)


def _is_primary(attribute: Attribute, sub: Attribute) -> bool:
    """Whether a sub-attribute is the `primary` of elements, which is false where it is absent (RFC 7643 section 2.4)."""
    return attribute.multi_valued and sub.name == "primary" and sub.type == "boolean"


def _may_filter(field: Field) -> bool:
    """What is never returned is no oracle either."""
    attribute = field.attribute
    hidden = attribute.is_complex and len(attribute.secret_subs) == len(attribute.sub_attributes)
    return not attribute.secret and not hidden and field.name not in _UNFILTERED


def bind(
    node: Filter, resource_type: ResourceType, dialect: Dialect, among: Sequence[ResourceType] = ()
) -> Predicate:
    """The predicate that a filter means on a resource type. among: as read_filter has it.

    Raises ScimError invalidFilter for an unknown attribute and for a comparison that the attribute's type forbids.
    """

    def elsewhere(path: str) -> bool:
        return any(field_at(other, path) is not None for other in among)

    def bare(path: str, position: int) -> Field | None:
        place = dialects.bare_place(path, resource_type, dialect, f"position {position}")
        return None if place is None or place.attribute is None else field_of(place)

    return _Binder(lambda path: field_at(resource_type, path), dialect, elsewhere, bare).bind(node)


def bind_element(node: Filter, attribute: Attribute, name: str, dialect: Dialect) -> Predicate:
    """The predicate that a value filter means on an element of a complex multi-valued attribute. name: its path."""

    def resolve(path: str) -> Field | None:
        if (
            not attribute.is_complex
        ):  # a plain value is the `value` of its element (RFC 7643 section 2.4)
            return (
                Field(("value",), attribute, False, None, name) if path.lower() == "value" else None
            )
        sub = attribute.sub(path)
        return None if sub is None else _within(attribute, name, sub)

    return _Binder(resolve, dialect).bind(node)


def field_at(resource_type: ResourceType, path: str) -> Field | None:
    """The field that a path names; a complex attribute with no sub-attribute named is the attribute itself."""
    place = resource_type.place(path)
    if place is None or place.attribute is None:
        return None
    field = field_of(place)
    if field.name == "active" and resource_type.core.id == USER:
        # A user created without `active` is active; documents written before muster stored it count as active too.
        return replace(field, assumed=True, shown=True)
    return field


def field_of(place: Place) -> Field:
    """The field at a place that has an attribute."""
    attribute, sub = place.attribute, place.sub
    if attribute is None:
        raise ValueError("a whole extension holds no value of its own")
    keys = (attribute.name,) if place.schema is None else (place.schema, attribute.name)
    if attribute.multi_valued:
        assumed = False if sub is not None and _is_primary(attribute, sub) else None
        return Field(keys, sub or attribute, True, sub.name if sub else None, place.name, assumed)
    if sub is not None:
        return Field((*keys, sub.name), sub, sub.multi_valued, None, place.name)
    return Field(keys, attribute, False, None, place.name)


class _Binder:
    """Binds the nodes of one filter.

    Args:
        resolve: Finds the field of a path, or None.
        dialect: How to read the client.
        elsewhere: Whether another of the types that are searched together has a path.
        bare: Finds the field of a path at a position that lacks the URN of its extension, or None.
    """

    def __init__(
        self,
        resolve: Resolve,
        dialect: Dialect,
        elsewhere: Callable[[str], bool] = lambda _: False,
        bare: Callable[[str, int], Field | None] = lambda _, __: None,
    ) -> None:
        self.resolve = resolve
        self.dialect = dialect
        self.elsewhere = elsewhere
        self.bare = bare

    def bind(self, node: Filter) -> Predicate:
        match node:
            case And(terms):
                return All(tuple(self.bind(term) for term in terms))
            case Or(terms):
                return Some(tuple(self.bind(term) for term in terms))
            case Not(term):
                return Negation(self.bind(term))
            case Present(path, position):
                field = self.field(path, position)
                return NEVER if field is None else _present(field)
            case ValuePath(path, term, position):
                return self.each(path, term, position)
            case Compare():
                return self.test(node)

    def field(self, path: str, position: int) -> Field | None:
        """The field of a path, or None where another type alone has it."""
        field = self.resolve(path)
        if field is None and self.elsewhere(path):
            return None
        if field is None:
            field = self.bare(path, position)
        if field is None:
            raise invalid_filter(f"position {position}: no attribute {path[:100]!r}")
        if not _may_filter(field):
            raise invalid_filter(f"position {position}: {field.name} cannot be filtered on")
        return field

    def each(self, path: str, term: Filter, position: int) -> Predicate:
        field = self.field(path, position)
        if field is None:
            return NEVER
        if not field.attribute.is_complex:
            raise invalid_filter(
                f"position {position}: {field.name} has no sub-attributes to filter by"
            )
        inner = bind_element(term, field.attribute, field.name, self.dialect)
        return Each(field, inner)

    def test(self, node: Compare) -> Predicate:
        field = self.field(node.path, node.position)
        if field is None:
            is_true = node.operator == "ne" if node.value is not None else node.operator == "eq"
            return Negation(NEVER) if is_true else NEVER
        if node.value is None:
            return self.null_test(field, node)
        if field.attribute.is_complex:
            field = self.value_of(field, node)
        where = f"position {node.position}: {field.name}"
        operator = "eq" if node.operator == "ne" else node.operator
        value = node.value
        if operator == "eq":
            value = dialects.compared_role(field.name, value, self.dialect)
        read = operand(field.attribute, operator, value, where, self.dialect)
        test = _compared(Test(field, operator, read))
        return _negated(test) if node.operator == "ne" else test

    def null_test(self, field: Field, node: Compare) -> Predicate:
        if node.operator == "eq":
            return _negated(_present(field))
        if node.operator == "ne":
            return _present(field)
        raise invalid_filter(f"position {node.position}: null compares by eq and ne alone")

    def value_of(self, field: Field, node: Compare) -> Field:
        """The `value` of a complex attribute, which is what comparing the whole means (RFC 7644 section 3.4.2.2)."""
        sub = field.attribute.sub("value")
        if sub is None:
            names = ", ".join(item.name for item in field.attribute.sub_attributes.values())
            raise invalid_filter(
                f"position {node.position}: {field.name} is complex: compare one of {names}"
            )
        if field.each:
            return Field(field.keys, sub, True, sub.name, f"{field.name}.{sub.name}")
        return Field((*field.keys, sub.name), sub, False, None, f"{field.name}.{sub.name}")


def _present(field: Field) -> Predicate:
    return ALWAYS if field.shown else Has(field)


def _compared(test: Test) -> Predicate:
    """The comparison, true as well where a boolean is absent and is assumed to be what it is compared with."""
    field = test.field
    if field.assumed is None or test.operand is not field.assumed:
        return test
    if not field.each:
        return Negation(replace(test, operand=not field.assumed))
    within = Field((str(field.sub),), field.attribute, name=field.name)
    return Each(replace(field, sub=None), Negation(Test(within, "eq", not field.assumed)))


def _negated(predicate: Predicate) -> Predicate:
    if predicate is ALWAYS:
        return NEVER
    return predicate.term if isinstance(predicate, Negation) else Negation(predicate)


def operand(attribute: Attribute, operator: str, value: Json, where: str, dialect: Dialect) -> Json:
    """Convert an operand to the form in which stored values compare.

    Raises:
        ScimError: invalidFilter if the type of the attribute forbids the comparison.
        UnfilledError: If the operand is a hole, and its attribute is not text.
    """
    if isinstance(value, Hole):
        if attribute.type not in ("string", "reference"):
            raise UnfilledError
        return value
    match attribute.type:
        case "boolean":
            if not dialect.strict:
                value = dialects.boolean(value, where, dialect)
            if not isinstance(value, bool):
                raise _forbids(where, attribute, "true or false")
            if operator != "eq":
                raise invalid_filter(f"{where} is a boolean, which {operator} cannot compare")
            return value
        case "integer" | "decimal":
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise _forbids(where, attribute, "a number")
            if operator in _TEXT:
                raise invalid_filter(f"{where} is a number, which {operator} cannot compare")
            return value
        case "dateTime":
            moment = sortable_date_time(value) if isinstance(value, str) else None
            if moment is None:
                raise _forbids(where, attribute, "a dateTime as 2011-05-13T04:42:34Z")
            if operator in _TEXT:
                raise invalid_filter(f"{where} is a dateTime, which {operator} cannot compare")
            return moment
    if not isinstance(value, str):
        raise _forbids(where, attribute, "a string")
    if attribute.type == "binary" and operator in _ORDER:
        raise invalid_filter(f"{where} is binary, which {operator} cannot compare")
    return value if attribute.case_exact else fold(value)


def _forbids(where: str, attribute: Attribute, wanted: str) -> ScimError:
    return invalid_filter(f"{where} is {attribute.type}: compare it with {wanted}")
