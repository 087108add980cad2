"""Checking and rebuilding data derived from the documents."""
