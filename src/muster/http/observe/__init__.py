"""Observability: health, metrics, logs, recorded requests and traces."""
