"""Schemas, attributes and resource types (RFC 7643 sections 6 and 7).

Names are looked up case-insensitively.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from muster.scim.values import Json

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE_USER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


@dataclass(frozen=True, slots=True)
class Attribute:
    """The definition of an attribute (RFC 7643 section 7).

    The attributes after `sub_attributes` are derived from the others.

    Attributes:
        secret: Its values are never returned; they are stored as hashes, outside the document.
        is_text: Any string is a canonical value of it.
        has_value: It has the sub-attribute `value`.
        named_by_value: Its elements are identified by their `value`, which cannot be blank. Members
            are not, since they may be identified by `$ref` instead.
        required_subs: The sub-attributes that a client must send.
        immutable_subs: The immutable sub-attributes.
        secret_subs: The sub-attributes that are secret.
    """

    name: str
    type: str
    multi_valued: bool = False
    description: str = ""
    required: bool = False
    canonical_values: tuple[str, ...] = ()
    case_exact: bool = False
    mutability: str = "readWrite"
    returned: str = "default"
    uniqueness: str = "none"
    reference_types: tuple[str, ...] = ()
    sub_attributes: dict[str, "Attribute"] = field(default_factory=dict)
    is_complex: bool = field(init=False)
    read_only: bool = field(init=False)
    secret: bool = field(init=False)
    is_text: bool = field(init=False)
    has_value: bool = field(init=False)
    named_by_value: bool = field(init=False)
    required_subs: "tuple[Attribute, ...]" = field(init=False)
    immutable_subs: "tuple[Attribute, ...]" = field(init=False)
    secret_subs: "tuple[Attribute, ...]" = field(init=False)

    def __post_init__(self) -> None:
        text = self.type in ("string", "reference") and not self.multi_valued and not self.required
        for name, value in (
            ("is_complex", self.type == "complex"),
            ("read_only", self.mutability == "readOnly"),
            ("secret", self.returned == "never" or self.mutability == "writeOnly"),
            ("is_text", text),
            ("has_value", "value" in self.sub_attributes),
            (
                "named_by_value",
                self.multi_valued and "value" in self.sub_attributes and self.name != "members",
            ),
            (
                "immutable_subs",
                tuple(sub for sub in self.sub_attributes.values() if sub.mutability == "immutable"),
            ),
            ("secret_subs", tuple(sub for sub in self.sub_attributes.values() if sub.secret)),
            (
                "required_subs",
                tuple(
                    sub
                    for sub in self.sub_attributes.values()
                    if sub.required and not sub.read_only
                ),
            ),
        ):
            # Computed once: these are read for every value, and a property would cost more.
            object.__setattr__(self, name, value)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "Attribute":
        """Build an attribute from its definition (RFC 7643 section 7)."""
        return cls(
            name=raw["name"],
            type=raw["type"],
            multi_valued=raw["multiValued"],
            description=raw["description"],
            required=raw["required"],
            canonical_values=tuple(raw.get("canonicalValues", ())),
            case_exact=raw["caseExact"],
            mutability=raw["mutability"],
            returned=raw["returned"],
            uniqueness=raw["uniqueness"],
            reference_types=tuple(raw.get("referenceTypes", ())),
            sub_attributes=_by_name(raw.get("subAttributes", ())),
        )

    def sub(self, name: str) -> "Attribute | None":
        """Return the sub-attribute with this name, in any case."""
        return self.sub_attributes.get(name.lower())


def _by_name(raw: Any) -> dict[str, Attribute]:
    return {item["name"].lower(): Attribute.from_json(item) for item in raw}


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema (RFC 7643 section 7).

    Attributes:
        id: Its URN.
        attributes: Its attributes by name in lower case.
        definition: The definition that /Schemas answers.
    """

    id: str
    attributes: dict[str, Attribute]
    definition: dict[str, Any]

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "Schema":
        return cls(raw["id"], _by_name(raw["attributes"]), raw)

    def attribute(self, name: str) -> Attribute | None:
        """Return the attribute with this name, in any case."""
        return self.attributes.get(name.lower())


@dataclass(frozen=True, slots=True)
class Place:
    """The extension, attribute or sub-attribute that a path names.

    Attributes:
        schema: The URN of the extension; None for a core attribute.
        attribute: The attribute; None for a whole extension.
        sub: The sub-attribute; None if the path names none.
    """

    schema: str | None
    attribute: Attribute | None
    sub: Attribute | None = None

    @property
    def leaf(self) -> Attribute | None:
        return self.sub or self.attribute

    @property
    def name(self) -> str:
        """The path in the spelling of the schema."""
        names = ".".join(part.name for part in (self.attribute, self.sub) if part is not None)
        if self.schema is None:
            return names
        return f"{self.schema}:{names}" if names else self.schema


@dataclass(frozen=True, slots=True, eq=False)
class ResourceType:
    """A resource type (RFC 7643 section 6) with its schemas. Compared by identity.

    Attributes:
        name: Its name, such as User.
        endpoint: Its endpoint, such as /Users.
        description: Its description.
        core: Its core schema.
        common: The common attributes (RFC 7643 section 3.1).
        extensions: Its extensions by URN in lower case.
        required_extensions: The URNs of the required extensions.
        indexed: The paths that have look-ups.
        mail_domains: The paths whose e-mail domains have the look-up `domain`.
        computed: The attribute that is computed from memberships instead of stored: `members` of a
            group, `groups` of a user; None if there is none.
        denied: The paths of booleans of which only false, the rare value, has look-ups.
        building: The paths whose look-ups are written but not yet complete for older resources.
        constrained: The paths with unique values besides their look-ups.
        defaults: The values of core attributes that a client omits.
    """

    name: str
    endpoint: str
    description: str
    core: Schema
    common: Schema
    extensions: dict[str, Schema]
    required_extensions: frozenset[str]
    indexed: tuple[str, ...]
    mail_domains: tuple[str, ...]
    computed: str | None = None
    denied: tuple[str, ...] = ()
    building: tuple[str, ...] = ()
    constrained: tuple[str, ...] = ()
    defaults: dict[str, Json] = field(default_factory=dict)

    @property
    def shows_on_request(self) -> bool:
        """Whether it has an attribute with `returned` request (RFC 7643 section 7)."""
        tops = [attribute for _, attribute in self.attributes()]
        return any(
            item.returned == "request"
            for top in tops
            for item in (top, *top.sub_attributes.values())
        )

    def extension(self, urn: str) -> Schema | None:
        """Return the extension with this URN, in any case."""
        return self.extensions.get(urn.lower())

    def is_core(self, urn: str) -> bool:
        return urn.lower() == self.core.id.lower()

    def top(self, name: str) -> Attribute | None:
        """Return the core or common attribute with this name, in any case."""
        return self.core.attribute(name) or self.common.attribute(name)

    def place(self, path: str) -> Place | None:
        """Resolve a path, in any case and with or without the URN of the core schema.

        Returns:
            The place, or None if no schema of the resource type defines it.
        """
        lowered = path.lower()
        for urn, schema in self.extensions.items():
            if lowered == urn:
                return Place(schema.id, None)
            if lowered.startswith(urn + ":"):
                return self._within(path[len(urn) + 1 :], schema)
        core = self.core.id.lower() + ":"
        return self._within(path[len(core) :] if lowered.startswith(core) else path, None)

    def _within(self, names: str, extension: Schema | None) -> Place | None:
        name, dot, sub_name = names.partition(".")
        attribute = extension.attribute(name) if extension else self.top(name)
        if attribute is None:
            return None
        sub = attribute.sub(sub_name) if dot else None
        if dot and sub is None:
            return None
        return Place(extension.id if extension else None, attribute, sub)

    def attributes(self) -> Iterator[tuple[str | None, Attribute]]:
        """Yield the top-level attributes in canonical order, with their extension's URN."""
        for attribute in (*self.common.attributes.values(), *self.core.attributes.values()):
            yield None, attribute
        for schema in self.extensions.values():
            for attribute in schema.attributes.values():
                yield schema.id, attribute


@lru_cache(maxsize=1024)
def secret_places(resource_type: ResourceType) -> tuple[Place, ...]:
    """Return the places of the top-level attributes that are never returned."""
    return tuple(
        Place(urn, attribute) for urn, attribute in resource_type.attributes() if attribute.secret
    )


@lru_cache(maxsize=1024)
def holders_of_secrets(resource_type: ResourceType) -> tuple[Place, ...]:
    """Return the complex attributes with sub-attributes that are never returned."""
    return tuple(
        Place(urn, attribute)
        for urn, attribute in resource_type.attributes()
        if attribute.secret_subs
    )


@dataclass(frozen=True, slots=True, eq=False)
class Registry:
    """The resource types and schemas of a workspace. Compared by identity.

    Attributes:
        types: The resource types by endpoint.
        schemas: The schemas by URN in lower case.
    """

    types: dict[str, ResourceType]
    schemas: dict[str, Schema]


def load_definition(name: str) -> dict[str, Any]:
    """Load definitions/NAME.json."""
    text = resources.files(__package__).joinpath("definitions", f"{name}.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@cache
def registry() -> Registry:
    """Return the registry of the RFCs, as definitions/registry.json lists it."""
    names = (
        "user",
        "enterprise_user",
        "group",
        "service_provider_config",
        "resource_type",
        "schema",
    )
    schemas = {
        schema.id.lower(): schema
        for schema in (Schema.from_json(load_definition(name)) for name in names)
    }
    common = Schema.from_json(load_definition("common"))
    types = {}
    for raw in load_definition("registry")["resourceTypes"]:
        extensions = raw["schemaExtensions"]
        types[raw["endpoint"]] = ResourceType(
            name=raw["name"],
            endpoint=raw["endpoint"],
            description=raw["description"],
            core=schemas[raw["schema"].lower()],
            common=common,
            extensions={
                item["schema"].lower(): schemas[item["schema"].lower()] for item in extensions
            },
            required_extensions=frozenset(
                item["schema"] for item in extensions if item["required"]
            ),
            indexed=tuple(raw["indexed"]),
            mail_domains=tuple(raw["mailDomains"]),
            computed=raw["computed"],
            denied=tuple(raw["denied"]),
            defaults=raw.get("defaults", {}),
        )
    return Registry(types, schemas)
