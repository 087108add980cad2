"""Filters and paths: parsing, binding and evaluation (RFC 7644 section 3.4.2.2)."""
