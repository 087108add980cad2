"""PATCH (RFC 7644 section 3.5.2): check a PatchOp, then apply it to a document.

`prepare` does everything that does not depend on the document: it resolves the paths, checks the
values and turns them into their canonical form. Its result is a list of steps. An operation without
a path becomes one step for each key of its value. `apply` then applies the steps in order, each to
the result of the one before.

The two are separate because `apply` runs inside the transaction of the write, and possibly more
than once: if the engine restarts the transaction, it decides the same PATCH again on another state.
So `apply` is pure. It modifies neither the document nor the steps, and everything slow or fallible
that can be done before is done in `prepare`.

The value of a step has one of five forms, so that "no value" and "all values" cannot be confused.
Otherwise `{"op": "remove", "path": "members", "value": []}` could be read as "remove all members".

- Canonical JSON: the new value of an attribute without sub-attributes.
- A list of canonical elements: for a multi-valued attribute as a whole.
- `Partial`: some sub-attributes of a complex value or element, those to assign and those to clear.
- `NamedValue`: the one value that a remove names; the target keeps any other value.
- `Whole.EVERYTHING` or `Whole.CLEARED`: all that the path selects.
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
    json_type,
    read_elements,
    read_one,
    read_partial,
    read_value,
)
from muster.scim.elements import (
    Elements,
    distinct,
    drop_stale_reference,
    merged,
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
    """The value of a step that applies to all of its target.

    Attributes:
        EVERYTHING: A remove without a value removes all that its path selects.
        CLEARED: The value was null or an empty array.
    """

    EVERYTHING = "everything"
    CLEARED = "cleared"


@dataclass(slots=True)  # not frozen, which costs time: one is made for every operation
class Partial:
    """Some sub-attributes of a complex value.

    Attributes:
        assigned: The sub-attributes to assign, with their canonical values.
        cleared: The names of the sub-attributes to remove.
        optional: Whether the step does nothing if its path selects no element; otherwise that is an
            error.
    """

    assigned: Document
    cleared: tuple[str, ...] = ()
    optional: bool = False


@dataclass(slots=True)
class NamedValue:
    """The value that a remove names at a target that needs none.

    Only this value is removed; the target keeps any other.
    """

    value: "Json | Partial"


Value = Json | Partial | Whole | NamedValue


@dataclass(slots=True)
class PatchStep:
    """One change to one target.

    Attributes:
        operation: add, replace or remove.
        target: The target that its path names.
        value: The value, in one of the forms that the module describes.
        where: The name of the target in errors.
    """

    operation: str
    target: Target
    value: Value
    where: str

    @property
    def secret(self) -> Attribute | None:
        """The attribute, if its values are never returned; None otherwise."""
        attribute = self.target.place.attribute
        return attribute if attribute is not None and attribute.secret else None


def prepare(message: Json, resource_type: ResourceType, dialect: Dialect) -> list[PatchStep]:
    """Read a PatchOp into steps: resolve every path and check every value.

    Raises:
        ScimError: invalidSyntax, invalidPath, invalidValue, noTarget or mutability, with the index
            of the operation; 413 if it has more than MAX_OPERATIONS.
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
        raise invalid_syntax("Operations: expected an array with at least one operation")
    if len(operations) > MAX_OPERATIONS:
        raise ScimError(
            413, f"Operations has {len(operations):,} operations; the limit is {MAX_OPERATIONS:,}"
        )
    return operations


def _steps(
    operation: Json, where: str, resource_type: ResourceType, dialect: Dialect
) -> Iterator[PatchStep]:
    if not isinstance(operation, dict):
        raise invalid_syntax(f"{where}: expected an object, got {json_type(operation)}")
    fields = {key.lower(): item for key, item in operation.items()}
    if len(fields) < len(operation):
        raise invalid_syntax(f"{where}: a key occurs twice, in different cases")
    name = _name(fields.get("op"), where, dialect)
    path, value = fields.get("path"), fields.get("value")
    if path is not None and not isinstance(path, str):
        raise invalid_path(f"{where}.path: expected a string, got {json_type(path)}")
    if name != "remove" and "value" not in fields:
        raise invalid_value(f"{where}: {name} requires a value")
    if path is None or not path.strip():
        if dialect.interop:
            raise invalid_syntax(f"{where}: this workspace requires a path in each operation")
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
    raise invalid_syntax(f"{where}.op: expected add, replace or remove")


def _pathless(
    name: str, value: Json, where: str, resource_type: ResourceType, dialect: Dialect
) -> Iterator[PatchStep]:
    """Read an operation without a path: one or more steps for each key of its value."""
    if name == "remove":
        raise no_target(f"{where}: remove requires a path")
    if not isinstance(value, dict):
        raise invalid_value(f"{where}: without a path, expected an object, got {json_type(value)}")
    # An empty object asks for nothing, which is fine. An object with unknown keys alone asks for
    # something that was not understood, and must not be answered as if it had been done.
    is_known = not value
    seen: set[str] = set()
    for key, item in value.items():
        target = _key_target(key, resource_type, dialect, where)
        if target is None:
            continue
        is_known = True
        name_of_target = key if target.predicate is not None else target.place.name
        if name_of_target in seen:
            raise invalid_syntax(
                f"{where}: {target.place.name} occurs twice, the second time as {key[:100]!r}"
            )
        seen.add(name_of_target)
        # Clients send back what they read, id and meta included. At a path of its own a readOnly
        # attribute is an error.
        attribute = target.place.attribute
        if attribute is not None and attribute.read_only:
            dialect.take("read-only-key", f"{where}: {attribute.name}")
            continue
        yield from _target_steps(
            name, target, item, f"{where}: {target.place.name}", resource_type, dialect
        )
    if not is_known:
        raise invalid_value(
            f"{where}: the value has no attribute that the schemas of {resource_type.name} define"
        )


def _key_target(
    key: str, resource_type: ResourceType, dialect: Dialect, where: str
) -> Target | None:
    """Resolve a key of a value without a path; None if no schema defines it."""
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
        yield PatchStep(name, target, _read_removed(target, value, where, dialect), where)
        return
    read = _read_value(target, value, where, dialect)
    if name == "add" and (read is Whole.CLEARED or isinstance(read, Partial)):
        if isinstance(read, Partial) and read.optional and not read.assigned:
            return
        # Adding null adds nothing: unlike a replace, an add never clears.
        read = Partial(read.assigned if isinstance(read, Partial) else {})
        if not read.assigned and target.predicate is None:
            return
    if dialect.interop and name == "replace" and isinstance(read, Partial) and place.sub is None:
        read = _as_a_whole(attribute, target, read)
    yield PatchStep(name, target, read, where)


def _as_a_whole(attribute: Attribute, target: Target, read: Partial) -> Partial:
    """Let a replace of a complex attribute clear the sub-attributes that it does not name.

    The interoperability profile asks for this; RFC 7644 section 3.5.2.3 keeps them.
    """
    if target.predicate is not None:
        return read
    others = (sub.name for sub in attribute.sub_attributes.values() if not sub.read_only)
    cleared = tuple(name for name in others if name not in read.assigned)
    return Partial(read.assigned, cleared, read.optional)


def _extension_steps(
    name: str,
    target: Target,
    value: Json,
    where: str,
    resource_type: ResourceType,
    dialect: Dialect,
) -> Iterator[PatchStep]:
    """Read an operation on a whole extension.

    A remove is one step. An add or replace is one step for each attribute in the value, so that it
    keeps the attributes that the value does not name, as for a complex attribute.
    """
    schema = resource_type.extension(target.place.schema or "")
    if schema is None:
        raise invalid_path(f"{where}: {resource_type.name} has no such extension")
    if name == "remove" and value is not None:
        raise invalid_value(
            f"{where}: an extension is removed without a value; to remove some of its attributes,"
            " name their paths"
        )
    if name == "remove" or (name == "replace" and value is None):
        yield PatchStep("remove", target, Whole.EVERYTHING, where)
        return
    if value is None:
        return
    if not isinstance(value, dict):
        raise invalid_value(f"{where}: expected an object, got {json_type(value)}")
    is_known = not value
    for key, item in value.items():
        attribute = schema.attribute(key)
        if attribute is not None:
            is_known = True
            if attribute.read_only:
                dialect.take("read-only-key", f"{where}: {attribute.name}")
                continue
            inner = Target(Place(schema.id, attribute))
            yield from _target_steps(
                name, inner, item, f"{where}:{attribute.name}", resource_type, dialect
            )
        else:
            dialect.ignore(key, f"{where}:")
    if not is_known:
        raise invalid_value(f"{where}: the value has no attribute that {schema.id} defines")


def _read_removed(target: Target, value: Json, where: str, dialect: Dialect) -> Value:
    """Read the value of a remove; without one it removes all that its path selects."""
    place = target.place
    attribute = place.attribute
    if value is None or attribute is None:
        return Partial({}, (place.sub.name,)) if place.sub is not None else Whole.EVERYTHING
    dialect.take("remove-with-value", where)
    if attribute.multi_valued and target.predicate is None and place.sub is None:
        return [] if value == [] else read_elements(attribute, _listed(value), where, dialect)
    read = _read_value(target, value, where, dialect)
    if isinstance(read, Whole) or (isinstance(read, Partial) and not read.assigned):
        raise invalid_value(
            f"{where}: the value is empty; omit it to remove everything that the path selects"
        )
    return NamedValue(read)


def _listed(value: Json) -> list[Json]:
    """Wrap a lone value in a list, as RFC 7644 section 3.5.2.1 allows it for PATCH."""
    return value if isinstance(value, list) else [value]


def _read_value(target: Target, value: Json, where: str, dialect: Dialect) -> Value:
    """Read the value of an add or replace.

    An empty value is an error unless it has one meaning only: see the dialect table.
    """
    attribute, sub = target.place.attribute, target.place.sub
    if attribute is None:
        raise invalid_path(f"{where}: expected an attribute, got the URN of a schema")
    # An element cannot have a blank `value`, which identifies it. With a filter, the client means
    # "this user has no work e-mail address any more"; without one it would blank every element.
    if sub is not None and sub.name == "value" and attribute.named_by_value and is_blank(value):
        if target.predicate is None:
            raise invalid_value(
                f"{where}: the value is empty; select elements by a filter, or remove"
                f" {attribute.name}"
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
        raise invalid_value(f"{where}: the value is empty; send null to clear the attribute")
    if not attribute.is_complex:
        item = read_one(attribute, value, where, dialect)
        if item == "" and attribute.multi_valued:
            raise invalid_value(f"{where}: the value is empty")
        return Whole.CLEARED if item is None else item
    partial = read_partial(attribute, value, where, dialect)
    if partial is None and attribute.multi_valued:
        raise invalid_value(f"{where}: the value is empty")
    if partial == ({}, []):
        dialect.take("read-only-key", where)
    if partial is None:
        return Whole.CLEARED
    assigned, cleared = partial
    if attribute.named_by_value and is_blank(assigned.get("value")):
        others = {name: item for name, item in assigned.items() if name != "value"}
        if not others:
            raise invalid_value(f"{where}: the value is empty")
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
        role = read_one(
            attribute, {"value": value}, where, dialect
        )  # the JSON holds its display too
        return Partial(role)
    item = read_value(sub, value, where, dialect)
    if sub.name == "value" and attribute.named_by_value and is_blank(item):
        raise invalid_value(f"{where}: the value is empty")
    return Partial({}, (sub.name,)) if item is None else Partial({sub.name: item})


def apply(
    document: Document, steps: list[PatchStep], resource_type: ResourceType, dialect: Dialect
) -> Document:
    """Apply the steps in order and return the new document.

    Steps on secrets are skipped. Neither the document nor the steps are modified.

    Args:
        document: The canonical document.
        steps: The steps of `prepare`.
        resource_type: The type of the resource.
        dialect: The dialect of the client.

    Raises:
        ScimError: noTarget, mutability, invalidValue or tooMany.
    """
    return _PatchRun(document, resource_type, dialect).run(steps)


class _PatchRun:
    """Applies one PATCH to one document.

    The document is a shallow copy: values are replaced, never modified in place.

    Attributes:
        document: The document so far.
        removed: Core attributes that were removed and not assigned again; they get no default.
        comparisons: The elements compared so far, times the conditions of the filters.
    """

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
        # Core attributes are assigned in the copy of the document; an extension is copied before it
        # changes.
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
            # Removing `active` means "no value", so `arrange` must not put the default back.
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
        """Return the value of an attribute after a step, or None."""
        if attribute.multi_valued:
            elements = self._elements(attribute, before or [], step)
            return elements or None
        if isinstance(step.value, NamedValue):
            return _remove_named(attribute, before, step.value, step)
        if isinstance(step.value, Partial):
            return _merge(attribute, before or {}, step.value, step) or None
        return None if isinstance(step.value, Whole) else step.value

    def _elements(self, attribute: Attribute, before: list[Json], step: PatchStep) -> list[Json]:
        # Operations times elements times conditions bounds the time of a PATCH in the transaction.
        self.comparisons += len(before) * (
            1 if step.target.predicate is None else conditions(step.target.predicate)
        )
        if self.comparisons > self.dialect.max_comparisons:
            raise too_many_comparisons(step.where, self.dialect.max_comparisons)
        if step.target.predicate is None and step.target.place.sub is None:
            return self._on_attribute(attribute, before, step)
        return self._on_selection(attribute, before, step)

    def _on_attribute(
        self, attribute: Attribute, before: list[Json], step: PatchStep
    ) -> list[Json]:
        """Return the elements after a step on the attribute as a whole."""
        values = step.value
        if not isinstance(values, list):  # EVERYTHING or CLEARED
            return []
        if step.operation == "replace":
            return values
        # Add and remove look up each value by identity: an added element that exists is merged.
        elements = Elements(attribute, before)
        if step.operation == "remove":
            removed = {position for value in values for position in elements.matching(value)}
            return [item for position, item in enumerate(before) if position not in removed]
        touched: list[int] = []
        for value in values:
            position = elements.first_match(value)
            if position is None:
                position = len(elements.items)
                elements.append(value)
            else:
                elements.items[position] = merged(attribute, elements.items[position], value)
            if attribute.is_complex and value.get("primary") is True:
                touched.append(position)
        return move_primary(elements.items, touched, step.where)

    def _on_selection(
        self, attribute: Attribute, before: list[Json], step: PatchStep
    ) -> list[Json]:
        """Return the elements after a step on those that its path selects.

        A value path selects those that match its filter; a path such as emails.value selects all.
        If none matches, an add or replace may create the element (Microsoft Entra ID relies on it).
        """
        predicate, value = step.target.predicate, step.value
        selected = [
            n
            for n, item in enumerate(before)
            if predicate is None or matches(predicate, _as_document(attribute, item))
        ]
        if not selected and isinstance(value, Partial) and value.optional and not value.assigned:
            return before
        if not selected:
            return self._add_missing(attribute, before, step)
        if isinstance(value, NamedValue):
            among = set(selected)
            after = [
                _remove_named(attribute, item, value, step) if n in among else item
                for n, item in enumerate(before)
            ]
            return [item for item in after if item not in (None, {})]
        if isinstance(value, Whole):
            removed = set(selected)
            return [item for position, item in enumerate(before) if position not in removed]
        after = list(before)
        for position in selected:
            after[position] = _change_element(attribute, after[position], step)
        # Only an operation that sets `primary` moves it.
        touched = [
            position
            for position in selected
            if is_primary(after[position]) and _sets_primary(value)
        ]
        after = move_primary(after, touched, step.where)
        # A change of `value` or `type` can make two elements the same. An element that lost its
        # last sub-attribute is removed.
        return distinct(attribute, [item for item in after if item != {}])

    def _add_missing(self, attribute: Attribute, before: list[Json], step: PatchStep) -> list[Json]:
        """Return the elements with the one that a value path without a match describes.

        The filter may fail on an element of the same identity, for example because its `primary`
        differs. Then that element is changed.
        """
        new = _new_element(attribute, step, self.dialect)
        elements = Elements(attribute, before)
        position = elements.first_match(new)
        if position is None:
            position = len(before)
            elements.append(new)
        else:
            elements.items[position] = merged(attribute, elements.items[position], new)
        return move_primary(elements.items, [position] if is_primary(new) else [], step.where)


def _as_document(attribute: Attribute, element: Json) -> Document:
    """Return an element as a document, as RFC 7643 section 2.4 sees a plain value."""
    return element if attribute.is_complex else {"value": element}


def _change_element(attribute: Attribute, element: Json, step: PatchStep) -> Json:
    """Return a selected element after an add or replace."""
    value = step.value
    if not isinstance(value, Partial):
        return value
    if not value.assigned and not value.cleared:
        return element
    # A replace of emails[type eq "work"] replaces the element; one of a sub-attribute, or an add,
    # merges.
    if step.operation != "replace" or step.target.place.sub is not None or not value.assigned:
        return _merge(attribute, element, value, step)
    _check_subs(attribute, element, value.assigned, step.where)
    check_required_subs(attribute, value.assigned, step.where)
    return (
        value.assigned
    )  # RFC 7644 section 3.5.2.3: a replace of a value path replaces the element


def _remove_named(attribute: Attribute, before: Json, named: NamedValue, step: PatchStep) -> Json:
    """Return a value after a remove that names a value.

    Returns:
        None if all of it is removed; the value without the sub-attribute if the path names one; the
        value unchanged if it is not the named one.
    """
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
    return None if Elements(attribute, [before]).matching(wanted) else before


def _merge(attribute: Attribute, before: Document, value: Partial, step: PatchStep) -> Document:
    """Change sub-attributes of a complex value (RFC 7644 section 3.5.2.3)."""
    after = {**before, **value.assigned}
    for name in value.cleared:
        sub = attribute.sub(name)
        if sub is not None and sub.required:
            raise mutability(f"{step.where}: {name} is required and cannot be removed")
        after.pop(name, None)
    if attribute.multi_valued:
        _check_subs(attribute, before, after, step.where)
    # `$ref` and `displayName` of a manager describe the previous manager.
    drop_stale_reference(attribute, before, after, value.assigned)
    if after:
        check_required_subs(attribute, after, step.where)
    return after


def _check_subs(attribute: Attribute, before: Document, after: Document, where: str) -> None:
    """Check that no immutable sub-attribute changes or loses its value.

    Raises:
        ScimError: mutability.
    """
    for sub in attribute.immutable_subs:
        if sub.name in before and (
            sub.name not in after or not same_value(sub, before[sub.name], after[sub.name])
        ):
            raise mutability(f"{where}: {sub.name} is immutable and already has a value")


def _check_change(attribute: Attribute, before: Json, after: Json, where: str) -> None:
    """Check that an immutable attribute does not change or lose its value.

    Raises:
        ScimError: mutability.
    """
    if before is None:
        return
    if attribute.mutability == "immutable" and (
        after is None or not same_value(attribute, before, after)
    ):
        raise mutability(f"{where} is immutable and already has a value")
    if not attribute.multi_valued:
        _check_subs(attribute, before, after or {}, where)


def _new_element(attribute: Attribute, step: PatchStep, dialect: Dialect) -> Json:
    """Build the element that a value path without a match describes.

    `emails[type eq "work"].value` set to "a@x.example" describes {"type": "work", "value":
    "a@x.example"}.

    Raises:
        ScimError: noTarget if the path describes no element: a remove, a filter of other terms than
            eq joined by and, or a value for the whole element.
    """
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
                given = dialects.compared_role(
                    Place(place.schema, attribute, sub).name, term.value, dialect
                )
                element[sub.name] = read_value(sub, given, f"{step.where}.{sub.name}", dialect)
    element.update(value.assigned)
    if attribute.named_by_value and dialects.has_blank_value(element):
        raise invalid_value(f"{step.where} names no value")
    check_required_subs(attribute, element, step.where)
    return element


def _equalities(node: Filter) -> list[Compare] | None:
    """Return the terms of a filter that consists of eq terms joined by and; else None."""
    terms = node.terms if isinstance(node, And) else (node,)
    found = [
        term
        for term in terms
        if isinstance(term, Compare) and term.operator == "eq" and term.value is not None
    ]
    return found if len(found) == len(terms) else None


def _sets_primary(value: Value) -> bool:
    return isinstance(value, Partial) and value.assigned.get("primary") is True
