"""The storage port: the interface between the use cases and an engine."""
