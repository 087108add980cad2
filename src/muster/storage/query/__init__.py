"""Searches: filters compiled to SQL, pages read from plans, and turns at searches."""
