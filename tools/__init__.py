"""Programs for those who work on muster."""
