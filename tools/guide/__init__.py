"""Builds the documentation site, and packs it for the wheel."""
