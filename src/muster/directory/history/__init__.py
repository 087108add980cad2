"""Past states of resources: reading, restoring and rolling back."""
