"""PATCH (RFC 7644 section 3.5.2): the operations of a PatchOp, checked first and then applied to a document."""

from collections.abc import Iterator
from dataclasses import dataclass

from muster.scim.errors import ScimError, invalid_path, invalid_syntax, invalid_value, mutability, no_target
from muster.scim.evaluate import matches
from muster.scim.filter import And, Compare, Filter
from muster.scim.path import Target, parse_path
from muster.scim.quirks import Dialect
from muster.scim.resource import Document, arrange, check_primary, kind, read_elements, read_one, read_value
from muster.scim.schema import Attribute, Place, ResourceType
from muster.scim.values import Json

PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
MAX_OPERATIONS = 1000


@dataclass(slots=True)
class Step:
    """One change to one target. operation: add, replace or remove. value: canonical; None is unassigned."""

    operation: str
    target: Target
    value: Json
    where: str

    @property
    def secret(self) -> Attribute | None:
        """The attribute, where it is one that is never returned and so is kept outside the document."""
        attribute = self.target.place.attribute
        return attribute if attribute is not None and attribute.returned == "never" else None


def prepare(message: Json, resource_type: ResourceType, dialect: Dialect) -> list[Step]:
    """The steps of a PatchOp message, every path resolved and every value checked; nothing of them needs the document.

    Raises ScimError invalidSyntax, invalidPath, invalidValue, noTarget or mutability that names the operation's index.
    """
    steps: list[Step] = []
    for index, operation in enumerate(_operations(message, dialect)):
        steps.extend(_steps(operation, f"Operations[{index}]", resource_type, dialect))
    return steps


def _operations(message: Json, dialect: Dialect) -> list[Json]:
    if not isinstance(message, dict):
        raise invalid_syntax(f"the body must be a JSON object, and is {kind(message)}")
    schemas = message.get("schemas")
    named = isinstance(schemas, list) and any(isinstance(u, str) and u.lower() == PATCH_OP.lower() for u in schemas)
    if not named:
        dialect.take("schemas-missing", f"schemas: {PATCH_OP} is not there")
    operations = message.get("Operations")
    if operations is None:
        key = next((key for key in message if key.lower() == "operations"), None)
        if key is None:
            raise invalid_syntax("Operations is required")
        dialect.take("operations-case", key)
        operations = message[key]
    if isinstance(operations, dict):
        dialect.take("single-operation", "Operations")
        operations = [operations]
    if not isinstance(operations, list) or not operations:
        raise invalid_syntax("Operations must be an array with at least one operation")
    if len(operations) > MAX_OPERATIONS:
        raise ScimError(413, f"Operations has {len(operations)} operations, and at most {MAX_OPERATIONS} are taken")
    return operations


def _steps(operation: Json, where: str, resource_type: ResourceType, dialect: Dialect) -> Iterator[Step]:
    if not isinstance(operation, dict):
        raise invalid_syntax(f"{where} must be an object, and is {kind(operation)}")
    fields = {key.lower(): value for key, value in operation.items()}
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
    yield from _target_steps(name, target, value, f"{where}: {target.place.name}", resource_type, dialect)


def _name(name: Json, where: str, dialect: Dialect) -> str:
    if isinstance(name, str) and name.lower() in ("add", "replace", "remove"):
        if name != name.lower():
            dialect.take("operation-case", where)
        return name.lower()
    raise invalid_syntax(f"{where}: op must be add, replace or remove")


def _pathless(name: str, value: Json, where: str, resource_type: ResourceType, dialect: Dialect) -> Iterator[Step]:
    """A value with no path stands for an operation on each of its keys."""
    if name == "remove":
        raise no_target(f"{where}: remove needs a path")
    if not isinstance(value, dict):
        raise invalid_value(f"{where}: without a path the value must be an object, and is {kind(value)}")
    for key, item in value.items():
        target = _key_target(key, resource_type, dialect, where)
        if target is None:
            continue
        attribute = target.place.attribute
        if attribute is not None and attribute.read_only:
            dialect.take("read-only-key", f"{where}: {attribute.name}")
            continue
        yield from _target_steps(name, target, item, f"{where}: {target.place.name}", resource_type, dialect)


def _key_target(key: str, resource_type: ResourceType, dialect: Dialect, where: str) -> Target | None:
    """Where a key of a path-less value leads; None where no schema defines it."""
    if "[" in key:
        dialect.take("value-path-key", f"{where}: {key[:100]!r}")
        return parse_path(key, resource_type, dialect, where)
    place = resource_type.place(key)
    if place is None or place.attribute is None:
        return None if place is None else Target(place)
    if ":" in key:
        dialect.take("urn-key", f"{where}: {key[:100]!r}")
    elif place.sub is not None:
        dialect.take("dotted-key", f"{where}: {key[:100]!r}")
    return Target(place)


def _target_steps(
    name: str, target: Target, value: Json, where: str, resource_type: ResourceType, dialect: Dialect
) -> Iterator[Step]:
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
        return  # made from what is there
    if name == "remove":
        yield Step(name, target, _removed(place, value, where, dialect), where)
        return
    canonical = _value(target, value, where, dialect)
    if canonical is None and name == "add":
        return
    yield Step(name, target, canonical, where)


def _extension_steps(
    name: str, target: Target, value: Json, where: str, resource_type: ResourceType, dialect: Dialect
) -> Iterator[Step]:
    """A whole extension: removed at once; added or replaced attribute by attribute, as a complex attribute is."""
    schema = resource_type.extension(target.place.schema or "")
    if schema is None:
        raise invalid_path(f"{where}: no such extension")
    if name == "remove" or value is None:
        yield Step("remove", target, None, where)
        return
    if not isinstance(value, dict):
        raise invalid_value(f"{where} must be an object, and is {kind(value)}")
    for key, item in value.items():
        attribute = schema.attribute(key)
        if attribute is not None:
            inner = Target(Place(schema.id, attribute))
            yield from _target_steps(name, inner, item, f"{where}:{attribute.name}", resource_type, dialect)


def _removed(place: Place, value: Json, where: str, dialect: Dialect) -> Json:
    """The elements that a remove names by its value, or None where it means all that its path names."""
    attribute = place.attribute
    if value in (None, "", []) or attribute is None or not attribute.multi_valued or place.sub is not None:
        return None
    dialect.take("remove-with-value", where)
    return read_elements(attribute, value if isinstance(value, list) else [value], where, dialect)


def _value(target: Target, value: Json, where: str, dialect: Dialect) -> Json:
    attribute, sub = target.place.attribute, target.place.sub
    if sub is not None:
        return read_value(sub, value, where, dialect)
    if attribute is None:
        raise invalid_path(f"{where}: an attribute is needed")
    if target.predicate is not None:
        return read_one(attribute, value, where, dialect)
    if attribute.multi_valued and not isinstance(value, list) and value is not None:
        return read_elements(attribute, [value], where, dialect)
    return read_value(attribute, value, where, dialect)


def apply(document: Document, steps: list[Step], resource_type: ResourceType, dialect: Dialect) -> Document:
    """The document after all steps, each seeing what those before it made. The one given is changed: pass a copy.

    Steps on secrets are passed over. Raises ScimError noTarget, mutability or invalidValue.
    """
    for step in steps:
        if step.secret is None:
            _apply(document, step, dialect)
    return arrange(document, resource_type)


def _apply(document: Document, step: Step, dialect: Dialect) -> None:
    place = step.target.place
    if place.attribute is None:
        document.pop(place.schema or "", None)
        return
    holder = document if place.schema is None else document.setdefault(place.schema, {})
    if place.attribute.multi_valued:
        _apply_to_elements(holder, place.attribute, step, dialect)
    elif place.sub is not None:
        inner = holder.setdefault(place.attribute.name, {})
        _assign(inner, place.sub, step)
        if not inner:
            del holder[place.attribute.name]
    elif place.attribute.is_complex and step.value is not None:
        holder.setdefault(place.attribute.name, {}).update(step.value)
    else:
        _assign(holder, place.attribute, step)
    if place.schema is not None and not holder:
        del document[place.schema]


def _assign(holder: Document, attribute: Attribute, step: Step) -> None:
    """Set or clear one single-valued attribute or sub-attribute."""
    before = holder.get(attribute.name)
    if attribute.mutability == "immutable" and before is not None and before != step.value:
        raise mutability(f"{step.where} is immutable and has a value")
    if step.operation != "remove" and step.value is not None:
        holder[attribute.name] = step.value
        return
    if attribute.required:
        raise mutability(f"{step.where} is required and cannot be removed")
    holder.pop(attribute.name, None)


def _apply_to_elements(holder: Document, attribute: Attribute, step: Step, dialect: Dialect) -> None:
    elements: list[Json] = holder.get(attribute.name, [])
    if step.target.predicate is None and step.target.place.sub is None:
        elements, touched = _whole(elements, step)
    else:
        elements, touched = _chosen(elements, attribute, step, dialect)
    if attribute.is_complex:
        _move_primary(elements, touched, step.where)
    if elements:
        holder[attribute.name] = elements
        return
    if attribute.required:
        raise mutability(f"{step.where} is required and cannot be removed")
    holder.pop(attribute.name, None)


def _whole(elements: list[Json], step: Step) -> tuple[list[Json], list[Json]]:
    """The attribute as a whole: values added that are not there yet, or all replaced, or removed."""
    if step.operation == "remove":
        return ([item for item in elements if not _named(item, step.value)] if step.value else []), []
    if step.operation == "replace":
        return step.value or [], []
    added: list[Json] = []
    for item in step.value:
        if item not in elements and item not in added:
            added.append(item)
    check_primary([item for item in added if isinstance(item, dict)], step.where)
    return elements + added, added


def _named(item: Json, values: list[Json]) -> bool:
    """Whether an element has everything that one of the values has."""
    return any(
        all(item.get(key) == wanted for key, wanted in value.items()) if isinstance(value, dict) else item == value
        for value in values
    )


def _chosen(elements: list[Json], attribute: Attribute, step: Step, dialect: Dialect) -> tuple[list[Json], list[Json]]:
    """The elements that the value path chooses (all, without one), each changed, replaced or removed."""
    predicate, sub = step.target.predicate, step.target.place.sub
    chosen = [item for item in elements if predicate is None or matches(predicate, item)]
    if not chosen:
        made = _made(attribute, step, dialect)
        return [*elements, made], [made]
    if sub is not None:
        for item in chosen:
            _assign(item, sub, step)
        return [item for item in elements if item], chosen
    if step.operation == "remove" or step.value is None:
        return [item for item in elements if not _is_any(item, chosen)], []
    for item in chosen:
        if step.operation == "replace":
            item.clear()
        item.update(step.value)
    return elements, chosen


def _made(attribute: Attribute, step: Step, dialect: Dialect) -> Document:
    """The element that a value path asks for and that is not there, with what the filter's eq terms say."""
    place, node = step.target.place, step.target.filter
    if step.operation == "remove" or place.sub is None or step.value is None:
        raise no_target(f"{step.where}: no element matches the path")
    element: Document = {}
    if node is not None:
        terms = _equalities(node)
        if terms is None:
            raise no_target(f"{step.where}: no element matches the path")
        dialect.take("value-path-made", step.where)
        for term in terms:
            sub = attribute.sub(term.path)
            if sub is not None:
                element[sub.name] = read_value(sub, term.value, f"{step.where}.{sub.name}", dialect)
    element[place.sub.name] = step.value
    return element


def _equalities(node: Filter) -> list[Compare] | None:
    """The terms of a filter that is nothing but eq terms joined by and; None for any other."""
    terms = node.terms if isinstance(node, And) else (node,)
    found = [term for term in terms if isinstance(term, Compare) and term.operator == "eq" and term.value is not None]
    return found if len(found) == len(terms) else None


def _move_primary(elements: list[Json], touched: list[Json], where: str) -> None:
    """A value that becomes primary takes it from whichever had it (RFC 7644 section 3.5.2)."""
    primary = [item for item in touched if item.get("primary") is True]
    if not primary:
        return
    if len(primary) > 1:
        raise invalid_value(f"{where}: at most one element may be primary")
    for item in elements:
        if item is not primary[0] and item.get("primary") is True:
            item["primary"] = False


def _is_any(item: Json, chosen: list[Json]) -> bool:
    return any(item is other for other in chosen)
