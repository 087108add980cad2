"""The command line: `main` runs it, and each group of commands is a module."""
