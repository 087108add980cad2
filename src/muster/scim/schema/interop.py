"""The schemas of workspaces with the SCIM interoperability profile and IPSIE's profile.

- Attributes that are never returned, `password` first, do not exist: IPSIE forbids them.
- Each `type` of a multi-valued complex attribute lists its canonical values. RFC 7643 lists none
  for those of `entitlements`, `roles` and `x509Certificates`.
- `/ServiceProviderConfig` has `interopProfileConformant`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from muster.scim.schema.discovery import SERVICE_PROVIDER_CONFIG
from muster.scim.schema.model import Registry, ResourceType, Schema

_TYPES = ["work", "home", "other"]
"""The canonical values of a `type` whose schema lists none, as those of `emails`."""
_CONFORMANT = {
    "name": "interopProfileConformant",
    "type": "boolean",
    "multiValued": False,
    "description": "Whether the service provider conforms to the SCIM interoperability profile.",
    "required": False,
    "caseExact": False,
    "mutability": "readOnly",
    "returned": "default",
    "uniqueness": "none",
}


def secret_attribute(attributes: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the name of the first attribute that is never returned; None if there is none.

    Args:
        attributes: The definitions of attributes (RFC 7643 section 7).
    """
    for attribute in attributes:
        if _is_secret(attribute):
            return str(attribute["name"])
        if inner := secret_attribute(attribute.get("subAttributes", ())):
            return f"{attribute['name']}.{inner}"
    return None


def interoperable(base: Registry) -> Registry:
    """Return a registry as the profiles require it."""
    schemas = {urn: _narrowed(schema) for urn, schema in base.schemas.items()}
    types = {endpoint: _with(found, schemas) for endpoint, found in base.types.items()}
    return Registry(types, schemas)


def _with(found: ResourceType, schemas: Mapping[str, Schema]) -> ResourceType:
    extensions = {urn: schemas[urn] for urn in found.extensions}
    return replace(found, core=schemas[found.core.id.lower()], extensions=extensions)


def _narrowed(schema: Schema) -> Schema:
    attributes = [
        _with_types(attribute)
        for attribute in schema.definition["attributes"]
        if not _is_secret(attribute)
    ]
    if schema.id == SERVICE_PROVIDER_CONFIG:
        attributes.append(_CONFORMANT)
    return Schema.from_json(schema.definition | {"attributes": attributes})


def _is_secret(attribute: Mapping[str, Any]) -> bool:
    return attribute.get("returned") == "never" or attribute.get("mutability") == "writeOnly"


def _with_types(attribute: dict[str, Any]) -> dict[str, Any]:
    """Add canonical values to a `type` that has none, and drop secret sub-attributes."""
    if "subAttributes" not in attribute:
        return attribute
    subs = [
        {**sub, "canonicalValues": _TYPES} if _needs_types(attribute, sub) else sub
        for sub in attribute["subAttributes"]
        if not _is_secret(sub)
    ]
    return attribute | {"subAttributes": subs}


def _needs_types(attribute: Mapping[str, Any], sub: Mapping[str, Any]) -> bool:
    is_type = attribute["multiValued"] and sub["name"].lower() == "type"
    return bool(is_type and sub["type"] == "string" and not sub.get("canonicalValues"))
