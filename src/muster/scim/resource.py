"""Reading a client's document against its schema, into the canonical form that is stored (RFC 7643 sections 2 and 3)."""

from functools import lru_cache
from typing import Any

from muster.scim import quirks
from muster.scim.bounds import check_elements
from muster.scim.errors import ScimError, invalid_syntax, invalid_value, mutability
from muster.scim.quirks import Dialect
from muster.scim.schema import Attribute, ResourceType, Schema
from muster.scim.values import Json, is_assigned, is_base64, sortable_date_time

Document = dict[str, Json]
_MANAGED = frozenset({"schemas", "id", "meta"})


def read(document: Json, resource_type: ResourceType, dialect: Dialect) -> Document:
    """The canonical form of the document that a client POSTs or PUTs.

    Attributes that no schema defines and readOnly ones are left out; names take the schema's spelling; null, [] and {} are
    unassigned. Raises ScimError invalidSyntax or invalidValue that names the attribute.
    """
    if not isinstance(document, dict):
        raise invalid_syntax(f"the body must be a JSON object, and is {kind(document)}")
    check_schemas(document, resource_type, dialect)
    found: Document = {}
    taken = _taken(resource_type)
    for key, value in document.items():
        member = taken.get(key) or taken.get(key.lower())
        if isinstance(member, Attribute):
            _put(found, member.name, _read_member(member, value, "", dialect), key)
        elif member is not None:
            _put(found, member.id, read_extension(member, value, dialect), key)
    return arrange(found, resource_type)


@lru_cache(maxsize=1024)
def _taken(resource_type: ResourceType) -> dict[str, Attribute | Schema]:
    """What is taken from a client's document, by name in lower case and as the schema spells it."""
    taken: dict[str, Attribute | Schema] = {}
    for attribute in (*resource_type.common.attributes.values(), *resource_type.core.attributes.values()):
        if not attribute.read_only and attribute.name not in _MANAGED:
            taken[attribute.name] = taken[attribute.name.lower()] = attribute
    for schema in resource_type.extensions.values():
        taken[schema.id] = taken[schema.id.lower()] = schema
    return taken


def check_schemas(document: Document, resource_type: ResourceType, dialect: Dialect) -> None:
    """Hold the client's `schemas` against the resource type; the stored one is made from what is there."""
    given = document.get("schemas")
    if given is None:
        given = next((value for key, value in document.items() if key.lower() == "schemas"), None)
    if given is None:
        given = []
    if isinstance(given, list):
        check_elements("schemas", given, "schemas", dialect.max_elements)
    if not (isinstance(given, list) and all(isinstance(item, str) for item in given)):
        raise invalid_value("schemas must be an array of strings")
    core = False
    for urn in given:
        if resource_type.is_core(urn):
            core = True
        elif resource_type.extension(urn) is None:
            dialect.take("unknown-schema", f"schemas: {urn[:200]!r}")
    if not core:
        dialect.take("schemas-missing", f"schemas: {resource_type.core.id} is not there")


def read_extension(extension: Schema, value: Json, dialect: Dialect) -> Json:
    """The canonical form of an extension's attributes, or None where it is unassigned."""
    if not is_assigned(value):
        return None
    if not isinstance(value, dict):
        raise invalid_value(f"{extension.id} must be an object, and is {kind(value)}")
    found: Document = {}
    for key, item in value.items():
        attribute = extension.attribute(key)
        if attribute is not None and not attribute.read_only:
            _put(found, attribute.name, _read_member(attribute, item, f"{extension.id}:", dialect), key)
    return found or None


def _read_member(attribute: Attribute, value: Json, prefix: str, dialect: Dialect) -> Json:
    """read_value, for errors under a prefix and the attribute's name. Most values are plain strings, and stay as they are."""
    if attribute.is_text and isinstance(value, str):
        return value
    return read_value(attribute, value, f"{prefix}{attribute.name}", dialect)


def read_value(attribute: Attribute, value: Json, where: str, dialect: Dialect) -> Json:
    """The canonical form of an attribute's value, or None where it is unassigned. where: the name for errors."""
    if not attribute.multi_valued:
        return read_one(attribute, quirks.single(value, where, dialect), where, dialect)
    if not is_assigned(value):
        return None
    if attribute.is_complex or isinstance(value, str):
        value = quirks.elements(value, where, dialect)
    if not isinstance(value, list):
        raise invalid_value(f"{where} is multi-valued: it must be an array, and is {kind(value)}")
    return read_elements(attribute, value, where, dialect)


def read_elements(attribute: Attribute, values: list[Json], where: str, dialect: Dialect) -> Json:
    """The canonical elements of a multi-valued attribute, or None where there are none."""
    check_elements(attribute.name, values, where, dialect.max_elements)
    found = [read_one(attribute, item, f"{where}[{index}]", dialect) for index, item in enumerate(values)]
    return [item for item in found if item is not None] or None


def read_one(attribute: Attribute, value: Json, where: str, dialect: Dialect) -> Json:
    """The canonical form of one value, or None where it is unassigned."""
    if attribute.is_complex:
        return _read_complex(attribute, value, where, dialect)
    if value is None or value == [] or value == {}:
        return None
    match attribute.type:
        case "boolean":
            value = quirks.boolean(value, where, dialect)
            if not isinstance(value, bool):
                raise _wrong(where, "a boolean", value)
        case "integer":
            if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
                raise _wrong(where, "an integer of at most 64 bits", value)
        case "decimal":
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise _wrong(where, "a number", value)
        case _:
            _check_string(attribute, value, where)
    return value


def _check_string(attribute: Attribute, value: Json, where: str) -> None:
    if not isinstance(value, str):
        raise _wrong(where, "a string", value)
    if attribute.type == "dateTime" and sortable_date_time(value) is None:
        raise invalid_value(f"{where} must be a dateTime as 2011-05-13T04:42:34Z")
    if attribute.type == "binary" and not is_base64(value):
        raise invalid_value(f"{where} must be base64")
    if attribute.required and not value.strip():
        raise invalid_value(f"{where} is required and must not be blank")


def _read_complex(attribute: Attribute, value: Json, where: str, dialect: Dialect) -> Json:
    if attribute.has_value and not attribute.multi_valued:
        value = quirks.reference_object(value, where, dialect)
    elif attribute.has_value:
        value = quirks.element(value, where, dialect)
        if attribute.name == "roles":
            value = quirks.role(value, where, dialect)
    if value is None or value == [] or value == {}:
        return None
    if not isinstance(value, dict):
        raise _wrong(where, "an object", value)
    found: Document = {}
    for key, item in value.items():
        sub = attribute.sub(key)
        if sub is None or sub.read_only:
            continue
        if sub.is_text and isinstance(item, str) and sub.name not in found:
            found[sub.name] = item  # most values are plain strings, and stay as they are
        else:
            _put(found, sub.name, read_value(sub, item, f"{where}.{sub.name}", dialect), key)
    for sub in attribute.required_subs:
        if sub.name not in found:
            raise invalid_value(f"{where}.{sub.name} is required")
    return found or None


def arrange(found: Document, resource_type: ResourceType) -> Document:
    """A document in canonical order with its `schemas`, its required attributes and its `primary` checked.

    Raises ScimError invalidValue for a required attribute that is missing and for more than one primary.
    """
    arranged: Document = {"schemas": [resource_type.core.id]}
    for name in ("id", "externalId"):
        if name in found:
            arranged[name] = found[name]
    _arrange_attributes(found, arranged, resource_type.core, "")
    for extension in resource_type.extensions.values():
        inner = found.get(extension.id)
        if inner:
            arranged["schemas"].append(extension.id)
            arranged[extension.id] = _arrange_attributes(inner, {}, extension, extension.id + ":")
        elif extension.id in resource_type.required_extensions:
            raise invalid_value(f"the extension {extension.id} is required")
    if "meta" in found:
        arranged["meta"] = found["meta"]
    return arranged


def _arrange_attributes(found: Document, arranged: Document, schema: Schema, prefix: str) -> Document:
    for attribute in schema.attributes.values():
        value = found.get(attribute.name)
        if not value and not is_assigned(value):
            if attribute.required and not attribute.read_only:
                raise invalid_value(f"{prefix}{attribute.name} is required")
            continue
        if isinstance(value, list) and attribute.is_complex:
            check_primary(value, prefix + attribute.name)
        arranged[attribute.name] = value
    return arranged


def check_primary(elements: list[Any], where: str) -> None:
    """At most one element may be primary (RFC 7643 section 2.4)."""
    if len(elements) > 1 and sum(1 for item in elements if item.get("primary") is True) > 1:
        raise invalid_value(f"{where}: at most one element may be primary")


def keep_immutable(current: Document, incoming: Document, resource_type: ResourceType) -> Document:
    """What PUT makes of immutable attributes: kept where left out, an error where changed (RFC 7644 section 3.5.1)."""
    for extension, attribute in resource_type.attributes():
        if attribute.mutability != "immutable":
            continue
        before, after = (doc if extension is None else doc.get(extension, {}) for doc in (current, incoming))
        if attribute.name not in before:
            continue
        if attribute.name in after and after[attribute.name] != before[attribute.name]:
            raise mutability(f"{attribute.name} is immutable and has a value")
        holder = incoming if extension is None else incoming.setdefault(extension, {})
        holder[attribute.name] = before[attribute.name]
    return arrange(incoming, resource_type)


def kind(value: Json) -> str:
    """What a JSON value is, in words for an error."""
    if value is None:
        return "null"
    names = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "an array",
        dict: "an object",
    }
    return names[type(value)]


def _wrong(where: str, wanted: str, value: Json) -> ScimError:
    return invalid_value(f"{where} must be {wanted}, and is {kind(value)}")


def _put(found: Document, name: str, value: Json, key: str) -> None:
    if name in found:
        raise invalid_syntax(f"{name} is given twice, the second time as {key[:100]!r}")
    if value is not None:
        found[name] = value
