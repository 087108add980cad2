"""Webhooks: endpoints, delivery and retries."""
