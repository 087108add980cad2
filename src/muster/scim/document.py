"""Reads clients' documents into canonical form (RFC 7643 sections 2 and 3).

The canonical form is the one that is stored. Names have the spelling of the schema, values have its
types, unassigned attributes are absent, `schemas` lists exactly the extensions that have values,
and the attributes are in the order of the schema. Equal resources have equal canonical forms, so a
PUT that changes nothing is recognised by comparing two dicts.
"""

from collections.abc import Set
from functools import lru_cache

from muster.scim import dialects
from muster.scim.bounds import check_elements
from muster.scim.dialects import Dialect
from muster.scim.elements import distinct
from muster.scim.errors import ScimError, invalid_syntax, invalid_value, mutability
from muster.scim.filter.evaluate import same_value
from muster.scim.primary import check_primary, one_primary
from muster.scim.schema.model import (
    Attribute,
    Registry,
    ResourceType,
    Schema,
    registry,
    secret_places,
)
from muster.scim.values import Json, is_assigned, is_base64, sortable_date_time

Document = dict[str, Json]
_MANAGED = frozenset({"schemas", "id", "meta"})
_UNASSIGNED: tuple[Document, list[str]] = ({}, [])


def read(
    document: Json, resource_type: ResourceType, dialect: Dialect, among: Registry | None = None
) -> Document:
    """Read the document of a POST or PUT into its canonical form.

    Unknown and readOnly attributes are ignored. null, [] and {} are unassigned. A value of a known
    attribute in which nothing is known, such as `"emails": [{"mail": "x"}]`, is an error, not an
    empty value.

    Args:
        document: The parsed body.
        resource_type: The type of the endpoint.
        dialect: The dialect of the client.
        among: The registry of the workspace, to recognise the schemas of other resource types; by
            default that of the RFCs.

    Raises:
        ScimError: invalidSyntax or invalidValue, with the name of the attribute.
    """
    if not isinstance(document, dict):
        raise invalid_syntax(f"body: expected a JSON object, got {json_type(document)}")
    check_schemas(document, resource_type, dialect, among or registry())
    found: Document = {}
    members = _writable_members(resource_type)
    for key, value in document.items():
        member = members.get(key) or members.get(key.lower())
        if isinstance(member, Attribute):
            _assign(found, member.name, _read_member(member, value, "", dialect), key)
        elif member is not None:
            _assign(found, member.id, read_extension(member, value, dialect), key)
        elif dialect.interop and resource_type.top(key) is None and key.lower() not in _MANAGED:
            dialect.ignore(key)
    _check_required_secrets(found, resource_type)
    return arrange(found, resource_type)


def mentions(document: Json, name: str, empty: bool = False) -> bool:
    """Return whether a document has a top-level attribute that is not null.

    Args:
        document: The parsed body.
        name: The name of the attribute, in any case.
        empty: Whether an empty array counts as a value.
    """
    return isinstance(document, dict) and any(
        key.lower() == name.lower() and value is not None and (empty or value != [])
        for key, value in document.items()
    )


def _check_required_secrets(found: Document, resource_type: ResourceType) -> None:
    for place in secret_places(resource_type):
        attribute = place.attribute
        if attribute is not None and attribute.required:
            holder = found if place.schema is None else found.get(place.schema)
            if holder is not None and attribute.name not in holder:
                raise invalid_value(f"{place.name} is required")


@lru_cache(maxsize=1024)
def _writable_members(resource_type: ResourceType) -> dict[str, Attribute | Schema]:
    """Return the attributes and extensions that a client may write.

    They are keyed by their names as the schema spells them and in lower case.
    """
    members: dict[str, Attribute | Schema] = {}
    for attribute in (
        *resource_type.common.attributes.values(),
        *resource_type.core.attributes.values(),
    ):
        if not attribute.read_only and attribute.name not in _MANAGED:
            members[attribute.name] = members[attribute.name.lower()] = attribute
    for schema in resource_type.extensions.values():
        members[schema.id] = members[schema.id.lower()] = schema
    return members


def check_schemas(
    document: Document, resource_type: ResourceType, dialect: Dialect, among: Registry
) -> None:
    """Check `schemas` of a client's document against the resource type.

    They are only checked; the stored `schemas` are derived from the document.

    Raises:
        ScimError: invalidValue for the schemas of another resource type, and in strict workspaces
            for unknown ones; invalidSyntax in strict workspaces if the core schema is missing.
    """
    given = document.get("schemas")
    if given is None:
        given = next((value for key, value in document.items() if key.lower() == "schemas"), None)
    if given is None:
        given = []
    if isinstance(given, list):
        check_elements("schemas", given, "schemas", dialect.max_elements)
    if not (isinstance(given, list) and all(isinstance(item, str) for item in given)):
        raise invalid_value("schemas: expected an array of strings")
    core = any(resource_type.is_core(urn) for urn in given)
    for urn in given:
        if resource_type.is_core(urn):
            continue
        if not core and resource_type.extension(urn) is None and urn.lower() in among.schemas:
            raise invalid_value(
                f"schemas: {urn} is not a schema of {resource_type.name}; send"
                f" {resource_type.core.id}"
            )
        if resource_type.extension(urn) is None:
            dialect.ignore(urn, "schemas: ")
            dialect.take("unknown-schema", f"schemas: {urn[:200]!r}")
    if not core:
        dialect.take("schemas-missing", f"schemas: {resource_type.core.id} is missing")


def read_extension(extension: Schema, value: Json, dialect: Dialect) -> Json:
    """Return the canonical form of an extension; None if it is unassigned."""
    if not is_assigned(value):
        return None
    if not isinstance(value, dict):
        raise invalid_value(f"{extension.id}: expected an object, got {json_type(value)}")
    found: Document = {}
    for key, item in value.items():
        attribute = extension.attribute(key)
        if attribute is None:
            dialect.ignore(key, f"{extension.id}:")
        elif not attribute.read_only:
            _assign(
                found,
                attribute.name,
                _read_member(attribute, item, f"{extension.id}:", dialect),
                key,
            )
    return found or None


def _read_member(attribute: Attribute, value: Json, prefix: str, dialect: Dialect) -> Json:
    """Read a value as `read_value` does, with a quick path for plain strings."""
    if attribute.is_text and isinstance(value, str):
        return value
    return read_value(attribute, value, f"{prefix}{attribute.name}", dialect)


def read_value(attribute: Attribute, value: Json, where: str, dialect: Dialect) -> Json:
    """Return the canonical form of an attribute's value; None if it is unassigned.

    Args:
        attribute: The attribute.
        value: The value in the request.
        where: The name of the attribute in errors.
        dialect: The dialect of the client.
    """
    if not attribute.multi_valued:
        return read_one(
            attribute, dialects.single(value, attribute.is_complex, where, dialect), where, dialect
        )
    if value is None or value == []:
        return None
    if attribute.named_by_value and dialects.is_template(value, where, dialect):
        return None
    return read_elements(attribute, value, where, dialect)


def read_elements(attribute: Attribute, values: Json, where: str, dialect: Dialect) -> list[Json]:
    """Return the canonical elements of a multi-valued attribute, without duplicates.

    An element that holds nothing known to the schema must not be read as "no element": a replace
    would then clear the attribute.

    Raises:
        ScimError: invalidValue, if an element is empty.
    """
    values = dialects.elements(values, where, dialect)
    check_elements(attribute.name, values, where, dialect.max_elements)
    found = []
    named = attribute.named_by_value
    for index, item in enumerate(values):
        if named and len(values) > 1 and dialects.has_blank_value(item):
            continue
        element = read_one(attribute, item, f"{where}[{index}]", dialect)
        if (not element and element in (None, "")) or (named and _has_blank_value(element)):
            raise invalid_value(f"{where}[{index}]: the value is empty; {_hint(attribute)}")
        found.append(element)
    if len(found) < len(values):
        dialect.take("value-blank", where)
    if not found:
        raise invalid_value(f"{where}: the value is empty; {_hint(attribute)}")
    found = distinct(attribute, found)
    return (
        found
        if len(found) < 2 or not attribute.is_complex
        else one_primary(attribute, found, where, dialect)
    )


def _has_blank_value(element: Json) -> bool:
    """Return whether the `value` of a canonical element is blank."""
    value = element.get("value")
    return isinstance(value, str) and not value.strip()


def _hint(attribute: Attribute) -> str:
    if not attribute.is_complex:
        return f"send a {attribute.type}"
    names = (sub.name for sub in attribute.sub_attributes.values() if not sub.read_only)
    return f"send at least one of {', '.join(names)}"


def read_one(attribute: Attribute, value: Json, where: str, dialect: Dialect) -> Json:
    """Return the canonical form of one value or element; None if it is unassigned."""
    if attribute.is_complex:
        found = (read_partial(attribute, value, where, dialect) or _UNASSIGNED)[0]
        if found:
            check_required_subs(attribute, found, where)
        return found or None
    if attribute.multi_valued:
        value = dialects.simple_element(value, where, dialect)
    if value is None or value == []:
        return None
    match attribute.type:
        case "boolean":
            value = dialects.boolean(value, where, dialect)
            if not isinstance(value, bool):
                raise _type_error(where, "a boolean", value)
        case "integer":
            if (
                isinstance(value, bool)
                or not isinstance(value, int)
                or not -(2**63) <= value < 2**63
            ):
                raise _type_error(where, "a 64-bit integer", value)
        case "decimal":
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise _type_error(where, "a number", value)
        case _:
            _check_string(attribute, value, where)
    return value


def _check_string(attribute: Attribute, value: Json, where: str) -> None:
    if not isinstance(value, str):
        raise _type_error(where, "a string", value)
    if attribute.type == "dateTime" and sortable_date_time(value) is None:
        raise invalid_value(f"{where}: expected a dateTime such as 2011-05-13T04:42:34Z")
    if attribute.type == "binary" and not is_base64(value):
        raise invalid_value(f"{where}: expected base64")
    if attribute.required and not value.strip():
        raise invalid_value(f"{where} is required and must not be blank")


def check_required_subs(attribute: Attribute, value: Document, where: str) -> None:
    """Check that a complex value has its required sub-attributes.

    Raises:
        ScimError: invalidValue.
    """
    for sub in attribute.required_subs:
        if sub.name not in value:
            raise invalid_value(f"{where}.{sub.name} is required")


def read_partial(
    attribute: Attribute, value: Json, where: str, dialect: Dialect
) -> tuple[Document, list[str]] | None:
    """Read a value of a complex attribute that may omit any sub-attributes.

    Returns:
        The sub-attributes that it assigns, and the names of those that it sets to null. None for
        null, or a value that means null in the dialect table.

    Raises:
        ScimError: invalidValue, also for an object without any known key.
    """
    if attribute.has_value and not attribute.multi_valued:
        value = dialects.reference_object(value, where, dialect)
    elif attribute.has_value:
        value = dialects.element(value, where, dialect)
        if attribute.name == "roles":
            value = dialects.role(value, where, dialect)
    found: Document = {}
    cleared: list[str] = []
    if value is None or value == []:
        return None
    if not isinstance(value, dict):
        raise _type_error(where, "an object", value)
    is_known = not value
    for key, item in value.items():
        sub = attribute.sub(key)
        if sub is None:
            dialect.ignore(key, f"{where}.")
            continue
        is_known = True
        if sub.read_only:
            continue
        if sub.is_text and isinstance(item, str) and sub.name not in found:
            found[sub.name] = item  # the quick path: most values are plain strings
            continue
        read_item = read_value(sub, item, f"{where}.{sub.name}", dialect)
        _assign(found, sub.name, read_item, key)
        if read_item is None:
            cleared.append(sub.name)
    if not is_known:
        raise invalid_value(f"{where}: none of its keys is known; {_hint(attribute)}")
    if attribute.has_value and not attribute.multi_valued and is_blank(found.get("value")):
        dialect.take("manager-blank", where)
        return None
    return found, cleared


def is_blank(value: Json) -> bool:
    """Return whether a value is a blank string, which some clients send for null."""
    return isinstance(value, str) and not value.strip()


def arrange(
    found: Document, resource_type: ResourceType, without: Set[str] = frozenset()
) -> Document:
    """Put a document into canonical order and add its `schemas` and defaults.

    Args:
        found: The canonical attributes.
        resource_type: The type of the resource.
        without: Core attributes that get no default, because the request removes them.

    Raises:
        ScimError: invalidValue, if a required attribute is missing or an attribute has two primary
            elements.
    """
    defaults = resource_type.defaults
    if without:
        defaults = {name: value for name, value in defaults.items() if name not in without}
    arranged: Document = {"schemas": [resource_type.core.id]}
    for name in ("id", "externalId"):
        if name in found:
            arranged[name] = found[name]
    _arrange_attributes(found, arranged, resource_type.core, "", defaults)
    for extension in resource_type.extensions.values():
        inner = found.get(extension.id)
        if inner:
            arranged["schemas"].append(extension.id)
            arranged[extension.id] = _arrange_attributes(
                inner, {}, extension, extension.id + ":", {}
            )
        elif extension.id in resource_type.required_extensions:
            raise invalid_value(f"{extension.id} is required")
    if "meta" in found:
        arranged["meta"] = found["meta"]
    return arranged


def _arrange_attributes(
    found: Document, arranged: Document, schema: Schema, prefix: str, defaults: Document
) -> Document:
    for attribute in schema.attributes.values():
        value = found.get(attribute.name)
        if not value and not is_assigned(value):
            if attribute.name in defaults:
                arranged[attribute.name] = defaults[attribute.name]
            elif attribute.required and not attribute.read_only and not attribute.secret:
                raise invalid_value(f"{prefix}{attribute.name} is required")
            continue
        if isinstance(value, list) and attribute.is_complex:
            check_primary(value, prefix + attribute.name)
        arranged[attribute.name] = value
    return arranged


def keep_immutable(current: Document, incoming: Document, resource_type: ResourceType) -> Document:
    """Keep the immutable values of a resource in a PUT (RFC 7644 section 3.5.1).

    Neither document is modified; the result is a new one.

    Raises:
        ScimError: mutability, if an immutable attribute or sub-attribute would change its value.
    """
    found = dict(incoming)
    for extension, attribute in resource_type.attributes():
        if attribute.mutability != "immutable" and not attribute.immutable_subs:
            continue
        before, after = (
            doc if extension is None else doc.get(extension, {}) for doc in (current, found)
        )
        if attribute.name not in before:
            continue
        value = _keep_immutable_value(attribute, before[attribute.name], after.get(attribute.name))
        if value is None or value == after.get(attribute.name):
            continue
        if extension is None:
            found[attribute.name] = value
        else:
            found[extension] = {**after, attribute.name: value}
    return arrange(found, resource_type)


def _keep_immutable_value(attribute: Attribute, before: Json, after: Json) -> Json:
    """Return the value of an attribute after a PUT, with its immutable parts kept."""
    if attribute.mutability == "immutable":
        if after is not None and not same_value(attribute, after, before):
            raise mutability(f"{attribute.name} is immutable and already has a value")
        return before
    if attribute.multi_valued or after is None:
        return after
    kept = dict(after)
    for sub in attribute.immutable_subs:
        if sub.name in before:
            if sub.name in after and not same_value(sub, after[sub.name], before[sub.name]):
                raise mutability(
                    f"{attribute.name}.{sub.name} is immutable and already has a value"
                )
            kept[sub.name] = before[sub.name]
    return kept


def json_type(value: Json) -> str:
    """Return the JSON type of a value with its article, for errors."""
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


def _type_error(where: str, expected: str, value: Json) -> ScimError:
    return invalid_value(f"{where}: expected {expected}, got {json_type(value)}")


def _assign(found: Document, name: str, value: Json, key: str) -> None:
    if name in found:
        raise invalid_syntax(f"{name} occurs twice, the second time as {key[:100]!r}")
    if value is not None:
        found[name] = value
