"""Schemas, attributes and resource types (RFC 7643 sections 6 and 7), looked up by any spelling of a name."""

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
    """An attribute definition with every characteristic of RFC 7643 section 7."""

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
    """Its values are never returned: they are kept as hashes, outside the document."""
    is_text: bool = field(init=False)
    """Any string is a value of it as it stands."""
    has_value: bool = field(init=False)
    """It has the sub-attribute `value`."""
    named_by_value: bool = field(init=False)
    """Its elements are named by their `value`, which cannot be empty. Members may be named by their `$ref` as well."""
    required_subs: "tuple[Attribute, ...]" = field(init=False)
    """Those that a client has to give."""
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
            object.__setattr__(
                self, name, value
            )  # asked at every value: a property would cost more than what it tells

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "Attribute":
        """An attribute from its definition as JSON (RFC 7643 section 7)."""
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
        """The sub-attribute of that name, in any case."""
        return self.sub_attributes.get(name.lower())


def _by_name(raw: Any) -> dict[str, Attribute]:
    return {item["name"].lower(): Attribute.from_json(item) for item in raw}


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema: its URN and its attributes by lower-cased name. definition is what /Schemas answers."""

    id: str
    attributes: dict[str, Attribute]
    definition: dict[str, Any]

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "Schema":
        return cls(raw["id"], _by_name(raw["attributes"]), raw)

    def attribute(self, name: str) -> Attribute | None:
        """The attribute of that name, in any case."""
        return self.attributes.get(name.lower())


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path leads in a document of a resource type.

    schema: the extension it lies in, or None for the core. attribute: None for a whole extension.
    sub: the sub-attribute, where the path names one.
    """

    schema: str | None
    attribute: Attribute | None
    sub: Attribute | None = None

    @property
    def leaf(self) -> Attribute | None:
        return self.sub or self.attribute

    @property
    def name(self) -> str:
        """The path in the schema's own spelling."""
        names = ".".join(part.name for part in (self.attribute, self.sub) if part is not None)
        if self.schema is None:
            return names
        return f"{self.schema}:{names}" if names else self.schema


@dataclass(frozen=True, slots=True, eq=False)
class ResourceType:
    """A resource type (RFC 7643 section 6) with its schemas at hand; one is the same as itself alone.

    indexed: the paths kept as look-ups. mail_domains: the paths whose mail domains are kept as the look-up `domain`.
    computed: the attribute that no document holds, but the memberships say: `members` of a group, `groups` of a user.
    denied: paths of booleans of which only false has look-ups, as few resources say it.
    building: paths whose look-ups are kept, and are not yet there for all that was written before. constrained: paths that are
    unique beside those whose look-ups are. defaults: the values that a resource has if its client gives none.
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
        """Whether some attribute is shown only to those who ask for it (RFC 7643 section 7, `returned`)."""
        tops = [attribute for _, attribute in self.attributes()]
        return any(
            item.returned == "request"
            for top in tops
            for item in (top, *top.sub_attributes.values())
        )

    def extension(self, urn: str) -> Schema | None:
        """The extension of that URN, in any case."""
        return self.extensions.get(urn.lower())

    def is_core(self, urn: str) -> bool:
        return urn.lower() == self.core.id.lower()

    def top(self, name: str) -> Attribute | None:
        """The core or common attribute of that name, in any case."""
        return self.core.attribute(name) or self.common.attribute(name)

    def place(self, path: str) -> Place | None:
        """Where a path leads, by any spelling: any case, with or without the schema URN, sub-attributes after a dot.

        Returns None where no schema of this resource type defines it.
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
        """Every top-level attribute with the extension that it lies in, in canonical order."""
        for attribute in (*self.common.attributes.values(), *self.core.attributes.values()):
            yield None, attribute
        for schema in self.extensions.values():
            for attribute in schema.attributes.values():
                yield schema.id, attribute


@lru_cache(maxsize=1024)
def secret_places(resource_type: ResourceType) -> tuple[Place, ...]:
    """The places of the attributes whose values are never returned."""
    return tuple(
        Place(urn, attribute) for urn, attribute in resource_type.attributes() if attribute.secret
    )


@lru_cache(maxsize=1024)
def holders_of_secrets(resource_type: ResourceType) -> tuple[Place, ...]:
    """The places of the complex attributes that have sub-attributes whose values are never returned."""
    return tuple(
        Place(urn, attribute)
        for urn, attribute in resource_type.attributes()
        if attribute.secret_subs
    )


@dataclass(frozen=True, slots=True, eq=False)
class Registry:
    """The resource types that are served, by endpoint, and every schema, by lower-cased URN; one is the same as itself alone."""

    types: dict[str, ResourceType]
    schemas: dict[str, Schema]


def load_definition(name: str) -> dict[str, Any]:
    """The definition that schemas/NAME.json holds."""
    text = resources.files(__package__).joinpath("definitions", f"{name}.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@cache
def registry() -> Registry:
    """The registry that schemas/registry.json lists."""
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
