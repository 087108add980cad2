"""Checks and repairs of data that is derived from the documents."""
