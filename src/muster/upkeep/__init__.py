"""Upkeep of whole databases and workspaces: check, backup, transfer, trimming."""
