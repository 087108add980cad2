"""Groups: edits of their members, and the attributes computed from memberships."""
