"""The models of /schemas and /resource-types: definitions as in RFC 7643 sections 6 and 7.

Further members of a definition are ignored, so that the answers of other servers can be sent as
they are.
"""

from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from muster.http.management.models.base import Answer, Body, Id, ListAnswer, OneOf, Problem
from muster.scim.schema.custom import (
    ATTRIBUTE_TYPES,
    CHOICES,
    ENDPOINT,
    MAX_ATTRIBUTES,
    MAX_TEXT,
    NAME,
    URN,
)

_URN_EXAMPLE = "urn:example:params:scim:schemas:extension:badge:2.0:User"
_SCHEMA_EXAMPLE: JsonDict = {
    "id": _URN_EXAMPLE,
    "name": "Badge",
    "extends": ["User"],
    "attributes": [{"name": "badgeNumber", "type": "string", "indexed": True}],
}
_TYPE_EXAMPLE: JsonDict = {
    "name": "Device",
    "endpoint": "/Devices",
    "schema": "urn:example:params:scim:schemas:core:2.0:Device",
}
_SimpleType = Annotated[str, OneOf(ATTRIBUTE_TYPES[:-1])]
_AnyType = Annotated[str, OneOf(ATTRIBUTE_TYPES)]
_Mutability = Annotated[str, OneOf(CHOICES["mutability"])]
_Returned = Annotated[str, OneOf(CHOICES["returned"])]
_Uniqueness = Annotated[str, OneOf(CHOICES["uniqueness"])]
_Description = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
_Title = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT, pattern=r"\S")]
_Texts = Annotated[list[str] | None, Field(max_length=MAX_ATTRIBUTES)]
_Urn = Annotated[str, StringConstraints(pattern=f"^{URN.pattern}$"), Field(examples=[_URN_EXAMPLE])]


class _Characteristics(Body):
    """The characteristics that attributes and sub-attributes share."""

    model_config = ConfigDict(extra="ignore")

    description: _Description = ""
    """The meaning of the attribute."""
    multi_valued: bool = False
    """Whether the attribute has any number of values."""
    required: bool = False
    """Whether every resource must have a value."""
    case_exact: bool = False
    """Whether upper and lower case are told apart."""
    mutability: _Mutability = "readWrite"
    """Who may write the attribute, and when."""
    returned: _Returned = "default"
    """When answers contain the attribute. Values that are never returned are kept as hashes."""
    uniqueness: _Uniqueness = "none"
    """Whether no two resources may share a value."""
    canonical_values: _Texts = None
    """Suggested values, such as `work` and `home`."""
    reference_types: _Texts = None
    """The resource types that a reference can point to."""


class SubAttributeDefinition(_Characteristics):
    """A sub-attribute of a complex attribute."""

    name: Annotated[str, StringConstraints(pattern=rf"^(?:{NAME.pattern}|\$ref)$")]
    """The name: a letter, then letters, digits, `-`, `_` and `$`, 64 at most."""
    type: _SimpleType = "string"
    """The type of its values."""


class AttributeDefinition(_Characteristics):
    """An attribute."""

    name: Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]
    """The name: a letter, then letters, digits, `-`, `_` and `$`, 64 at most."""
    type: _AnyType = "string"
    """The type of its values."""
    sub_attributes: Annotated[
        list[SubAttributeDefinition] | None, Field(min_length=1, max_length=MAX_ATTRIBUTES)
    ] = None
    """The parts of a complex attribute."""
    indexed: bool = False
    """Whether to index the attribute, so that `eq` and sorting find it without a scan."""


class SchemaDefinition(Body):
    """A schema as in RFC 7643 section 7, with `extends`, `required` and `indexed`."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"example": _SCHEMA_EXAMPLE})

    id: _Urn
    """The URN of the schema."""
    name: _Title
    """The name of the schema."""
    description: _Description = ""
    """The purpose of the schema."""
    extends: list[str] = []
    """The resource types that the schema extends. Empty for the core schema of a new type."""
    required: bool = False
    """Whether resources of these types must have the extension."""
    attributes: Annotated[list[AttributeDefinition], Field(min_length=1, max_length=MAX_ATTRIBUTES)]
    """The attributes."""


class CharacteristicsAnswer(Answer):
    """The characteristics that attributes and sub-attributes share, with defaults filled in."""

    description: str
    """The meaning of the attribute."""
    multiValued: bool
    """Whether the attribute has any number of values."""
    required: bool
    """Whether every resource must have a value."""
    caseExact: bool
    """Whether upper and lower case are told apart."""
    mutability: _Mutability
    """Who may write the attribute, and when."""
    returned: _Returned
    """When answers contain the attribute."""
    uniqueness: _Uniqueness
    """Whether no two resources may share a value."""
    canonicalValues: NotRequired[list[str]]
    """Suggested values."""
    referenceTypes: NotRequired[list[str]]
    """The resource types that a reference can point to."""


class SubAttributeAnswer(CharacteristicsAnswer):
    """A sub-attribute of a complex attribute."""

    name: Annotated[str, Field(examples=["value"])]
    """The name."""
    type: _SimpleType
    """The type of its values."""


class AttributeAnswer(CharacteristicsAnswer):
    """An attribute."""

    name: Annotated[str, Field(examples=["badgeNumber"])]
    """The name."""
    type: _AnyType
    """The type of its values."""
    subAttributes: NotRequired[list[SubAttributeAnswer]]
    """The parts of a complex attribute."""
    indexed: bool
    """Whether the attribute is indexed."""


class SchemaAnswer(Answer):
    """A schema of the workspace, with defaults filled in."""

    id: _Urn
    """The URN of the schema."""
    name: Annotated[str, Field(examples=["Badge"])]
    """The name of the schema."""
    description: str
    """The purpose of the schema."""
    attributes: list[AttributeAnswer]
    """The attributes."""
    extends: list[Annotated[str, Field(examples=["User"])]]
    """The resource types that the schema extends."""
    required: bool
    """Whether resources of these types must have the extension."""
    indexReady: bool
    """Whether the indexes are complete. Until then, searches scan."""


class SchemaProgress(SchemaAnswer):
    """A schema of the workspace and the progress of its indexes."""

    indexProgress: Annotated[int, Field(ge=0, le=100)]
    """How much of the indexes is built, in percent."""


class SchemaList(ListAnswer):
    """The schemas that a workspace has defined."""

    items: list[SchemaAnswer]
    """The schemas, by URN."""


class BrokenResource(Answer):
    """A stored resource that a definition would contradict."""

    resourceType: Annotated[str, Field(examples=["User"])]
    """The type of the resource."""
    id: Id
    """The id of the resource."""
    name: Annotated[str, Field(examples=["Ann Smith"])]
    """The displayName of the resource, or else its userName. Empty if it has neither."""
    attribute: Annotated[str, Field(examples=["badgeNumber"])]
    """The attribute at fault. Empty if it is the resource as a whole."""
    detail: str
    """The value that does not fit."""


class SchemaConflict(Problem):
    """A conflict with another definition or with stored resources."""

    broken: NotRequired[list[BrokenResource]]
    """Some of the resources that would no longer fit, if the key may read resources."""
    total: NotRequired[int]
    """The number of resources that would no longer fit."""
    attributes: NotRequired[dict[str, int]]
    """The number of these resources by the attribute at fault. One may count for several."""


class SchemaConflicts(Answer):
    """The stored resources that a change of a schema would contradict."""

    total: int
    """The number of resources that would no longer fit."""
    attributes: dict[str, int]
    """The number of these resources by the attribute at fault. One may count for several."""
    broken: list[BrokenResource]
    """Some of them, if the key may read resources."""


_Characteristic = Annotated[
    Any,
    Field(
        json_schema_extra={
            "anyOf": [
                {"type": ["boolean", "string", "null"]},
                {"type": "array", "items": {"type": "string"}},
            ],
        }
    ),
]


class AttributeDifference(Answer):
    """A characteristic before and after a change."""

    name: Annotated[str, Field(examples=["required"])]
    """The name of the characteristic."""
    before: _Characteristic
    """The stored value."""
    after: _Characteristic
    """The new value."""


class SchemaDifference(Answer):
    """A difference between the stored schema and a new definition."""

    attribute: Annotated[str, Field(examples=["badge.number"])]
    """The path of the attribute. Empty for the schema itself."""
    action: Annotated[str, OneOf(("add", "remove", "update", "reorder"))]
    """The kind of the difference."""
    values: list[AttributeDifference]
    """For an update, the characteristics that differ."""


class SchemaPreview(Answer):
    """The effect of a definition, before it is stored."""

    changes: list[SchemaDifference]
    """The differences from the stored schema with this id, or all attributes of a new one."""
    conflicts: SchemaConflicts | None
    """The stored resources that forbid the change. Null if there are none."""


class TypeExtension(Body):
    """An extension of a resource type."""

    model_config = ConfigDict(extra="ignore")

    schema_: Annotated[str, Field(alias="schema", max_length=300)]
    """The URN of a schema of this workspace."""
    required: bool = False
    """Whether resources must have the extension."""


class NewResourceType(Body):
    """A resource type as in RFC 7643 section 6."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"example": _TYPE_EXAMPLE})

    name: Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]
    """The name: a letter, then letters, digits, `-`, `_` and `$`, 64 at most."""
    endpoint: Annotated[str, StringConstraints(pattern=f"^{ENDPOINT.pattern}$")]
    """The path of its resources, such as `/Devices`."""
    description: _Description = ""
    """The purpose of the type."""
    schema_: Annotated[str, Field(alias="schema", max_length=300)]
    """The URN of its core schema, one of this workspace."""
    schema_extensions: list[TypeExtension] = []
    """The extensions of the type."""


class TypeExtensionAnswer(Answer):
    """An extension of a resource type."""

    schema: Annotated[str, Field(examples=[_URN_EXAMPLE])]
    """The URN of the schema."""
    required: bool
    """Whether resources must have the extension."""


class ResourceTypeAnswer(Answer):
    """A resource type of the workspace."""

    name: Annotated[str, Field(examples=["Device"])]
    """The name."""
    endpoint: Annotated[str, Field(examples=["/Devices"])]
    """The path of its resources."""
    description: str
    """The purpose of the type."""
    schema: Annotated[str, Field(examples=["urn:example:params:scim:schemas:core:2.0:Device"])]
    """The URN of its core schema."""
    schemaExtensions: list[TypeExtensionAnswer]
    """The extensions of the type."""


class ResourceTypeList(ListAnswer):
    """The resource types that a workspace has defined."""

    items: list[ResourceTypeAnswer]
    """The resource types, by endpoint."""
