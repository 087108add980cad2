"""Searches as SQL: compiling, paging and taking turns."""
