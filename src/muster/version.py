"""The version of this muster."""

__version__ = "0.1.0"
