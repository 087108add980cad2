"""The discovery documents (RFC 7644 section 4)."""

from dataclasses import dataclass
from typing import Any

from muster.scim.bounds import MAX_COMPARISONS, MAX_ELEMENTS
from muster.scim.schema.model import Registry, ResourceType

SERVICE_PROVIDER_CONFIG = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
RESOURCE_TYPE = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Schema"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of the service provider.

    Attributes:
        max_results: The most resources on a page.
        default_page: The resources on a page if the request has no `count`.
        max_body: The most bytes of a body.
        max_operations: The most operations of a bulk request.
        cursor_seconds: How long a cursor is valid.
        body_seconds: How long a body may take to arrive.
        max_elements: The most elements of a multi-valued attribute.
        max_values: The most objects, arrays and separators in a JSON body.
        max_comparisons: The most comparisons of a PATCH.
    """

    max_results: int = 1000
    default_page: int = 100
    max_body: int = 2_000_000
    max_operations: int = 1000
    cursor_seconds: int = 3600
    body_seconds: float = 30.0
    max_elements: int = MAX_ELEMENTS
    max_values: int = 100_000
    max_comparisons: int = MAX_COMPARISONS


def authentication_schemes(credentials: str, root: str) -> list[dict[str, Any]]:
    """Return the `authenticationSchemes` that a workspace accepts (RFC 7643 section 5).

    Args:
        credentials: `any`, `oauth` or `keys`.
        root: The public URL of the service.
    """
    found: list[dict[str, Any]] = []
    if credentials != "oauth":
        found.append(
            {
                "type": "oauthbearertoken",
                "name": "API key",
                "description": "An API key of the workspace, as Authorization: Bearer <key>",
                "specUri": "https://www.rfc-editor.org/info/rfc6750",
                "documentationUri": f"{root}/docs",
            }
        )
    if credentials != "keys":
        found.append(
            {
                "type": "oauth2",
                "name": "OAuth 2.0 client credentials",
                "description": f"An access token of {root}/oauth/token, or a token of an issuer"
                " that the workspace trusts, as Authorization: Bearer <token>",
                "specUri": "https://www.rfc-editor.org/info/rfc6749",
                "documentationUri": f"{root}/docs",
            }
        )
    found[0]["primary"] = True
    return found


def service_provider_config(
    limits: Limits, base: str, credentials: str = "any", interoperable: bool = False
) -> dict[str, Any]:
    """Return the ServiceProviderConfig (RFC 7643 section 5).

    Args:
        limits: The limits.
        base: The URL that ends in /scim/v2.
        credentials: The credentials that the workspace accepts.
        interoperable: Whether the workspace has the interoperability profile, and so no passwords.
    """
    conformant = {"interopProfileConformant": True} if interoperable else {}
    return {
        "schemas": [SERVICE_PROVIDER_CONFIG],
        "patch": {"supported": True},
        "bulk": {
            "supported": True,
            "maxOperations": limits.max_operations,
            "maxPayloadSize": limits.max_body,
        },
        "filter": {"supported": True, "maxResults": limits.max_results},
        "changePassword": {"supported": not interoperable},
        "sort": {"supported": True},
        "etag": {"supported": True},
        "authenticationSchemes": authentication_schemes(credentials, base.removesuffix("/scim/v2")),
        "pagination": {
            "cursor": True,
            "index": True,
            "defaultPaginationMethod": "index",
            "defaultPageSize": limits.default_page,
            "maxPageSize": limits.max_results,
            "cursorTimeout": limits.cursor_seconds,
        },
        **conformant,
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": f"{base}/ServiceProviderConfig",
        },
    }


def resource_type_document(resource_type: ResourceType, base: str) -> dict[str, Any]:
    """Return a resource type as /ResourceTypes answers it (RFC 7643 section 6)."""
    return {
        "schemas": [RESOURCE_TYPE],
        "id": resource_type.name,
        "name": resource_type.name,
        "endpoint": resource_type.endpoint,
        "description": resource_type.description,
        "schema": resource_type.core.id,
        "schemaExtensions": [
            {"schema": extension.id, "required": extension.id in resource_type.required_extensions}
            for extension in resource_type.extensions.values()
        ],
        "meta": {
            "resourceType": "ResourceType",
            "location": f"{base}/ResourceTypes/{resource_type.name}",
        },
    }


def resource_type_documents(registry: Registry, base: str) -> list[dict[str, Any]]:
    """Return all resource types of a workspace."""
    return [
        resource_type_document(resource_type, base) for resource_type in registry.types.values()
    ]


def schema_documents(registry: Registry, base: str) -> list[dict[str, Any]]:
    """Return the schemas of all resource types and of the discovery documents."""
    served = {
        urn
        for resource_type in registry.types.values()
        for urn in (resource_type.core.id.lower(), *resource_type.extensions)
    }
    served |= {SERVICE_PROVIDER_CONFIG.lower(), RESOURCE_TYPE.lower(), SCHEMA.lower()}
    return [
        {
            "schemas": [SCHEMA],
            **schema.definition,
            "meta": {"resourceType": "Schema", "location": f"{base}/Schemas/{schema.id}"},
        }
        for urn, schema in registry.schemas.items()
        if urn in served
    ]
