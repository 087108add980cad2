"""PATCH (RFC 7644 section 3.5.2): the operations of a PatchOp, checked first and then applied to a document.

`prepare` reads everything that does not depend on the document into steps. `apply` carries the steps out in order, each
on the result of the one before. It is pure: it changes neither the document nor the steps, so a storage engine may
decide the same PATCH again on another state.

A value that names nothing is never confused with one that names everything: a step's value is canonical JSON, a
`Partial`, a `Named`, or a member of `Whole`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from muster.scim import dialects
from muster.scim.bounds import too_many_comparisons
from muster.scim.dialects import Dialect, bare_place
from muster.scim.document import (
    Document,
    arrange,
    check_required_subs,
    is_blank,
    kind,
    read_elements,
    read_one,
    read_partial,
    read_value,
)
from muster.scim.elements import (
    Elements,
    distinct,
    merged,
    without_stale_reference,
)
from muster.scim.errors import (
    ScimError,
    invalid_path,
    invalid_syntax,
    invalid_value,
    mutability,
    no_target,
)
from muster.scim.filter.evaluate import matches, same_value
from muster.scim.filter.grammar import And, Compare, Filter
from muster.scim.filter.path import Target, parse_path
from muster.scim.filter.predicate import conditions
from muster.scim.messages import check_schemas, fields_of
from muster.scim.primary import is_primary, move_primary
from muster.scim.schema.model import Attribute, Place, ResourceType
from muster.scim.values import Json, Sealed

PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
MAX_OPERATIONS = 1000


class Whole(Enum):
    """A step's value that stands for all of its target.

    EVERYTHING: a remove names no values, and so removes all that its path selects. CLEARED: null or an empty array was given.
    """

    EVERYTHING = "everything"
    CLEARED = "cleared"


@dataclass(slots=True)  # not frozen: made for every operation, and never changed
class Partial:
    """Some sub-attributes of a complex value: those that get a value, and the names of those that lose theirs."""

    assigned: Document
    cleared: tuple[str, ...] = ()
    optional: bool = False
    """Nothing happens if the path selects no element; otherwise that is an error."""


@dataclass(slots=True)
class Named:
    """The value that a remove names at a target that could be removed without one: only that value is removed."""

    value: "Json | Partial"


Value = Json | Partial | Whole | Named


@dataclass(slots=True)
class PatchStep:
    """One change to one target.

    Attributes:
        operation: add, replace or remove.
        target: Where to apply it.
        value: For attributes without sub-attributes, the canonical value; for several elements, a list of them; for a
            complex value, a Partial. Or a member of Whole.
        where: The name of the target in errors.
    """

    operation: str
    target: Target
    value: Value
    where: str

    @property
    def secret(self) -> Attribute | None:
        """The attribute, if its values are never returned and so kept outside the document."""
        attribute = self.target.place.attribute
        return attribute if attribute is not None and attribute.secret else None


def prepare(message: Json, resource_type: ResourceType, dialect: Dialect) -> list[PatchStep]:
    """Read a PatchOp message into steps: every path resolved and every value checked.

    Raises:
        ScimError: invalidSyntax, invalidPath, invalidValue, noTarget or mutability that names the operation's index.
    """
    steps: list[PatchStep] = []
    for index, operation in enumerate(_operations(message, dialect)):
        steps.extend(_steps(operation, f"Operations[{index}]", resource_type, dialect))
    return steps


def _operations(message: Json, dialect: Dialect) -> list[Json]:
    fields = fields_of(message, ("schemas", "Operations"), dialect)
    check_schemas(fields.get("schemas"), PATCH_OP, dialect)
    operations = fields.get("Operations")
    if operations is None:
        raise invalid_syntax("Operations is required")
    if isinstance(operations, dict):
        dialect.take("single-operation", "Operations")
        operations = [operations]
    if not isinstance(operations, list) or not operations:
        raise invalid_syntax("Operations must be an array with at least one operation")
    if len(operations) > MAX_OPERATIONS:
        raise ScimError(
            413, f"Operations has {len(operations)} operations; the limit is {MAX_OPERATIONS}"
        )
    return operations


def _steps(
    operation: Json, where: str, resource_type: ResourceType, dialect: Dialect
) -> Iterator[PatchStep]:
    if not isinstance(operation, dict):
        raise invalid_syntax(f"{where} must be an object, and is {kind(operation)}")
    fields = {key.lower(): item for key, item in operation.items()}
    if len(fields) < len(operation):
        raise invalid_syntax(f"{where}: a member is given twice, in different cases")
    name = _name(fields.get("op"), where, dialect)
    path, value = fields.get("path"), fields.get("value")
    if path is not None and not isinstance(path, str):
        raise invalid_path(f"{where}: path must be a string, and is {kind(path)}")
    if name != "remove" and "value" not in fields:
        raise invalid_value(f"{where}: {name} needs a value")
    if path is None or not path.strip():
        yield from _pathless(name, value, where, resource_type, dialect)
        return
    target = parse_path(path, resource_type, dialect, where)
    yield from _target_steps(
        name, target, value, f"{where}: {target.place.name}", resource_type, dialect
    )


def _name(name: Json, where: str, dialect: Dialect) -> str:
    if isinstance(name, str) and name.lower() in ("add", "replace", "remove"):
        if name != name.lower():
            dialect.take("operation-case", where)
        return name.lower()
    raise invalid_syntax(f"{where}: op must be add, replace or remove")


def _pathless(
    name: str, value: Json, where: str, resource_type: ResourceType, dialect: Dialect
) -> Iterator[PatchStep]:
    """A value without a path stands for an operation on each of its keys."""
    if name == "remove":
        raise no_target(f"{where}: remove needs a path")
    if not isinstance(value, dict):
        raise invalid_value(
            f"{where}: without a path the value must be an object, and is {kind(value)}"
        )
    known = not value
    seen: set[str] = set()
    for key, item in value.items():
        target = _key_target(key, resource_type, dialect, where)
        if target is None:
            continue
        known = True
        name_of_target = key if target.predicate is not None else target.place.name
        if name_of_target in seen:
            raise invalid_syntax(
                f"{where}: {target.place.name} is given twice, the second time as {key[:100]!r}"
            )
        seen.add(name_of_target)
        attribute = target.place.attribute
        if attribute is not None and attribute.read_only:
            dialect.take("read-only-key", f"{where}: {attribute.name}")
            continue
        yield from _target_steps(
            name, target, item, f"{where}: {target.place.name}", resource_type, dialect
        )
    if not known:
        raise invalid_value(f"{where}: the value names no attribute of {resource_type.name}")


def _key_target(
    key: str, resource_type: ResourceType, dialect: Dialect, where: str
) -> Target | None:
    """The target that a key of a path-less value names; None if no schema defines it."""
    if "[" in key:
        dialect.take("value-path-key", f"{where}: {key[:100]!r}")
        return parse_path(key, resource_type, dialect, where)
    place = resource_type.place(key)
    if place is None:
        place = bare_place(key, resource_type, dialect, where)
        return None if place is None else Target(place)
    if place.attribute is None:
        return Target(place)
    if ":" in key:
        dialect.take("urn-key", f"{where}: {key[:100]!r}")
    elif place.sub is not None:
        dialect.take("dotted-key", f"{where}: {key[:100]!r}")
    return Target(place)


def _target_steps(
    name: str,
    target: Target,
    value: Json,
    where: str,
    resource_type: ResourceType,
    dialect: Dialect,
) -> Iterator[PatchStep]:
    place = target.place
    attribute, leaf = place.attribute, place.leaf
    if attribute is None or leaf is None:
        yield from _extension_steps(name, target, value, where, resource_type, dialect)
        return
    if attribute.read_only or leaf.read_only:
        raise mutability(f"{where} is readOnly")
    if attribute.name == "schemas":
        if name == "remove":
            raise mutability(f"{where} is required and cannot be removed")
        return  # derived from the document
    if name == "remove":
        yield PatchStep(name, target, _removed(target, value, where, dialect), where)
        return
    read = _read(target, value, where, dialect)
    if name == "add" and (read is Whole.CLEARED or isinstance(read, Partial)):
        if isinstance(read, Partial) and read.optional and not read.assigned:
            return
        read = Partial(
            read.assigned if isinstance(read, Partial) else {}
        )  # an add of null adds nothing
        if not read.assigned and target.predicate is None:
            return
    yield PatchStep(name, target, read, where)


def _extension_steps(
    name: str,
    target: Target,
    value: Json,
    where: str,
    resource_type: ResourceType,
    dialect: Dialect,
) -> Iterator[PatchStep]:
    """A whole extension: removed at once; added or replaced attribute by attribute, as a complex attribute is."""
    schema = resource_type.extension(target.place.schema or "")
    if schema is None:
        raise invalid_path(f"{where}: no such extension")
    if name == "remove" and value is not None:
        raise invalid_value(
            f"{where}: remove takes no value for an extension; name the attributes to remove by their paths"
        )
    if name == "remove" or (name == "replace" and value is None):
        yield PatchStep("remove", target, Whole.EVERYTHING, where)
        return
    if value is None:
        return
    if not isinstance(value, dict):
        raise invalid_value(f"{where} must be an object, and is {kind(value)}")
    known = not value
    for key, item in value.items():
        attribute = schema.attribute(key)
        if attribute is not None:
            known = True
            if attribute.read_only:
                dialect.take("read-only-key", f"{where}: {attribute.name}")
                continue
            inner = Target(Place(schema.id, attribute))
            yield from _target_steps(
                name, inner, item, f"{where}:{attribute.name}", resource_type, dialect
            )
    if not known:
        raise invalid_value(f"{where}: the value names no attribute of {schema.id}")


def _removed(target: Target, value: Json, where: str, dialect: Dialect) -> Value:
    """The values that a remove names by its value; without one, all that its path selects."""
    place = target.place
    attribute = place.attribute
    if value is None or attribute is None:
        return Partial({}, (place.sub.name,)) if place.sub is not None else Whole.EVERYTHING
    dialect.take("remove-with-value", where)
    if attribute.multi_valued and target.predicate is None and place.sub is None:
        return [] if value == [] else read_elements(attribute, _listed(value), where, dialect)
    read = _read(target, value, where, dialect)
    if isinstance(read, Whole) or (isinstance(read, Partial) and not read.assigned):
        raise invalid_value(
            f"{where}: the value to remove names nothing; leave it out to remove all that the path selects"
        )
    return Named(read)


def _listed(value: Json) -> list[Json]:
    """A PATCH may give one value of a multi-valued attribute by itself (RFC 7644 section 3.5.2.1)."""
    return value if isinstance(value, list) else [value]


def _read(target: Target, value: Json, where: str, dialect: Dialect) -> Value:
    """The value of an add or a replace."""
    attribute, sub = target.place.attribute, target.place.sub
    if attribute is None:
        raise invalid_path(f"{where}: an attribute is needed")
    if sub is not None and sub.name == "value" and attribute.named_by_value and is_blank(value):
        if target.predicate is None:
            raise invalid_value(
                f"{where} names no value; choose the elements by a filter, or remove {attribute.name}"
            )
        dialect.take("value-blank", where)
        return Partial({}, (sub.name,), optional=True)
    if sub is not None:
        return _read_sub(attribute, sub, value, where, dialect)
    if attribute.multi_valued and target.predicate is None:
        return (
            Whole.CLEARED
            if value is None or value == []
            else read_elements(attribute, _listed(value), where, dialect)
        )
    value = dialects.single(value, attribute.is_complex, where, dialect)
    if value is None:
        return Whole.CLEARED
    if value in ([], {}):
        raise invalid_value(f"{where} names no value; give null to clear it")
    if not attribute.is_complex:
        item = read_one(attribute, value, where, dialect)
        if item == "" and attribute.multi_valued:
            raise invalid_value(f"{where} names no value")
        return Whole.CLEARED if item is None else item
    partial = read_partial(attribute, value, where, dialect)
    if partial is None and attribute.multi_valued:
        raise invalid_value(f"{where} names no value")
    if partial == ({}, []):
        dialect.take("read-only-key", where)
    if partial is None:
        return Whole.CLEARED
    assigned, cleared = partial
    if attribute.named_by_value and is_blank(assigned.get("value")):
        others = {name: item for name, item in assigned.items() if name != "value"}
        if not others:
            raise invalid_value(f"{where} names no value")
        dialect.take("value-blank", where)
        return Partial(others, (*cleared, "value"))
    return Partial(assigned, tuple(cleared))


def _read_sub(
    attribute: Attribute, sub: Attribute, value: Json, where: str, dialect: Dialect
) -> Value:
    if sub.name == "value" and not attribute.multi_valued and is_blank(value):
        dialect.take("manager-blank", where)
        return Whole.CLEARED
    if (
        attribute.name == "roles"
        and sub.name == "value"
        and dialects.role_in_text(value) is not None
    ):
        role = read_one(attribute, {"value": value}, where, dialect)  # it has a display too
        return Partial(role)
    item = read_value(sub, value, where, dialect)
    if sub.name == "value" and attribute.named_by_value and is_blank(item):
        raise invalid_value(f"{where} names no value")
    return Partial({}, (sub.name,)) if item is None else Partial({sub.name: item})


def apply(
    document: Document, steps: list[PatchStep], resource_type: ResourceType, dialect: Dialect
) -> Document:
    """Apply steps to a document, each to the result of the one before, and return the new document.

    Steps on secrets are skipped. Neither the document nor the steps are changed.

    Raises:
        ScimError: noTarget, mutability, invalidValue or tooMany.
    """
    return _Application(document, resource_type, dialect).run(steps)


class _Application:
    """One PATCH on one document. Values are replaced and never changed in place."""

    def __init__(self, document: Document, resource_type: ResourceType, dialect: Dialect) -> None:
        self.document = dict(document)
        self.removed: set[str] = set()
        self.resource_type = resource_type
        self.dialect = dialect
        self.comparisons = 0

    def run(self, steps: list[PatchStep]) -> Document:
        for step in steps:
            if step.secret is None:
                self._apply(step)
        return arrange(self.document, self.resource_type, self.removed)

    def _apply(self, step: PatchStep) -> None:
        place = step.target.place
        if place.attribute is None:
            self._remove_extension(step)
            return
        holder = (
            self.document if place.schema is None else dict(self.document.get(place.schema, {}))
        )
        before = holder.get(place.attribute.name)
        after = self._after(place.attribute, before, step)
        _check_change(place.attribute, before, after, step.where)
        if after is not None:
            holder[place.attribute.name] = after
            self.removed.discard(place.attribute.name)
        elif place.attribute.required:
            raise mutability(f"{step.where} is required and cannot be removed")
        else:
            holder.pop(place.attribute.name, None)
            if place.schema is None:
                self.removed.add(place.attribute.name)
        if place.schema is not None:
            self._put_extension(place.schema, holder)

    def _put_extension(self, urn: str, holder: Document) -> None:
        if holder:
            self.document[urn] = holder
        else:
            self.document.pop(urn, None)

    def _remove_extension(self, step: PatchStep) -> None:
        urn = step.target.place.schema or ""
        schema, held = self.resource_type.extension(urn), self.document.get(urn, {})
        for attribute in schema.attributes.values() if schema is not None else ():
            if attribute.name in held:
                _check_change(
                    attribute, held[attribute.name], None, f"{step.where}:{attribute.name}"
                )
        self.document.pop(urn, None)

    def _after(self, attribute: Attribute, before: Json, step: PatchStep) -> Json:
        """The value of an attribute after a step; None for none."""
        if attribute.multi_valued:
            elements = self._elements(attribute, before or [], step)
            return elements or None
        if isinstance(step.value, Named):
            return _without(attribute, before, step.value, step)
        if isinstance(step.value, Partial):
            return _merge(attribute, before or {}, step.value, step) or None
        return None if isinstance(step.value, Whole) else step.value

    def _elements(self, attribute: Attribute, before: list[Json], step: PatchStep) -> list[Json]:
        self.comparisons += len(before) * (
            1 if step.target.predicate is None else conditions(step.target.predicate)
        )
        if self.comparisons > self.dialect.max_comparisons:
            raise too_many_comparisons(step.where, self.dialect.max_comparisons)
        if step.target.predicate is None and step.target.place.sub is None:
            return self._whole(attribute, before, step)
        return self._chosen(attribute, before, step)

    def _whole(self, attribute: Attribute, before: list[Json], step: PatchStep) -> list[Json]:
        """The elements after a step on the attribute as a whole."""
        values = step.value
        if not isinstance(values, list):  # EVERYTHING or CLEARED
            return []
        if step.operation == "replace":
            return values
        found = Elements(attribute, before)
        if step.operation == "remove":
            gone = {position for value in values for position in found.named(value)}
            return [item for position, item in enumerate(before) if position not in gone]
        touched: list[int] = []
        for value in values:
            position = found.first(value)
            if position is None:
                position = len(found.items)
                found.append(value)
            else:
                found.items[position] = merged(attribute, found.items[position], value)
            if attribute.is_complex and value.get("primary") is True:
                touched.append(position)
        return move_primary(found.items, touched, step.where)

    def _chosen(self, attribute: Attribute, before: list[Json], step: PatchStep) -> list[Json]:
        """The elements after a step on those that its value path chooses; without a filter it chooses all."""
        predicate, value = step.target.predicate, step.value
        chosen = [
            n
            for n, item in enumerate(before)
            if predicate is None or matches(predicate, _as_document(attribute, item))
        ]
        if not chosen and isinstance(value, Partial) and value.optional and not value.assigned:
            return before
        if not chosen:
            return self._with_made(attribute, before, step)
        if isinstance(value, Named):
            among = set(chosen)
            left = [
                _without(attribute, item, value, step) if n in among else item
                for n, item in enumerate(before)
            ]
            return [item for item in left if item not in (None, {})]
        if isinstance(value, Whole):
            gone = set(chosen)
            return [item for position, item in enumerate(before) if position not in gone]
        after = list(before)
        for position in chosen:
            after[position] = _changed(attribute, after[position], step)
        touched = [
            position for position in chosen if is_primary(after[position]) and _sets_primary(value)
        ]
        after = move_primary(after, touched, step.where)
        return distinct(attribute, [item for item in after if item != {}])

    def _with_made(self, attribute: Attribute, before: list[Json], step: PatchStep) -> list[Json]:
        """The elements with the one that a value path without a match asks for; it may exist under another condition."""
        made = _made(attribute, step, self.dialect)
        found = Elements(attribute, before)
        position = found.first(made)
        if position is None:
            position = len(before)
            found.append(made)
        else:
            found.items[position] = merged(attribute, found.items[position], made)
        return move_primary(found.items, [position] if is_primary(made) else [], step.where)


def _as_document(attribute: Attribute, element: Json) -> Document:
    """An element as a filter sees it: a plain value has the sub-attribute `value` (RFC 7643 section 2.4)."""
    return element if attribute.is_complex else {"value": element}


def _changed(attribute: Attribute, element: Json, step: PatchStep) -> Json:
    """A chosen element after a step."""
    value = step.value
    if not isinstance(value, Partial):
        return value
    if not value.assigned and not value.cleared:
        return element
    if step.operation != "replace" or step.target.place.sub is not None or not value.assigned:
        return _merge(attribute, element, value, step)
    _check_subs(attribute, element, value.assigned, step.where)
    check_required_subs(attribute, value.assigned, step.where)
    return (
        value.assigned
    )  # RFC 7644 section 3.5.2.3: the record that the value path selects is replaced


def _without(attribute: Attribute, before: Json, named: Named, step: PatchStep) -> Json:
    """A value after a remove that names it: None, or without the sub-attribute; unchanged if it is another value."""
    value, sub = named.value, step.target.place.sub
    if before is None:
        return None
    if sub is not None and isinstance(value, Partial):
        is_named = sub.name in before and same_value(
            sub, before[sub.name], value.assigned.get(sub.name)
        )
        return (
            (_merge(attribute, before, Partial({}, (sub.name,)), step) or None)
            if is_named
            else before
        )
    wanted = value.assigned if isinstance(value, Partial) else value
    return None if Elements(attribute, [before]).named(wanted) else before


def _merge(attribute: Attribute, before: Document, value: Partial, step: PatchStep) -> Document:
    """A complex value with some of its sub-attributes changed (RFC 7644 sections 3.5.2.1 and 3.5.2.3)."""
    after = {**before, **value.assigned}
    for name in value.cleared:
        sub = attribute.sub(name)
        if sub is not None and sub.required:
            raise mutability(f"{step.where}: {name} is required and cannot be removed")
        after.pop(name, None)
    if attribute.multi_valued:
        _check_subs(attribute, before, after, step.where)
    without_stale_reference(attribute, before, after, value.assigned)
    if after:
        check_required_subs(attribute, after, step.where)
    return after


def _check_subs(attribute: Attribute, before: Document, after: Document, where: str) -> None:
    """Raises ScimError mutability if an immutable sub-attribute that has a value gets another, or loses it."""
    for sub in attribute.immutable_subs:
        if sub.name in before and (
            sub.name not in after or not same_value(sub, before[sub.name], after[sub.name])
        ):
            raise mutability(f"{where}: {sub.name} is immutable and has a value")


def _check_change(attribute: Attribute, before: Json, after: Json, where: str) -> None:
    """Raises ScimError mutability if an immutable attribute that has a value gets another, or loses it."""
    if before is None:
        return
    if attribute.mutability == "immutable" and (
        after is None or not same_value(attribute, before, after)
    ):
        raise mutability(f"{where} is immutable and has a value")
    if not attribute.multi_valued:
        _check_subs(attribute, before, after or {}, where)


def _made(attribute: Attribute, step: PatchStep, dialect: Dialect) -> Json:
    """The element that a value path asks for and that does not exist, with the values of the filter's eq terms."""
    place, node, value = step.target.place, step.target.filter, step.value
    if (
        step.operation == "remove"
        or place.sub is None
        or not isinstance(value, Partial)
        or not any(item or not isinstance(item, Sealed) for item in value.assigned.values())
    ):
        raise no_target(f"{step.where}: no element matches the path")
    element: Document = {}
    if node is not None:
        terms = _equalities(node)
        if terms is None:
            raise no_target(f"{step.where}: no element matches the path")
        dialect.take("value-path-made", step.where)
        for term in terms:
            sub = attribute.sub(term.path)
            if sub is not None and not sub.read_only:
                said = dialects.compared_role(
                    Place(place.schema, attribute, sub).name, term.value, dialect
                )
                element[sub.name] = read_value(sub, said, f"{step.where}.{sub.name}", dialect)
    element.update(value.assigned)
    if attribute.named_by_value and dialects.has_blank_value(element):
        raise invalid_value(f"{step.where} names no value")
    check_required_subs(attribute, element, step.where)
    return element


def _equalities(node: Filter) -> list[Compare] | None:
    """The terms of a filter that is nothing but eq terms joined by and; None for any other."""
    terms = node.terms if isinstance(node, And) else (node,)
    found = [
        term
        for term in terms
        if isinstance(term, Compare) and term.operator == "eq" and term.value is not None
    ]
    return found if len(found) == len(terms) else None


def _sets_primary(value: Value) -> bool:
    return isinstance(value, Partial) and value.assigned.get("primary") is True
