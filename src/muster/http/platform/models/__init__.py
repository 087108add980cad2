"""The models of the platform API."""
