"""The management REST under /api/v1: JSON in, JSON out, problem documents for errors."""
