"""The documentation of muster, as the service shows it."""
