"""The audit log in `changes`: the hash chain and the search."""
