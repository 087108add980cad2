"""Schemas and resource types of a workspace's own: made, changed and removed while it is in use."""
