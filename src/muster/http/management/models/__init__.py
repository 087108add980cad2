"""The shapes of the management REST: bodies, query parameters and answers, one file per subject."""
