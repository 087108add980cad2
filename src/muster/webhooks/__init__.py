"""Webhooks: the feed, sent to where a workspace wants it, signed as Standard Webhooks."""
