"""Predicates: filters bound to a resource type.

Binding resolves every path, checks every operand against the type of its attribute, and brings it
into the form in which stored values compare. `evaluate` runs a predicate on a document, and the
storage compiles it to SQL. All decisions about meaning are made here, so that both give the same
answer.
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
"""Attributes that depend on the request, or say nothing about the resource."""


@dataclass(frozen=True, slots=True)
class Field:
    """The location of the compared values in a document, or in an element inside Each.

    Attributes:
        keys: The keys that lead to the value from the top.
        attribute: The definition of the attribute or sub-attribute.
        each: Whether the values are the elements of an array at `keys`.
        sub: With `each`, the key within each element; None for the element itself.
        name: The path in the spelling of the schema.
        assumed: The value that an absent boolean has in comparisons; None if it equals nothing.
        always_present: Whether an absent value counts as present.
    """

    keys: tuple[str, ...]
    attribute: Attribute
    each: bool = False
    sub: str | None = None
    name: str = ""
    assumed: bool | None = None
    always_present: bool = False


@dataclass(slots=True)
class Test:
    """A comparison.

    Attributes:
        field: The compared values; one match is enough.
        operator: eq, co, sw, ew, gt, ge, lt or le. `ne` is the negation of eq.
        operand: The operand in the form in which stored values compare.
    """

    __test__ = False

    field: Field
    operator: str
    operand: Json


@dataclass(frozen=True, slots=True)
class Has:
    """A value is present: neither null nor empty."""

    field: Field


@dataclass(frozen=True, slots=True)
class Each:
    """An element of an array matches a predicate."""

    field: Field
    term: "Predicate"


@dataclass(frozen=True, slots=True)
class All:
    """Every term matches."""

    terms: "tuple[Predicate, ...]"


@dataclass(frozen=True, slots=True)
class Some:
    """At least one term matches."""

    terms: "tuple[Predicate, ...]"


@dataclass(frozen=True, slots=True)
class Negation:
    """The term does not match."""

    term: "Predicate"


Predicate = Test | Has | Each | All | Some | Negation
NEVER = Some(())
"""Matches nothing."""
ALWAYS = All(())
"""Matches everything."""


def conditions(predicate: object) -> int:
    """Return the number of conditions in a predicate; 1 for anything else."""
    match predicate:
        case All(terms) | Some(terms):
            return sum(map(conditions, terms))
        case Negation(inner) | Each(_, inner):
            return conditions(inner)
    return 1


Resolve = Callable[[str], Field | None]


class UnfilledError(Exception):
    """The meaning of a comparison depends on a string that is a Hole."""


def _within(attribute: Attribute, name: str, sub: Attribute) -> Field:
    """Return the field of a sub-attribute inside an element.

    Args:
        attribute: The multi-valued attribute.
        name: Its path.
        sub: The sub-attribute.
    """
    assumed = False if _is_primary(attribute, sub) else None
    return Field((sub.name,), sub, sub.multi_valued, None, f"{name}.{sub.name}", assumed)


def _is_primary(attribute: Attribute, sub: Attribute) -> bool:
    """Return whether a sub-attribute is `primary`, which is false if absent."""
    return attribute.multi_valued and sub.name == "primary" and sub.type == "boolean"


def _may_filter(field: Field) -> bool:
    """Return whether a field may be filtered on.

    A filter must not reveal values that are never returned.
    """
    attribute = field.attribute
    hidden = attribute.is_complex and len(attribute.secret_subs) == len(attribute.sub_attributes)
    return not attribute.secret and not hidden and field.name not in _UNFILTERED


def bind(
    node: Filter, resource_type: ResourceType, dialect: Dialect, among: Sequence[ResourceType] = ()
) -> Predicate:
    """Bind a filter to a resource type.

    Args:
        node: The parsed filter.
        resource_type: The type to search.
        dialect: The dialect of the client.
        among: All types that are searched at once; see `read_filter`.

    Raises:
        ScimError: invalidFilter, if an attribute is unknown or its type forbids the comparison.
    """

    def elsewhere(path: str) -> bool:
        return any(field_at(other, path) is not None for other in among)

    def bare(path: str, position: int) -> Field | None:
        place = dialects.bare_place(path, resource_type, dialect, f"position {position}")
        return None if place is None or place.attribute is None else field_of(place)

    return _Binder(lambda path: field_at(resource_type, path), dialect, elsewhere, bare).bind(node)


def bind_element(node: Filter, attribute: Attribute, name: str, dialect: Dialect) -> Predicate:
    """Bind the filter of a value path to the elements of an attribute.

    Args:
        node: The parsed filter.
        attribute: The multi-valued attribute.
        name: Its path.
        dialect: The dialect of the client.

    Raises:
        ScimError: invalidFilter.
    """

    def resolve(path: str) -> Field | None:
        if not attribute.is_complex:
            # A plain value is the `value` of its element (RFC 7643 section 2.4).
            is_value = path.lower() == "value"
            return Field(("value",), attribute, name=name) if is_value else None
        sub = attribute.sub(path)
        return None if sub is None else _within(attribute, name, sub)

    return _Binder(resolve, dialect).bind(node)


def field_at(resource_type: ResourceType, path: str) -> Field | None:
    """Return the field that a path names; None if no schema of the type defines it."""
    place = resource_type.place(path)
    if place is None or place.attribute is None:
        return None
    field = field_of(place)
    if field.name == "active" and resource_type.core.id == USER:
        # A user created without `active` is active; documents written before muster stored it count
        # as active too.
        return replace(field, assumed=True, always_present=True)
    return field


def field_of(place: Place) -> Field:
    """Return the field of a place, which must have an attribute."""
    attribute, sub = place.attribute, place.sub
    if attribute is None:
        raise ValueError("an extension as a whole has no value")
    keys = (attribute.name,) if place.schema is None else (place.schema, attribute.name)
    if attribute.multi_valued:
        assumed = False if sub is not None and _is_primary(attribute, sub) else None
        return Field(
            keys,
            sub or attribute,
            each=True,
            sub=sub.name if sub else None,
            name=place.name,
            assumed=assumed,
        )
    if sub is not None:
        return Field((*keys, sub.name), sub, sub.multi_valued, None, place.name)
    return Field(keys, attribute, name=place.name)


class _Binder:
    """Binds the nodes of one filter.

    Args:
        resolve: Returns the field of a path, or None.
        dialect: The dialect of the client.
        elsewhere: Returns whether another one of the searched types has a path.
        bare: Returns the field of a path without the URN of its extension, given its position in
            the filter; or None.
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
        """Return the field of a path; None if only another searched type has it."""
        field = self.resolve(path)
        if field is None and self.elsewhere(path):
            return None
        if field is None:
            field = self.bare(path, position)
        if field is None:
            raise invalid_filter(f"position {position}: unknown attribute {path[:100]!r}")
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
        raise invalid_filter(f"position {node.position}: null can be compared only by eq and ne")

    def value_of(self, field: Field, node: Compare) -> Field:
        """Return the `value` of a complex attribute that is compared as a whole.

        `emails co "example"` compares `emails.value` (RFC 7644 section 3.4.2.2).
        """
        sub = field.attribute.sub("value")
        if sub is None:
            names = ", ".join(item.name for item in field.attribute.sub_attributes.values())
            raise invalid_filter(
                f"position {node.position}: {field.name} is complex; compare one of {names}"
            )
        if field.each:
            return Field(field.keys, sub, each=True, sub=sub.name, name=f"{field.name}.{sub.name}")
        return Field((*field.keys, sub.name), sub, name=f"{field.name}.{sub.name}")


def _present(field: Field) -> Predicate:
    return ALWAYS if field.always_present else Has(field)


def _compared(test: Test) -> Predicate:
    """Return a comparison that an absent boolean satisfies by its assumed value.

    `active eq true` becomes "not active eq false". Documents without `active` then match, and the
    compiler can use the look-ups of false, which are few.
    """
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

    Args:
        attribute: The compared attribute.
        operator: The operator.
        value: The operand in the filter.
        where: The place in the filter, for errors.
        dialect: The dialect of the client.

    Raises:
        ScimError: invalidFilter, if the type of the attribute forbids the comparison.
        UnfilledError: The operand is a Hole and its attribute is not text.
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
                raise _operand_error(where, attribute, "true or false")
            if operator != "eq":
                raise invalid_filter(f"{where} is a boolean and cannot be compared by {operator}")
            return value
        case "integer" | "decimal":
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise _operand_error(where, attribute, "a number")
            if operator in _TEXT:
                raise invalid_filter(f"{where} is a number and cannot be compared by {operator}")
            return value
        case "dateTime":
            moment = sortable_date_time(value) if isinstance(value, str) else None
            if moment is None:
                raise _operand_error(where, attribute, "a dateTime such as 2011-05-13T04:42:34Z")
            if operator in _TEXT:
                raise invalid_filter(f"{where} is a dateTime and cannot be compared by {operator}")
            return moment
    if not isinstance(value, str):
        raise _operand_error(where, attribute, "a string")
    if attribute.type == "binary" and operator in _ORDER:
        raise invalid_filter(f"{where} is binary and cannot be compared by {operator}")
    return value if attribute.case_exact else fold(value)


def _operand_error(where: str, attribute: Attribute, expected: str) -> ScimError:
    return invalid_filter(f"{where} is of type {attribute.type}; compare it with {expected}")
