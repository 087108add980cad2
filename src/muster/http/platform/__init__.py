"""The REST API under /api/v1/platform, which administers every workspace."""
