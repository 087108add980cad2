"""Group membership: the hierarchy, member deltas and unique group names."""
