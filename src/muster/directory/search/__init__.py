"""Searches over several resource types, and remembered positions of lists."""
