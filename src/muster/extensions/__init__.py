"""A workspace's own schemas and resource types, changed while it is in use."""
