"""Schemas: their model, custom definitions, and discovery (RFC 7643 section 7)."""
