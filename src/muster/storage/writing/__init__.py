"""The meaning of a write, which both engines share: decisions, and the rows that they change."""
