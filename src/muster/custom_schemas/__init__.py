"""Custom schemas and resource types of a workspace, changed while it is in use."""
