"""Read schemas from GET /Schemas and GET /ResourceTypes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.oracles.host import Space

Json = Any

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PROBE = "urn:example:params:scim:schemas:extension:probe:2.0:User"


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """An attribute's definition (RFC 7643 section 7), with sub-attributes by name."""

    name: str
    type: str = "string"
    multi: bool = False
    required: bool = False
    case_exact: bool = False
    mutability: str = "readWrite"
    returned: str = "default"
    unique: bool = False
    subs: "dict[str, Attribute]" = field(default_factory=dict)

    @classmethod
    def of(cls, raw: Json) -> "Attribute":
        return cls(
            raw["name"],
            raw["type"],
            raw["multiValued"],
            raw["required"],
            raw["caseExact"],
            raw["mutability"],
            raw["returned"],
            raw["uniqueness"] != "none",
            {sub["name"]: cls.of(sub) for sub in raw.get("subAttributes", ())},
        )


def _read_only(name: str, kind: str = "string", case_exact: bool = False) -> Attribute:
    return Attribute(name, kind, case_exact=case_exact, mutability="readOnly")


_META = (
    _read_only("resourceType", case_exact=True),
    _read_only("created", "dateTime"),
    _read_only("lastModified", "dateTime"),
    _read_only("location", "reference", case_exact=True),
    _read_only("version", case_exact=True),
)
COMMON = {
    "schemas": Attribute("schemas", "reference", multi=True, required=True, case_exact=True),
    "id": _read_only("id", case_exact=True),
    "externalId": Attribute("externalId", case_exact=True),
    "meta": Attribute(
        "meta", "complex", mutability="readOnly", subs={sub.name: sub for sub in _META}
    ),
}
"""The common attributes (RFC 7643 section 3.1), which no schema lists."""


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A resource type.

    Attributes:
        core: The attributes of its schema and the common attributes.
        extensions: The attributes of each extension by URN.
    """

    name: str
    endpoint: str
    urn: str
    core: dict[str, Attribute]
    extensions: dict[str, dict[str, Attribute]]

    def paths(self) -> "Iterator[Path]":
        """Yield the path of every attribute and sub-attribute."""
        for urn, attributes in ((None, self.core), *self.extensions.items()):
            for attribute in attributes.values():
                yield Path(urn, attribute)
                for sub in attribute.subs.values():
                    yield Path(urn, attribute, sub)


@dataclass(frozen=True, slots=True)
class Path:
    """The path of an attribute or sub-attribute; urn is None for core attributes."""

    urn: str | None
    attribute: Attribute
    sub: Attribute | None = None

    @property
    def last(self) -> Attribute:
        return self.attribute if self.sub is None else self.sub

    def __str__(self) -> str:
        prefix = "" if self.urn is None else f"{self.urn}:"
        return prefix + self.attribute.name + ("" if self.sub is None else f".{self.sub.name}")


def resource_types(space: Space) -> dict[str, ResourceType]:
    """Read the resource types of a workspace by name."""
    listed = {
        raw["id"]: raw["attributes"] for raw in space.call("GET", "/Schemas").json["Resources"]
    }
    attributes = {
        urn: {raw["name"]: Attribute.of(raw) for raw in found} for urn, found in listed.items()
    }
    made = {}
    for raw in space.call("GET", "/ResourceTypes").json["Resources"]:
        extensions = {
            item["schema"]: attributes[item["schema"]] for item in raw.get("schemaExtensions", ())
        }
        core = COMMON | attributes[raw["schema"]]
        made[raw["name"]] = ResourceType(
            raw["name"], raw["endpoint"], raw["schema"], core, extensions
        )
    return made


def _sub(name: str, kind: str = "string", **more: Json) -> Json:
    return {"name": name, "type": kind, **more}


PROBE_SCHEMA = {
    "id": PROBE,
    "name": "Probe",
    "description": "An attribute of every type.",
    "extends": ["User"],
    "attributes": [
        _sub("code", caseExact=True, indexed=True),
        _sub("label", indexed=True),
        _sub("motto"),
        _sub("level", "integer"),
        _sub("ratio", "decimal"),
        _sub("since", "dateTime"),
        _sub("until", "dateTime", indexed=True),
        _sub("vip", "boolean"),
        _sub("site", "reference", caseExact=True, referenceTypes=["external"]),
        _sub("blob", "binary", caseExact=True),
        _sub("badge", mutability="immutable"),
        _sub("tags", multiValued=True),
        _sub("codes", multiValued=True, caseExact=True),
        _sub("scores", "integer", multiValued=True),
        _sub("visits", "dateTime", multiValued=True),
        _sub("flags", "boolean", multiValued=True),
        _sub(
            "seat",
            "complex",
            subAttributes=[
                _sub("floor", "integer"),
                _sub("desk", caseExact=True),
                _sub("room"),
                _sub("window", "boolean"),
                _sub("since", "dateTime"),
            ],
        ),
        _sub(
            "zones",
            "complex",
            multiValued=True,
            subAttributes=[
                _sub("value", caseExact=True),
                _sub("type"),
                _sub("primary", "boolean"),
                _sub("level", "integer"),
                _sub("since", "dateTime"),
            ],
        ),
        _sub(
            "locks",
            "complex",
            multiValued=True,
            subAttributes=[
                _sub("value", required=True),
                _sub("type"),
                _sub("serial", mutability="immutable"),
            ],
        ),
    ],
}
"""An extension of User with an attribute of every type, single and multi-valued."""
