"""Groups: edits of their members, and the memberships of resources."""
