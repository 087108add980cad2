"""The SCIM protocol (RFC 7643, RFC 7644) on plain dicts, without I/O and clock."""
