"""muster: a SCIM 2.0 service provider, to run as a service or to mount as an ASGI application."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from muster.app import create_app as create_app
    from muster.config import Settings as Settings

from muster.version import __version__

__all__ = ["Settings", "__version__", "create_app"]


def __getattr__(name: str) -> Any:
    """Import create_app and Settings on first use, so that a part of muster loads alone."""
    if name == "create_app":
        from muster.app import create_app

        return create_app
    if name == "Settings":
        from muster.config import Settings

        return Settings
    raise AttributeError(f"module 'muster' has no attribute {name!r}")
