"""Past states of resources: reading them, restoring one, and rolling back a key."""
