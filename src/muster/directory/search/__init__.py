"""Searches over several resource types, and walks through pages."""
