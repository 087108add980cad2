"""The SCIM protocol (RFC 7643, RFC 7644) on plain dicts: no I/O, no HTTP, no SQL, no clock."""
