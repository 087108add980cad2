"""The OpenAPI document."""

from muster.http.openapi.document import openapi_document

__all__ = ["openapi_document"]
