"""A workspace's own schemas and resource types (RFC 7643 sections 6 and 7).

Reads and checks their definitions, and builds the registry of the workspace.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from muster.scim.document import json_type
from muster.scim.errors import ScimError, invalid_syntax, invalid_value
from muster.scim.schema.model import (
    ENTERPRISE_USER,
    Attribute,
    Registry,
    ResourceType,
    Schema,
    registry,
)
from muster.scim.values import Json

MAX_SCHEMAS = 50
MAX_TYPES = 20
MAX_ATTRIBUTES = 200
MAX_TEXT = 2000
URN = re.compile(r"urn:[A-Za-z0-9][A-Za-z0-9-]{0,31}:[A-Za-z0-9()+,.:=@;$_!*'-]{1,200}")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_$-]{0,63}")
ENDPOINT = re.compile(r"/[A-Za-z][A-Za-z0-9_-]{0,63}")
_RESERVED_NAMES = frozenset({"schemas", "id", "externalid", "meta"})
_RESERVED_ENDPOINTS = frozenset(
    {"/me", "/bulk", "/serviceproviderconfig", "/resourcetypes", "/schemas"}
)
ATTRIBUTE_TYPES = (
    "string",
    "boolean",
    "decimal",
    "integer",
    "dateTime",
    "binary",
    "reference",
    "complex",
)
CHOICES = {
    "mutability": ("readWrite", "readOnly", "immutable", "writeOnly"),
    "returned": ("default", "always", "request", "never"),
    "uniqueness": ("none", "server"),
}
_MESSAGES = "urn:ietf:params:scim:api:messages:"
_FIRST = {"mutability": "readWrite", "returned": "default", "uniqueness": "none"}
_FLAGS = ("multiValued", "required", "caseExact")


@dataclass(frozen=True, slots=True)
class CustomSchema:
    """A schema of a workspace.

    Attributes:
        definition: The complete definition, as /Schemas answers it.
        extends: The names of the resource types that it extends.
        required: Whether it is a required extension.
        indexed: The paths of its indexed attributes.
        ready: Whether the index is complete, so that searches may use it.
    """

    definition: dict[str, Any]
    extends: tuple[str, ...] = ()
    required: bool = False
    indexed: tuple[str, ...] = ()
    ready: bool = True

    @property
    def id(self) -> str:
        urn: str = self.definition["id"]
        return urn

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "CustomSchema":
        """Restore a schema from its stored form."""
        return cls(
            stored["definition"],
            tuple(stored["extends"]),
            stored["required"],
            tuple(stored["indexed"]),
            stored["ready"],
        )

    def to_json(self) -> dict[str, Any]:
        """Return the form in which the schema is stored."""
        return {
            "definition": self.definition,
            "extends": list(self.extends),
            "required": self.required,
            "indexed": list(self.indexed),
            "ready": self.ready,
        }


def read_schema(raw: Json, base: Registry) -> CustomSchema:
    """Read a schema that an administrator defines.

    The format is that of RFC 7643 section 7, with `extends`, `required` and, on attributes,
    `indexed` in addition. Omitted characteristics have the defaults of the RFC.

    Args:
        raw: The parsed body.
        base: The registry of the workspace without the schema.

    Raises:
        ScimError: invalidSyntax, invalidValue or uniqueness, with the name of the member.
    """
    if not isinstance(raw, dict):
        raise invalid_syntax(f"body: expected a JSON object, got {json_type(raw)}")
    urn = raw.get("id")
    if not isinstance(urn, str) or not URN.fullmatch(urn):
        raise invalid_value(
            "id: expected a URN such as urn:example:params:scim:schemas:extension:badge:2.0:User"
        )
    if urn.lower() in registry().schemas or urn.lower().startswith(_MESSAGES):
        raise invalid_value(f"id: {urn!r} is reserved by RFC 7643 or RFC 7644")
    if urn.lower() in base.schemas:
        raise ScimError(409, f"id: this workspace already has a schema {urn!r}", "uniqueness")
    extends = raw.get("extends", [])
    types = {item.name: item for item in base.types.values()}
    if not isinstance(extends, list) or not all(
        isinstance(name, str) and name in types for name in extends
    ):
        raise invalid_value(
            f"extends: expected an array of names of resource types: {', '.join(types)}"
        )
    attributes = raw.get("attributes")
    if not isinstance(attributes, list) or not attributes:
        raise invalid_value("attributes: expected an array with at least one attribute")
    reserved = frozenset() if extends else _RESERVED_NAMES
    indexed: list[str] = []
    definition = {
        "id": urn,
        "name": _text(raw, "name", "", required=True),
        "description": _text(raw, "description", ""),
        "attributes": _attributes(attributes, "", reserved, indexed, nested=False),
    }
    return CustomSchema(
        definition,
        tuple(dict.fromkeys(extends)),
        _flag(raw, "required", ""),
        tuple(indexed),
        not indexed,
    )


def _attributes(
    raw: list[Json], where: str, reserved: frozenset[str], indexed: list[str], nested: bool
) -> list[dict[str, Any]]:
    if len(raw) > MAX_ATTRIBUTES:
        raise invalid_value(f"{where or 'attributes'}: the limit is {MAX_ATTRIBUTES} attributes")
    seen = set(reserved)
    made = []
    for index, item in enumerate(raw):
        place = f"{where}attributes[{index}]" if not nested else f"{where}[{index}]"
        attribute = _attribute(item, place, indexed, nested)
        if attribute["name"].lower() in seen:
            raise invalid_value(f"{place}: another attribute has the name {attribute['name']!r}")
        seen.add(attribute["name"].lower())
        made.append(attribute)
    return made


def _attribute(raw: Json, where: str, indexed: list[str], nested: bool) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise invalid_value(f"{where}: expected an object, got {json_type(raw)}")
    name, of_type = raw.get("name"), raw.get("type", "string")
    if not isinstance(name, str) or not (NAME.fullmatch(name) or (nested and name == "$ref")):
        raise invalid_value(
            f"{where}.name: expected a letter, followed by at most 63 letters, digits, - and _"
        )
    where = f"{where} ({name})"
    if of_type not in ATTRIBUTE_TYPES or (nested and of_type == "complex"):
        raise invalid_value(
            f"{where}.type: expected one of"
            f" {', '.join(ATTRIBUTE_TYPES[:-1] if nested else ATTRIBUTE_TYPES)}"
        )
    made = {"name": name, "type": of_type, "description": _text(raw, "description", where)}
    made |= {flag: _flag(raw, flag, where) for flag in _FLAGS}
    for characteristic, choices in CHOICES.items():
        value = raw.get(characteristic, _FIRST[characteristic])
        if value not in choices:
            raise invalid_value(f"{where}.{characteristic}: expected one of {', '.join(choices)}")
        made[characteristic] = value
    for listed in ("canonicalValues", "referenceTypes"):
        if raw.get(listed):
            made[listed] = _texts(raw[listed], f"{where}.{listed}")
    if of_type == "complex":
        subs = raw.get("subAttributes")
        if not isinstance(subs, list) or not subs:
            raise invalid_value(
                f"{where}.subAttributes: expected an array with at least one attribute"
            )
        made["subAttributes"] = _attributes(
            subs, f"{where}.subAttributes", frozenset(), [], nested=True
        )
        _check_secret_subs(made, where)
    if made["uniqueness"] != "none" and (
        nested or made["multiValued"] or of_type not in ("string", "reference")
    ):
        raise invalid_value(
            f"{where}.uniqueness: only a single-valued top-level string can be unique"
        )
    if _is_secret(made):
        _check_secret(made, raw, where, nested)
    if _flag(raw, "indexed", where):
        if nested or of_type not in ("string", "reference", "dateTime"):
            raise invalid_value(
                f"{where}.indexed: only a top-level string, reference or dateTime can be indexed"
            )
        indexed.append(name)
    return made


def check_definition(raw: dict[str, Any], where: str, nested: bool) -> None:
    """Check the definition of one attribute, which may lack its sub-attributes.

    Args:
        raw: The definition.
        where: Its position, with which errors begin.
        nested: Whether it is a sub-attribute.

    Raises:
        ScimError: invalidValue.
    """
    if raw.get("type") == "complex" and not raw.get("subAttributes"):
        raw = {**raw, "subAttributes": [{"name": "value"}]}
    _attribute(raw, where, [], nested)


def _check_secret(made: dict[str, Any], raw: dict[str, Any], where: str, nested: bool) -> None:
    """Check an attribute that is never returned.

    It is stored as a hash, so it cannot be compared, searched or checked for changes.
    """
    if made["type"] == "complex":
        raise invalid_value(
            f"{where}: a complex attribute cannot be writeOnly or never returned; declare this for"
            " its sub-attributes"
        )
    if made["mutability"] not in ("readWrite", "writeOnly"):
        raise invalid_value(
            f"{where}.mutability: expected readWrite or writeOnly, because the attribute is never"
            " returned"
        )
    if made["uniqueness"] != "none" or raw.get("indexed"):
        raise invalid_value(
            f"{where}: an attribute that is never returned cannot be unique or indexed"
        )
    if nested and made["required"]:
        raise invalid_value(
            f"{where}.required: a sub-attribute that is never returned cannot be required, because"
            " a PATCH cannot determine whether it has a value"
        )


def _check_secret_subs(made: dict[str, Any], where: str) -> None:
    """Check a complex attribute with sub-attributes that are never returned."""
    secret = [sub["name"] for sub in made["subAttributes"] if _is_secret(sub)]
    if not secret:
        return
    if made["mutability"] == "immutable":
        raise invalid_value(
            f"{where}.mutability: an immutable attribute cannot have sub-attributes that are never"
            " returned"
        )
    if made["required"] and len(secret) == len(made["subAttributes"]):
        raise invalid_value(
            f"{where}.required: a required attribute needs a sub-attribute that is returned"
        )
    if made["multiValued"]:
        reserved = sorted({"value", "type", "primary", "$ref"} & {name.lower() for name in secret})
        if reserved:
            raise invalid_value(
                f"{where}: {reserved[0]} identifies elements, so it must be returned"
            )
        if len(secret) == len(made["subAttributes"]):
            raise invalid_value(
                f"{where}: elements need a sub-attribute that is returned, which identifies them"
            )


def _is_secret(made: dict[str, Any]) -> bool:
    return bool(made["returned"] == "never" or made["mutability"] == "writeOnly")


def _text(raw: dict[str, Any], name: str, where: str, required: bool = False) -> str:
    value = raw.get(name, "")
    if not isinstance(value, str) or len(value) > MAX_TEXT or (required and not value.strip()):
        raise invalid_value(
            f"{where}{'.' if where else ''}{name}: expected a string of at most {MAX_TEXT:,}"
            " characters"
        )
    return value


def _flag(raw: dict[str, Any], name: str, where: str) -> bool:
    value = raw.get(name, False)
    if not isinstance(value, bool):
        raise invalid_value(f"{where}{'.' if where else ''}{name}: expected a boolean")
    return value


def _texts(value: Json, where: str) -> list[str]:
    if (
        not isinstance(value, list)
        or len(value) > MAX_ATTRIBUTES
        or not all(isinstance(item, str) for item in value)
    ):
        raise invalid_value(f"{where}: expected an array of strings")
    return value


def read_type(raw: Json, among: Registry) -> dict[str, Any]:
    """Read a resource type that an administrator defines (RFC 7643 section 6).

    Args:
        raw: The parsed body.
        among: The registry of the workspace, with the schemas that the type names.

    Raises:
        ScimError: invalidSyntax, invalidValue or uniqueness, with the name of the member.
    """
    if not isinstance(raw, dict):
        raise invalid_syntax(f"body: expected a JSON object, got {json_type(raw)}")
    name, endpoint = raw.get("name"), raw.get("endpoint")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise invalid_value(
            "name: expected a letter, followed by at most 63 letters, digits, - and _"
        )
    if (
        not isinstance(endpoint, str)
        or not ENDPOINT.fullmatch(endpoint)
        or endpoint.lower() in _RESERVED_ENDPOINTS
    ):
        raise invalid_value("endpoint: expected an unused path such as /Devices")
    for taken in among.types.values():
        if taken.name.lower() == name.lower() or taken.endpoint.lower() == endpoint.lower():
            raise ScimError(
                409,
                f"The resource type {taken.name} at {taken.endpoint} already exists.",
                "uniqueness",
            )
    schema = _schema_named(raw.get("schema"), "schema", among)
    extensions = raw.get("schemaExtensions", [])
    if not isinstance(extensions, list) or not all(isinstance(item, dict) for item in extensions):
        raise invalid_value("schemaExtensions: expected an array of objects")
    return {
        "name": name,
        "endpoint": endpoint,
        "description": _text(raw, "description", ""),
        "schema": schema,
        "schemaExtensions": [
            {
                "schema": _schema_named(
                    item.get("schema"), f"schemaExtensions[{index}].schema", among
                ),
                "required": _flag(item, "required", f"schemaExtensions[{index}]"),
            }
            for index, item in enumerate(extensions)
        ],
    }


def _schema_named(urn: Json, where: str, among: Registry) -> str:
    base_schemas = registry().schemas
    found = among.schemas.get(urn.lower()) if isinstance(urn, str) else None
    if found is None or (found.id.lower() in base_schemas and found.id != ENTERPRISE_USER):
        raise invalid_value(f"{where}: expected the id of a schema of this workspace")
    return found.id


def extended(
    base: Registry,
    schemas: Sequence[CustomSchema],
    types: Iterable[dict[str, Any]],
    unique_group_names: bool,
) -> Registry:
    """Build the registry of a workspace.

    Args:
        base: The registry of the RFCs.
        schemas: The workspace's own schemas.
        types: The definitions of its own resource types.
        unique_group_names: Whether no two groups may have the same displayName.
    """
    known = base.schemas | {
        schema.id.lower(): Schema.from_json(schema.definition) for schema in schemas
    }
    own = {schema.id.lower(): schema for schema in schemas}
    made = dict(base.types)
    common = next(iter(base.types.values())).common
    for raw in types:
        core, extensions = raw["schema"].lower(), raw["schemaExtensions"]
        if core in known:
            made[raw["endpoint"]] = ResourceType(
                name=raw["name"],
                endpoint=raw["endpoint"],
                description=raw["description"],
                core=known[core],
                common=common,
                extensions={
                    e["schema"].lower(): known[e["schema"].lower()]
                    for e in extensions
                    if e["schema"].lower() in known
                },
                required_extensions=frozenset(e["schema"] for e in extensions if e["required"]),
                indexed=("externalId", "meta.lastModified"),
                mail_domains=(),
            )
    return Registry(
        {endpoint: _with(item, own, known, unique_group_names) for endpoint, item in made.items()},
        known,
    )


def _with(
    resource_type: ResourceType,
    own: dict[str, CustomSchema],
    known: dict[str, Schema],
    unique_group_names: bool,
) -> ResourceType:
    """Add to a resource type the schemas that extend it, and their indexes."""
    more = {urn: known[urn] for urn, schema in own.items() if resource_type.name in schema.extends}
    required = frozenset(known[urn].id for urn in more if own[urn].required)
    extensions = resource_type.extensions | more
    indexed, building, constrained = (
        list(resource_type.indexed),
        list(resource_type.building),
        list(resource_type.constrained),
    )
    for urn in (resource_type.core.id.lower(), *extensions):
        if urn in own:
            prefix = "" if urn == resource_type.core.id.lower() else f"{known[urn].id}:"
            (indexed if own[urn].ready else building).extend(
                prefix + name for name in own[urn].indexed
            )
            constrained.extend(
                prefix + attribute.name for attribute in unique_attributes(known[urn])
            )
    if unique_group_names and resource_type.computed == "members":
        constrained.append("displayName")
    changed = (tuple(indexed), tuple(building), tuple(constrained))
    if not more and changed == (
        resource_type.indexed,
        resource_type.building,
        resource_type.constrained,
    ):
        return resource_type
    return replace(
        resource_type,
        extensions=extensions,
        required_extensions=resource_type.required_extensions | required,
        indexed=changed[0],
        building=changed[1],
        constrained=changed[2],
    )


def unique_attributes(schema: Schema) -> Iterator[Attribute]:
    """Return the attributes of a schema whose values are unique."""
    return (attribute for attribute in schema.attributes.values() if attribute.uniqueness != "none")
