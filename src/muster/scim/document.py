"""Reading a client's document against its schema, into the canonical form that is stored (RFC 7643 sections 2 and 3)."""

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
    """Read a document that a client POSTs or PUTs into its canonical form.

    Attributes that no schema defines and readOnly ones are left out; names take the schema's spelling; null, [] and {} are
    unassigned. A value of a known attribute that names nothing known is an error.

    Args:
        document: The parsed body.
        resource_type: The type of the endpoint.
        dialect: How to read the client.
        among: The registry of the workspace, to recognise schemas of other resource types; by default the RFCs' own.

    Raises:
        ScimError: invalidSyntax or invalidValue that names the attribute.
    """
    if not isinstance(document, dict):
        raise invalid_syntax(f"the body must be a JSON object, and is {kind(document)}")
    check_schemas(document, resource_type, dialect, among or registry())
    found: Document = {}
    taken = _taken(resource_type)
    for key, value in document.items():
        member = taken.get(key) or taken.get(key.lower())
        if isinstance(member, Attribute):
            _put(found, member.name, _read_member(member, value, "", dialect), key)
        elif member is not None:
            _put(found, member.id, read_extension(member, value, dialect), key)
    _check_required_secrets(found, resource_type)
    return arrange(found, resource_type)


def mentions(document: Json, name: str, empty: bool = False) -> bool:
    """Whether a client's document gives a top-level attribute, in any case, a value other than null.

    empty: whether an empty array counts as a value.
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
def _taken(resource_type: ResourceType) -> dict[str, Attribute | Schema]:
    """What is taken from a client's document, by name in lower case and as the schema spells it."""
    taken: dict[str, Attribute | Schema] = {}
    for attribute in (
        *resource_type.common.attributes.values(),
        *resource_type.core.attributes.values(),
    ):
        if not attribute.read_only and attribute.name not in _MANAGED:
            taken[attribute.name] = taken[attribute.name.lower()] = attribute
    for schema in resource_type.extensions.values():
        taken[schema.id] = taken[schema.id.lower()] = schema
    return taken


def check_schemas(
    document: Document, resource_type: ResourceType, dialect: Dialect, among: Registry
) -> None:
    """Check a client's `schemas` against the resource type. The stored ones are derived from the document.

    Raises:
        ScimError: invalidValue if they are those of another resource type, and in strict workspaces if one is unknown;
            invalidSyntax in strict workspaces if the type's own is missing.
    """
    given = document.get("schemas")
    if given is None:
        given = next((value for key, value in document.items() if key.lower() == "schemas"), None)
    if given is None:
        given = []
    if isinstance(given, list):
        check_elements("schemas", given, "schemas", dialect.max_elements)
    if not (isinstance(given, list) and all(isinstance(item, str) for item in given)):
        raise invalid_value("schemas must be an array of strings")
    core = any(resource_type.is_core(urn) for urn in given)
    for urn in given:
        if resource_type.is_core(urn):
            continue
        if not core and resource_type.extension(urn) is None and urn.lower() in among.schemas:
            raise invalid_value(
                f"schemas: {urn} is not a schema of {resource_type.name}; send {resource_type.core.id}"
            )
        if resource_type.extension(urn) is None:
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
            _put(
                found,
                attribute.name,
                _read_member(attribute, item, f"{extension.id}:", dialect),
                key,
            )
    return found or None


def _read_member(attribute: Attribute, value: Json, prefix: str, dialect: Dialect) -> Json:
    """read_value, for errors under a prefix and the attribute's name. Most values are plain strings, and stay as they are."""
    if attribute.is_text and isinstance(value, str):
        return value
    return read_value(attribute, value, f"{prefix}{attribute.name}", dialect)


def read_value(attribute: Attribute, value: Json, where: str, dialect: Dialect) -> Json:
    """The canonical form of an attribute's value, or None where it is unassigned. where: the name for errors."""
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
    """The canonical elements of a multi-valued attribute, each combination of `value` and `type` once.

    Raises:
        ScimError: invalidValue if an element has no value, or none that the schema knows: it must never be taken for
            "no element".
    """
    values = dialects.elements(values, where, dialect)
    check_elements(attribute.name, values, where, dialect.max_elements)
    found = []
    for index, item in enumerate(values):
        if attribute.named_by_value and dialects.has_blank_value(item) and len(values) > 1:
            continue
        element = read_one(attribute, item, f"{where}[{index}]", dialect)
        if (
            element is None
            or element == ""
            or (attribute.named_by_value and dialects.has_blank_value(element))
        ):
            raise invalid_value(f"{where}[{index}] names no value: {_known(attribute)}")
        found.append(element)
    if len(found) < len(values):
        dialect.take("value-blank", where)
    if not found:
        raise invalid_value(f"{where} names no value: {_known(attribute)}")
    found = distinct(attribute, found)
    return (
        found
        if len(found) < 2 or not attribute.is_complex
        else one_primary(attribute, found, where, dialect)
    )


def _known(attribute: Attribute) -> str:
    if not attribute.is_complex:
        return f"give a {attribute.type}"
    return f"give at least one of {', '.join(sub.name for sub in attribute.sub_attributes.values() if not sub.read_only)}"


def read_one(attribute: Attribute, value: Json, where: str, dialect: Dialect) -> Json:
    """The canonical form of one value, or None where it is unassigned."""
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
                raise _wrong(where, "a boolean", value)
        case "integer":
            if (
                isinstance(value, bool)
                or not isinstance(value, int)
                or not -(2**63) <= value < 2**63
            ):
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


def check_required_subs(attribute: Attribute, value: Document, where: str) -> None:
    """Raises ScimError invalidValue if a complex value lacks a required sub-attribute."""
    for sub in attribute.required_subs:
        if sub.name not in value:
            raise invalid_value(f"{where}.{sub.name} is required")


def read_partial(
    attribute: Attribute, value: Json, where: str, dialect: Dialect
) -> tuple[Document, list[str]] | None:
    """Read a value of a complex attribute that may leave out sub-attributes, required ones included.

    Returns:
        The sub-attributes that it assigns, and the names of those that it gives as null. None for a value that is null
        or stands for null.

    Raises:
        ScimError: invalidValue, also for an object in which the schema knows no key.
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
        raise _wrong(where, "an object", value)
    known = not value
    for key, item in value.items():
        sub = attribute.sub(key)
        if sub is None:
            continue
        known = True
        if sub.read_only:
            continue
        if sub.is_text and isinstance(item, str) and sub.name not in found:
            found[sub.name] = item  # most values are plain strings, and stay as they are
            continue
        read_item = read_value(sub, item, f"{where}.{sub.name}", dialect)
        _put(found, sub.name, read_item, key)
        if read_item is None:
            cleared.append(sub.name)
    if not known:
        raise invalid_value(f"{where} names no value: {_known(attribute)}")
    if attribute.has_value and not attribute.multi_valued and is_blank(found.get("value")):
        dialect.take("manager-blank", where)
        return None
    return found, cleared


def is_blank(value: Json) -> bool:
    """Whether a value is a string without characters, which some clients send for null."""
    return isinstance(value, str) and not value.strip()


def arrange(
    found: Document, resource_type: ResourceType, without: Set[str] = frozenset()
) -> Document:
    """Put a document in canonical order, with its `schemas` and defaults; check its required attributes and `primary`.

    Args:
        found: The canonical attributes.
        resource_type: The type of the resource.
        without: Core attributes that get no default, since the client removed them just now.

    Raises:
        ScimError: invalidValue for a required attribute that is missing and for more than one primary.
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
            raise invalid_value(f"the extension {extension.id} is required")
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
    """The document of a PUT with the immutable values of the current one (RFC 7644 section 3.5.1).

    Neither document is changed.

    Raises:
        ScimError: mutability if an immutable attribute or sub-attribute that has a value is given another one.
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
        value = _kept(attribute, before[attribute.name], after.get(attribute.name))
        if value is None or value == after.get(attribute.name):
            continue
        if extension is None:
            found[attribute.name] = value
        else:
            found[extension] = {**after, attribute.name: value}
    return arrange(found, resource_type)


def _kept(attribute: Attribute, before: Json, after: Json) -> Json:
    """The value of an attribute after a PUT, where it or some of its sub-attributes are immutable; None for none."""
    if attribute.mutability == "immutable":
        if after is not None and not same_value(attribute, after, before):
            raise mutability(f"{attribute.name} is immutable and has a value")
        return before
    if attribute.multi_valued or after is None:
        return after
    kept = dict(after)
    for sub in attribute.immutable_subs:
        if sub.name in before:
            if sub.name in after and not same_value(sub, after[sub.name], before[sub.name]):
                raise mutability(f"{attribute.name}.{sub.name} is immutable and has a value")
            kept[sub.name] = before[sub.name]
    return kept


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
