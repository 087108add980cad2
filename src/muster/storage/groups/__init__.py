"""Group membership: the hierarchy, unique names, member deltas."""
